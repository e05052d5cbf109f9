"""The stacks that watch, deployed by CloudFormation as they are committed; on the emulator, which holds alarms and calls nobody."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from fleet.dev.deploy import session
from fleet.dev.emulators.ministack import Endpoint
from tests.infra.template import INFRA, stack

pytestmark = pytest.mark.slow
STACKS = ("alarms", "queue-alarms", "service-alarms", "dashboards")
REFUSED = {"queue-alarms": "MetricMath", "service-alarms": "MetricMath", "dashboards": "SavedQueries"}
WAIT: Any = {"Delay": 1, "MaxAttempts": 180}


@contextmanager
def unchanged() -> Iterator[None]:
    """AWS refuses an update that would change nothing."""
    try:
        yield
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise


def given_to(name: str, project: str) -> dict[str, str]:
    """Parameters of a stack, without what the emulator refuses: `Properties.Metrics (metric math) is not supported`."""
    return {"ProjectName": project} | ({REFUSED[name]: "false"} if name in REFUSED else {})


def test_they_deploy_in_their_order_twice_and_go_without_a_trace(emulator: Endpoint) -> None:
    project = f"w{uuid.uuid4().hex[:8]}"
    opened = session(emulator)
    formation = opened.client("cloudformation", endpoint_url=emulator.url)
    watch = opened.client("cloudwatch", endpoint_url=emulator.url)
    logs = opened.client("logs", endpoint_url=emulator.url)
    for worker in ("upload-notification", "webhook-delivery", "reminder-dispatch", "audit-archive"):
        logs.create_log_group(logGroupName=f"/aws/lambda/{project}-{worker}-dev")

    def names() -> set[str]:
        pages = watch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{project}-")
        return {alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]}

    for name in STACKS:
        text = (INFRA / "templates" / f"{name}.json").read_text()
        chosen = given_to(name, project)
        given: Any = {
            "StackName": f"{project}-{name}-dev",
            "TemplateBody": text,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in chosen.items()],
        }
        formation.create_stack(**given, Capabilities=["CAPABILITY_NAMED_IAM"])
        try:
            formation.get_waiter("stack_create_complete").wait(StackName=given["StackName"], WaiterConfig=WAIT)
        except WaiterError as error:
            events = formation.describe_stack_events(StackName=given["StackName"])["StackEvents"]
            reasons = [each.get("ResourceStatusReason") for each in events if "FAILED" in each["ResourceStatus"]]
            raise AssertionError(reasons) from error
        with unchanged():
            formation.update_stack(**given, Capabilities=["CAPABILITY_NAMED_IAM"])
            formation.get_waiter("stack_update_complete").wait(StackName=given["StackName"], WaiterConfig=WAIT)

    wanted = {
        alarm["Properties"]["AlarmName"]
        for name in STACKS
        for alarm in stack(name, **given_to(name, project)).resources("AWS::CloudWatch::Alarm").values()
    }
    assert names() == wanted
    for name in reversed(STACKS):
        formation.delete_stack(StackName=f"{project}-{name}-dev")
        formation.get_waiter("stack_delete_complete").wait(StackName=f"{project}-{name}-dev", WaiterConfig=WAIT)
    assert names() == set()
