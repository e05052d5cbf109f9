"""Deploys the committed topology inside LocalStack, as its ready hook, with LocalStack's own interpreter.

It has no names of its own: project and stage are the template's defaults. Pipes stay off, LocalStack pumps none.
A failure shows at GET /_localstack/init as ERROR; LocalStack itself goes on.
"""

import json
import os
from pathlib import Path

import boto3

template = Path(os.environ.get("FLEET_TEMPLATE", "/etc/localstack/init/messaging.json")).read_text()
defaults = {name: parameter.get("Default") for name, parameter in json.loads(template)["Parameters"].items()}
stack = {
    "StackName": f"{defaults['ProjectName']}-messaging-{defaults['Stage']}",
    "TemplateBody": template,
    "Parameters": [{"ParameterKey": "PipesEnabled", "ParameterValue": "false"}],
}
port = os.environ.get("GATEWAY_LISTEN", "0.0.0.0:4566").split(",")[0].rpartition(":")[2]
endpoint = os.environ.get("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
keys = (os.environ.get("FLEET_ACCESS_KEY_ID", "test"), os.environ.get("FLEET_SECRET_ACCESS_KEY", "test"))
session = boto3.Session(*keys, region_name=os.environ.get("AWS_REGION", "us-east-1"))
cloudformation = session.client("cloudformation", endpoint_url=endpoint)
patience = {"Delay": 1, "MaxAttempts": 180}
try:
    cloudformation.create_stack(**stack)
except cloudformation.exceptions.AlreadyExistsException:
    print(f"{stack['StackName']} stands already")  # noqa: T201 - LocalStack keeps a hook's output in its log
cloudformation.get_waiter("stack_create_complete").wait(StackName=stack["StackName"], WaiterConfig=patience)
print(f"{stack['StackName']} is deployed")  # noqa: T201 - as above

if sender := os.environ.get("EMAIL_SENDER"):
    # SES sends only from an address that was verified, also here.
    session.client("ses", endpoint_url=endpoint).verify_email_identity(EmailAddress=sender)
