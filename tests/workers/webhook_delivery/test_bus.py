from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tests.aws import Aws
from tests.waiting import until
from workers.webhook_delivery.bus import EventBus, NotPut

DETAIL = {"id": "exhausted_1", "tenantId": "tenant-1", "lastError": None}


@pytest.fixture
async def events(aws: Aws) -> AsyncIterator[Any]:
    async with aws.open("events") as client:
        yield client


async def test_an_event_put_on_the_bus_comes_to_the_tenant_s_webhooks(aws: Aws, events: Any) -> None:
    queue = aws.names["WEBHOOK_EVENTS_QUEUE_URL"]
    await EventBus(events, bus=aws.names["EVENT_BUS_NAME"])("webhook.exhausted", DETAIL)

    def came() -> dict[str, Any] | None:  # other tests' events may lie on the same queue
        events = [orjson.loads(body) for body in aws.bodies(queue)]
        return next((event for event in events if event["detail"] == DETAIL), None)

    event = await until(came, what="the event on webhook-events")
    assert (event["source"], event["detail-type"]) == ("fleet.webhooks", "webhook.exhausted")


async def test_an_event_that_the_bus_did_not_take_is_raised(aws: Aws, events: Any) -> None:
    class Answer:
        status_code = 200

    async def refuse(**_event: Any) -> tuple[Answer, dict[str, Any]]:
        return Answer(), {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}

    events.meta.events.register("before-call.eventbridge.PutEvents", refuse)
    with pytest.raises(NotPut, match="InternalFailure"):
        await EventBus(events, bus=aws.names["EVENT_BUS_NAME"])("webhook.exhausted", DETAIL)
