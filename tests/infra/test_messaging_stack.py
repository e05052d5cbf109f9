"""What the messaging stack does once it stands: the effects, on the emulator."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.dev.deploy import deploy
from fleet.dev.emulators.ministack import Endpoint
from shared.worker import Limits
from tests.aws import Aws
from tests.waiting import until

pytestmark = pytest.mark.e2e  # so that LocalStack is asked as well


@pytest.fixture(scope="module")
def stack(emulator: Endpoint) -> Aws:
    """A stack of this file's own: its messages are taken by nobody else."""
    project = f"i{uuid.uuid4().hex[:8]}"
    return Aws(emulator, project, "dev", deploy(emulator, project=project, stage="dev"))


def gathers(
    stack: Aws, queue: str, count: int, wanted: Callable[[dict[str, Any]], bool] = bool
) -> Callable[[], list[dict[str, Any]]]:
    """Each call looks at a queue once more, and answers what was `wanted` of all its messages when `count` are there."""
    kept: list[dict[str, Any]] = []

    def look() -> list[dict[str, Any]]:
        kept.extend(body for text in stack.bodies(stack.names[queue]) if wanted(body := json.loads(text)))
        return kept if len(kept) >= count else []

    return look


async def test_an_object_that_comes_and_goes_is_told_once_each(stack: Aws) -> None:
    bucket, key = stack.names["UPLOAD_BUCKET_NAME"], "session-uploads/s-1/photo.jpg"
    stack.s3.put_object(Bucket=bucket, Key="elsewhere/photo.jpg", Body=b"not ours")
    stack.s3.put_object(Bucket=bucket, Key=key, Body=b"three")
    stack.s3.delete_object(Bucket=bucket, Key=key)

    bodies = await until(
        gathers(stack, "UPLOADS_QUEUE_URL", 2, lambda body: "Records" in body)
    )  # s3:TestEvent has none
    records = [one["Records"][0] for one in bodies]
    assert sorted(record["eventName"].split(":")[0] for record in records) == ["ObjectCreated", "ObjectRemoved"]
    assert {record["s3"]["object"]["key"] for record in records} == {key}


def test_the_rule_for_scans_takes_what_guardduty_says_of_the_uploads_bucket_and_of_no_other(stack: Aws) -> None:
    """Nobody but GuardDuty may put its events, so the deployed rule is asked what it thinks of a recorded one."""
    bucket = stack.names["UPLOAD_BUCKET_NAME"]
    [pattern] = [
        rule["EventPattern"] for rule in stack.events.list_rules()["Rules"] if bucket in rule.get("EventPattern", "")
    ]
    recorded = (Path(__file__).parents[1] / "events" / "guardduty-threats-found.json").read_text()
    assert not stack.events.test_event_pattern(EventPattern=pattern, Event=recorded)["Result"]
    ours = recorded.replace("fleet-uploads-dev", bucket)
    assert stack.events.test_event_pattern(EventPattern=pattern, Event=ours)["Result"]


async def test_only_events_of_a_tenant_reach_the_webhooks(stack: Aws) -> None:
    def entry(number: str, **detail: str) -> Any:
        return {
            "Source": "fleet.uploads",
            "DetailType": "upload.completed",
            "EventBusName": stack.names["EVENT_BUS_NAME"],
            "Detail": json.dumps({"id": number, **detail}),
        }

    sent = stack.events.put_events(Entries=[entry("1"), entry("2", tenantId="t-1"), entry("3", tenantId="t-2")])
    assert sent["FailedEntryCount"] == 0

    arrived = await until(gathers(stack, "WEBHOOK_EVENTS_QUEUE_URL", 2))
    assert sorted(one["detail"]["id"] for one in arrived) == ["2", "3"]
    assert {one["detail-type"] for one in arrived} == {"upload.completed"}


async def test_the_hundredth_receive_is_the_last(stack: Aws) -> None:
    queue, letters = stack.names["REMINDERS_QUEUE_URL"], stack.names["REMINDERS_DLQ_URL"]
    stack.sqs.send_message(QueueUrl=queue, MessageBody="poison")

    def receive() -> int:
        answer = stack.sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0, WaitTimeSeconds=0)
        return len(answer.get("Messages", []))

    wanted = Limits().max_receives
    assert sum(receive() for _ in range(wanted)) == wanted
    assert await until(lambda: [] if receive() else stack.bodies(letters)) == ["poison"]


def test_three_tables_stream_what_changed(stack: Aws) -> None:
    for table in ("SESSIONS", "REMINDERS", "WEBHOOKS"):
        described = stack.dynamodb.describe_table(TableName=stack.names[f"{table}_TABLE_NAME"])["Table"]
        assert described["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        assert described["LatestStreamArn"] == stack.names[f"{table}_STREAM_ARN"]


@pytest.mark.slow
async def test_a_tick_comes_within_the_minute_with_exactly_its_two_fields(stack: Aws) -> None:
    tick, *_ = await until(gathers(stack, "REMINDER_TICKS_QUEUE_URL", 1), seconds=100, what="the tick of the minute")
    assert list(tick) == ["source", "time"]
    assert tick["source"] == "scheduler"
    assert tick["time"].endswith("Z")
