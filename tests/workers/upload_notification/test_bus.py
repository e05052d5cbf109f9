"""How an upload comes to the event bus."""

import json
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.aws import Aws
from tests.waiting import until
from tests.workers.upload_notification.scripted_server import Reply, ScriptedServer
from workers.upload_notification.bus import EventBridge, EventRefused

DETAIL = {"id": "upload_1", "key": "session-uploads/s1/ü.jpg"}
TIME = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)

TAKEN = Reply(body='{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}')
REFUSED = Reply(body='{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "again"}]}')


async def put(server: ScriptedServer) -> None:
    async with server.client("events") as client:
        await EventBridge(client, bus="fleet-events-dev", pause=0.01).put(DETAIL, TIME)


async def test_an_entry_that_the_bus_refused_is_put_again() -> None:
    server = ScriptedServer([REFUSED, TAKEN])
    await put(server)

    (_, first), (_, second) = server.calls
    assert first == second
    (entry,) = json.loads(first)["Entries"]
    assert (entry["Source"], entry["DetailType"]) == ("fleet.uploads", "upload.completed")
    assert (entry["EventBusName"], entry["Time"]) == ("fleet-events-dev", TIME.timestamp())
    assert json.loads(entry["Detail"]) == DETAIL


async def test_an_entry_that_the_bus_keeps_refusing_is_an_error_although_the_call_went_well() -> None:
    server = ScriptedServer([REFUSED])
    with pytest.raises(EventRefused, match="InternalFailure"):
        await put(server)
    assert len(server.calls) == 3


async def test_a_rule_finds_the_event_on_the_real_bus(aws: Aws) -> None:
    bus, queue = aws.names["EVENT_BUS_NAME"], aws.queue("uploads-heard")
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["fleet.uploads"], "detail": {"id": ["upload_1"]}})
    aws.events.put_rule(Name="uploads-heard", EventBusName=bus, EventPattern=pattern)
    aws.events.put_targets(Rule="uploads-heard", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    async with aws.open("events") as client:
        await EventBridge(client, bus=bus).put(DETAIL, TIME)

    (body,) = await until(partial(aws.bodies, queue), what="the event on the queue")
    heard = json.loads(body)
    assert (heard["detail-type"], heard["detail"]) == ("upload.completed", DETAIL)
