"""The committed topology, deployed to an emulator by CloudFormation, as it would be to AWS."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError, WaiterError

from fleet.dead_letters.queues.stack import outputs
from fleet.dev.emulators.ministack import Endpoint
from fleet.dev.environments import PROJECT

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import ParameterTypeDef


class DeploymentFailed(Exception):
    """The stack did not come up; the message names the resource that failed and why."""


def template(name: str = "messaging") -> Path:
    """A synthesized stack, in the repository: this package is in no wheel."""
    return PROJECT / "infra" / "templates" / f"{name}.json"


def pipes() -> list[tuple[str, str]]:
    """The pipes of the committed topology, which emulators do not pump: the table of each, and its queue."""
    resources = json.loads(template().read_text(encoding="utf-8"))["Resources"]

    def name_of(attribute: Mapping[str, list[str]], key: str) -> str:
        full = resources[attribute["Fn::GetAtt"][0]]["Properties"][key]["Fn::Sub"]
        return str(full).removeprefix("${ProjectName}-").removesuffix("-${Stage}")

    found = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Pipes::Pipe"]
    return [(name_of(each["Source"], "TableName"), name_of(each["Target"], "QueueName")) for each in found]


def session(endpoint: Endpoint) -> boto3.Session:
    """A boto3 session with the endpoint's credentials and region; clients still take `endpoint_url=endpoint.url`."""
    return boto3.Session(
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        region_name=endpoint.region,
    )


def deploy(
    endpoint: Endpoint, *, project: str = "fleet", stage: str = "dev", body: str | None = None
) -> Mapping[str, str]:
    """Create or update the stack `{project}-messaging-{stage}` and wait until it stands.

    Answers its outputs under the names the workers read: `UploadsQueueUrl` becomes `UPLOADS_QUEUE_URL`. Pipes stay off:
    emulators store them and pump nothing; `fleet/dev/stand_ins/server.py` plays that part.

    Raises:
        DeploymentFailed: with the first resource that failed, and CloudFormation's reason.
    """
    text = body if body is not None else template().read_text()
    stand(endpoint, f"{project}-messaging-{stage}", text, ProjectName=project, Stage=stage, PipesEnabled="false")
    client = session(endpoint).client("cloudformation", endpoint_url=endpoint.url)
    return MappingProxyType(outputs(client, project=project, stage=stage))


def stand(endpoint: Endpoint, stack: str, text: str, **given: str) -> None:
    """Create or update a stack from a template's text and its parameters, and wait until it stands. Raises DeploymentFailed."""
    client = session(endpoint).client("cloudformation", endpoint_url=endpoint.url)
    parameters: list[ParameterTypeDef] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in given.items()
    ]
    try:
        if _exists(client, stack):
            _update(client, stack, text, parameters)
        else:
            client.create_stack(
                StackName=stack,
                TemplateBody=text,
                Parameters=parameters,
                OnFailure="DO_NOTHING",
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            client.get_waiter("stack_create_complete").wait(
                StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 180}
            )
    except (ClientError, WaiterError) as error:
        raise DeploymentFailed(f"{stack}: {_reason(client, stack) or error}") from error


def _exists(client: "CloudFormationClient", stack: str) -> bool:
    try:
        described = client.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # CloudFormation's way to say: no such stack
            return False
        raise
    return any(found["StackStatus"] != "DELETE_COMPLETE" for found in described)


def _update(client: "CloudFormationClient", stack: str, text: str, parameters: "list[ParameterTypeDef]") -> None:
    try:
        client.update_stack(
            StackName=stack, TemplateBody=text, Parameters=parameters, Capabilities=["CAPABILITY_NAMED_IAM"]
        )
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return
        raise
    client.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 180})


def _reason(client: "CloudFormationClient", stack: str) -> str | None:
    """The oldest failure among the stack's events: what comes after it is only its consequence."""
    try:
        events = client.describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError:
        return None
    for event in reversed(events):
        if event.get("ResourceStatus", "").endswith("FAILED"):
            return f"{event.get('LogicalResourceId')} {event['ResourceStatus']}: {event.get('ResourceStatusReason', 'no reason given')}"
    return None
