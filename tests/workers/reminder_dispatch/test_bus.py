"""A due reminder on the bus: what arrives there, and what the bus may say to it."""

import json
import uuid
from typing import Any

import orjson
import pytest

from shared.bus import EventBus
from shared.message.envelope import bus_event
from tests.aws import Aws
from tests.waiting import until
from tests.workers.reminder_dispatch.fakes import NOON, due, row
from tests.workers.reminder_dispatch.test_ses import answering, client_of
from workers.reminder_dispatch.channels.bus import announce
from workers.reminder_dispatch.channels.channel import Accepted, Answer, Busy, Lost, Misconfigured, Refused
from workers.reminder_dispatch.rules import judge
from workers.reminder_dispatch.sending.decision import Attempt


def detail(tenant: str = "t-1") -> dict[str, Any]:
    attempt = judge(due(), row(channel="webhook", tenantId=tenant, data={"n": 1}), now=NOON, owner="me")
    assert isinstance(attempt, Attempt)
    return attempt.detail


async def test_the_event_arrives_at_a_rule_of_the_bus_with_its_own_id(aws: Aws) -> None:
    bus, queue, name = f"bus-{uuid.uuid4().hex}", aws.queue("due"), f"due-{uuid.uuid4().hex[:8]}"
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.events.create_event_bus(Name=bus)
    pattern = json.dumps({"source": ["fleet.reminders"], "detail": {"tenantId": [{"exists": True}]}})
    aws.events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)
    aws.events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
    async with aws.open("events") as client:
        assert isinstance(await announce(detail(), put=EventBus(client, bus=bus).put), Accepted)
    [body] = await until(lambda: aws.bodies(queue), what="the event")
    event = bus_event(body)
    assert (event.source, event.detail_type, event.detail) == ("fleet.reminders", "reminder.due", detail())
    assert event.key == detail()["id"]


def entry(**fields: Any) -> str:
    return orjson.dumps({"FailedEntryCount": 1 if "ErrorCode" in fields else 0, "Entries": [fields]}).decode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, entry(EventId="e-1"), Accepted("e-1")),
        (200, entry(ErrorCode="ThrottlingException", ErrorMessage="slow"), Busy("bus: ThrottlingException")),
        (200, entry(ErrorCode="InternalFailure", ErrorMessage="oops"), Busy("bus: InternalFailure")),
        (
            200,
            entry(ErrorCode="MalformedDetail", ErrorMessage="bad"),
            Refused("the bus refuses the event: MalformedDetail"),
        ),
        (
            200,
            entry(ErrorCode="NotAuthorizedForSource", ErrorMessage="no"),
            Misconfigured("bus: NotAuthorizedForSource"),
        ),
        (500, '{"__type":"InternalException"}', Busy("bus: InternalException")),
        (
            400,
            '{"__type":"ValidationException","message":"too large"}',
            Refused("the bus refuses the event: ValidationException"),
        ),
        (400, '{"__type":"AccessDeniedException"}', Misconfigured("bus: AccessDeniedException")),
    ],
)
async def test_every_answer_of_the_bus_means_one_thing(status: int, body: str, expected: Answer) -> None:
    async with answering(status, body) as url, client_of("events", url) as client:
        assert await announce(detail(), put=EventBus(client, bus="fleet-events-dev", pause=0).put) == expected


async def test_a_dropped_connection_is_a_lost_request_and_none_at_all_is_not() -> None:
    async with answering(200, "", drop=True) as url, client_of("events", url) as client:
        assert await announce(detail(), put=EventBus(client, bus="b").put) == Lost("no answer from the bus")
    async with client_of("events", url) as client:
        assert await announce(detail(), put=EventBus(client, bus="b").put) == Busy("no connection to the bus")
