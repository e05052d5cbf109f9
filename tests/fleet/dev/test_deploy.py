"""The topology, deployed by CloudFormation: created, updated, and what is said when it fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.dead_letters.queues.stack import variable
from fleet.dev.deploy import DeploymentFailed, deploy, template
from fleet.dev.emulators.ministack import Endpoint
from tests.aws import Aws

CONTRACT = [
    "REMINDER_TICKS_QUEUE_URL",
    "REMINDER_TICKS_DLQ_URL",
    "REMINDER_RECEIPTS_QUEUE_URL",
    "REMINDER_RECEIPTS_DLQ_URL",
    "REMINDERS_QUEUE_URL",
    "REMINDERS_DLQ_URL",
    "WEBHOOK_EVENTS_QUEUE_URL",
    "WEBHOOK_EVENTS_DLQ_URL",
    "WEBHOOK_DELIVERIES_QUEUE_URL",
    "WEBHOOK_DELIVERIES_DLQ_URL",
    "UPLOADS_QUEUE_URL",
    "UPLOADS_DLQ_URL",
    "AUDIT_QUEUE_URL",
    "AUDIT_DLQ_URL",
    "EVENTS_UNDELIVERED_QUEUE_URL",
    "EVENT_BUS_NAME",
    "UPLOAD_BUCKET_NAME",
    "AUDIT_BUCKET_NAME",
    "DLQ_ARCHIVE_BUCKET_NAME",
    "SESSIONS_TABLE_NAME",
    "REMINDERS_TABLE_NAME",
    "WEBHOOKS_TABLE_NAME",
    "LEDGER_TABLE_NAME",
    "SESSIONS_STREAM_ARN",
    "REMINDERS_STREAM_ARN",
    "WEBHOOKS_STREAM_ARN",
]


def one_queue(**properties: Any) -> str:
    """A template with one queue, named by the same parameters as the real one."""
    named = {"QueueName": {"Fn::Sub": "${ProjectName}-letters-${Stage}"}, **properties}
    return json.dumps(
        {
            "Parameters": {name: {"Type": "String"} for name in ("ProjectName", "Stage", "PipesEnabled")},
            "Resources": {"Letters": {"Type": "AWS::SQS::Queue", "Properties": named}},
            "Outputs": {"LettersQueueUrl": {"Value": {"Ref": "Letters"}}},
        }
    )


def test_every_variable_the_workers_read_comes_from_the_outputs(aws: Aws) -> None:
    assert [name for name in CONTRACT if not aws.names.get(name)] == []


def test_the_deployed_queues_really_take_messages(aws: Aws) -> None:
    for name in (name for name in aws.names if name.endswith("_QUEUE_URL") and "FIFO" not in name):
        attributes = aws.sqs.get_queue_attributes(QueueUrl=aws.names[name], AttributeNames=["QueueArn"])["Attributes"]
        assert attributes["QueueArn"].rpartition(":")[2].startswith(f"{aws.project}-"), name


def test_the_same_template_twice_is_not_a_fault(aws: Aws) -> None:
    again = deploy(aws.endpoint, project=aws.project, stage=aws.stage)
    assert dict(again) == dict(aws.names)


def test_a_changed_template_updates_the_stack(emulator: Endpoint, aws: Aws) -> None:
    first = deploy(emulator, project=f"{aws.project}u", body=one_queue(VisibilityTimeout=30))
    second = deploy(emulator, project=f"{aws.project}u", body=one_queue(VisibilityTimeout=45, DelaySeconds=1))
    assert first["LETTERS_QUEUE_URL"] == second["LETTERS_QUEUE_URL"]


def test_a_resource_that_cannot_be_created_is_named_with_its_reason(emulator: Endpoint, aws: Aws) -> None:
    broken = one_queue(RedrivePolicy={"deadLetterTargetArn": "nonsense"})
    with pytest.raises(DeploymentFailed, match=r"Letters CREATE_FAILED: .+"):
        deploy(emulator, project=f"{aws.project}f", body=broken)


def test_what_is_not_a_template_is_refused(emulator: Endpoint, aws: Aws) -> None:
    with pytest.raises(DeploymentFailed, match=f"{aws.project}n-messaging-dev"):
        deploy(emulator, project=f"{aws.project}n", body="no template")


def test_the_template_is_the_committed_one() -> None:
    assert template() == Path(__file__).parents[3] / "infra" / "templates" / "messaging.json"


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("ReminderTicksDlqUrl", "REMINDER_TICKS_DLQ_URL"),
        ("SessionsStreamArn", "SESSIONS_STREAM_ARN"),
        ("EventBusName", "EVENT_BUS_NAME"),
    ],
)
def test_an_output_key_becomes_a_variable(output: str, name: str) -> None:
    assert variable(output) == name
