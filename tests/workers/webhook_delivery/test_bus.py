from typing import Any

import orjson

from shared.bus import EventBus
from tests.aws import Aws
from tests.waiting import until
from tests.workers.webhook_delivery.fakes import endpoint, job
from tests.workers.webhook_delivery.world import World
from workers.webhook_delivery.rules import Reply


async def test_what_is_told_of_an_exhausted_delivery_comes_to_the_tenant_s_webhooks(aws: Aws) -> None:
    world = World()
    world.store.add(endpoint())
    world.post.replies = [Reply(500)]
    await world.deliver(job(10))
    [entry] = world.bus.entries
    async with aws.open("events") as client:
        await EventBus(client, bus=aws.names["EVENT_BUS_NAME"]).put(entry)

    def came() -> dict[str, Any] | None:  # other tests' events may lie on the same queue
        events = [orjson.loads(body) for body in aws.bodies(aws.names["WEBHOOK_EVENTS_QUEUE_URL"])]
        return next((event for event in events if event["detail"] == orjson.loads(entry.detail)), None)

    event = await until(came, what="the event on webhook-events")
    assert (event["source"], event["detail-type"]) == ("fleet.webhooks", "webhook.exhausted")
