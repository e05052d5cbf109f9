"""All that failed since a moment is sent again: each once, however often and by how many it is asked for."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.fakes import delivery
from tests.workers.webhook_delivery.client.ground import Ground
from tests.workers.webhook_delivery.fakes import NOON, job
from workers.webhook_delivery.client import (
    Recovered,
    Refused,
    Wanted,
    WrongField,
    recover,
)
from workers.webhook_delivery.event import delivery_job
from workers.webhook_delivery.rules import Reply
from workers.webhook_delivery.store import items
from workers.webhook_delivery.store.payloads import event_key


async def failed(ground: Ground) -> Wanted:
    """One that failed before noon, two that failed since, one delivered, one still being tried, one cancelled before any attempt."""
    ground.clock.move(-3600)
    await ground.deliver(job(2, event_id="msg_before", not_before=NOON - timedelta(hours=2)), Reply(500))
    ground.clock.move(3600)
    for number in (1, 2):
        for attempt in (1, 2):
            await ground.deliver(job(attempt, event_id=f"msg_failed{number}"), Reply(500))
    await ground.deliver(job(event_id="msg_good"), Reply(200))
    await ground.deliver(job(event_id="msg_tried"), Reply(500))
    await ground.endpoints.disable("tenant-1", "endpoint-1", reason="for a while")
    await ground.deliver(job(event_id="msg_cancelled"))
    await ground.endpoints.enable("tenant-1", "endpoint-1")
    ground.sent = []
    ground.clock.move(60)
    return Wanted("tenant-1", "endpoint-1", NOON, ground.clock())


async def test_a_recovery_sends_each_that_failed_since_once_and_no_other(ground: Ground) -> None:
    wanted = await failed(ground)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def go(*, act: bool, given: Wanted = wanted) -> Recovered:
        return await recover(given, ground.deliveries, act=act, rate=4, now=ground.clock(), sleep=sleep)

    left = {"delivered": 1, "still being tried": 1}
    assert await go(act=False) == Recovered(3, left)  # type: ignore[arg-type]  # a Counter equals a dict
    assert (ground.sent, slept) == ([], []), "a dry run sends nothing"
    assert (await go(act=False, given=replace(wanted, event_types=("order.*",)))).left["of another type"] == 5
    assert (await go(act=True)).sent == 3
    first, ground.sent = ground.sent, []
    assert slept == [0.25] * 3
    assert (await go(act=True)).sent == 3, "cut short before a job was made: it is sent once more"
    assert [each.body.replace(" ", "") for each in ground.sent] == [each.body.replace(" ", "") for each in first]
    ground.sent += first
    await ground.run(Reply(200))
    done = await go(act=True)
    assert (done.sent, ground.sent) == (0, []), "given again, an order sends nothing twice"
    for webhook_id, attempts in (("msg_failed1", 3), ("msg_failed2", 3), ("msg_cancelled", 1), ("msg_before", 1)):
        shown = await ground.deliveries.show("tenant-1", webhook_id, "endpoint-1")
        assert (len(shown.attempts), shown.state) == (attempts, "EXHAUSTED" if "before" in webhook_id else "DELIVERED")


async def test_a_recovery_that_two_give_at_once_sends_each_once(ground: Ground) -> None:
    wanted = await failed(ground)

    async def sleep(_seconds: float) -> None: ...

    async def go() -> Recovered:
        return await recover(wanted, ground.deliveries, act=True, now=ground.clock(), sleep=sleep)

    await asyncio.gather(go(), go(), go())
    assert {delivery_job(delivery(each.body)).attempt for each in ground.sent} == {1, 3}
    await ground.run(Reply(200))
    for webhook_id, attempts in (("msg_failed1", 3), ("msg_failed2", 3), ("msg_cancelled", 1)):
        assert len((await ground.deliveries.show("tenant-1", webhook_id, "endpoint-1")).attempts) == attempts
    assert (await go()).sent == 0


async def test_a_recovery_that_cannot_be_is_refused_by_the_field(ground: Ground) -> None:
    good = Wanted("tenant-1", "endpoint-1", NOON - timedelta(days=1), NOON)
    for name, wrong in (
        ("since", replace(good, since=NOON - timedelta(days=31))),
        ("since", replace(good, since=NOON.replace(tzinfo=None))),
        ("until", replace(good, until=NOON + timedelta(seconds=1))),
        ("until", replace(good, until=good.since)),
        ("eventTypes", replace(good, event_types=())),
    ):
        with pytest.raises(WrongField, match=f"^{name}: "):
            await recover(wrong, ground.deliveries, act=True, now=NOON)
    with pytest.raises(WrongField, match=r"^rate: "):
        await recover(good, ground.deliveries, act=True, rate=0.0, now=NOON)
    await ground.endpoints.disable("tenant-1", "endpoint-1", reason="asked for it")
    with pytest.raises(Refused, match="is disabled"):
        await recover(good, ground.deliveries, act=False, now=NOON)


@pytest.mark.slow
async def test_a_row_that_cannot_be_read_keeps_no_other_delivery_from_being_sent_again(ground: Ground) -> None:
    wanted = await failed(ground)
    table, client = ground.dynamodb.name, ground.dynamodb.client
    for number, change in ((1, "REMOVE webhookPayload"), (2, "SET httpStatus = :odd")):
        key = items.attempt_key(job(event_id=f"msg_failed{number}"))
        odd = {"ExpressionAttributeValues": {":odd": {"N": "1.5"}}} if "odd" in change else {}
        await client.update_item(TableName=table, Key=key, UpdateExpression=change, **odd)
    kept = {**event_key("tenant-1", "msg_failed1"), "webhookPayload": {"S": "eJw!"}}
    beside = {**items.attempt_key(job(event_id="msg_failed2")), "SK": {"S": "ATTEMPT#x"}}
    for item in (kept, beside):
        await client.put_item(TableName=table, Item=item)

    async def sleep(_seconds: float) -> None: ...

    with capture_logs() as logged:
        found = await recover(wanted, ground.deliveries, act=True, now=ground.clock(), sleep=sleep)
    assert (found.sent, found.left["payload no longer kept"]) == (2, 1)
    assert [each["event_id"] for each in logged if each["event"] == "webhook_payload_unreadable"] == ["msg_failed1"]
