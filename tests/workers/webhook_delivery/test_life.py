"""An endpoint that keeps failing is warned of in steps, disabled, and told of once and in order, whatever dies meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared import BusEntry
from tests.workers.webhook_delivery.fakes import NOON, Clock, endpoint, job
from tests.workers.webhook_delivery.table import InDynamoDb
from tests.workers.webhook_delivery.world import World
from workers.webhook_delivery.client import Endpoints
from workers.webhook_delivery.life import DISABLE_AFTER, Change, Life, Owed, after_failure
from workers.webhook_delivery.ports import Ports
from workers.webhook_delivery.rules import Endpoint, Reply, Schedule
from workers.webhook_delivery.telling import tell_owed

ONCE = Schedule((0,))
DAYS = DISABLE_AFTER / 86_400


async def after_days(world: World, days: float, *replies: Reply) -> None:
    """An event of its own, that many days from the first one."""
    world.clock.at = NOON + timedelta(days=days)
    world.post.replies = [*replies]
    world.post.posted.clear()
    world.put(
        job(event_id=f"msg_{round(days * 1000)}", not_before=world.clock.at, first_attempt_at=world.clock.at).body()
    )
    await world.run()


def told(world: World) -> list[tuple[str, object]]:
    """What was told of the endpoint, each once, however often it was put."""
    found = [(kind, detail.get("percent")) for kind, detail in world.bus.events if kind != "webhook.exhausted"]
    return list(dict.fromkeys(found))


async def failing(*crash_after: int) -> World:
    """Fails every quarter of a day for six days."""
    world = World(schedule=ONCE, crash_after=crash_after)
    world.store.add(endpoint())
    for quarter in range(24):
        await after_days(world, quarter / 4, Reply(500))
    return world


STEPS = [*(("webhook.failing", percent) for percent in (50, 70, 90, 100)), ("webhook.disabled", None)]


async def test_warned_at_each_step_then_disabled_and_posted_no_more() -> None:
    world = await failing()
    assert told(world) == STEPS
    assert not world.store.endpoints["tenant-1", "endpoint-1"].enabled
    assert len(world.store.records) == DAYS * 4 + 1
    assert world.calls.count("live") <= 20, "a failure is noted so often at most, however many there are"


@pytest.mark.parametrize("which", [3, *(pytest.param(step, marks=pytest.mark.slow) for step in range(3))])
async def test_each_is_told_once_and_in_order_whichever_step_was_a_process_s_last(which: int) -> None:
    calls = (await failing()).calls
    told_at = [place for place, name in enumerate(calls, start=1) if name == "forget_owed"]
    assert len(told_at) == 4, "the last step and the end are told together"
    for crash_after in range(told_at[which] - 4, told_at[which] + 1):
        world = await failing(crash_after)
        assert told(world) == STEPS, (crash_after, world.crashes)
        ids = [detail["id"] for kind, detail in world.bus.events if kind != "webhook.exhausted"]
        assert len(set(ids)) == len(STEPS), "what is put again is the same event"


async def test_one_success_begins_anew_and_is_told_where_a_warning_was() -> None:
    world = World(schedule=ONCE)
    world.store.add(endpoint())
    for day in range(4):
        await after_days(world, day, Reply(500))
    await after_days(world, 4, Reply(200))
    assert told(world) == [("webhook.failing", 50), ("webhook.recovered", None)]
    assert world.store.endpoints["tenant-1", "endpoint-1"].life == Life()
    await after_days(world, 4.5, Reply(500))
    await after_days(world, 4.6, Reply(200))
    assert len(told(world)) == 2, "a failure that nobody was told of ends untold"


async def test_a_success_begins_anew_also_where_its_process_died_before_it_noted_that() -> None:
    world = World(schedule=ONCE)
    world.store.add(endpoint())
    for day in range(4):
        await after_days(world, day, Reply(500))
    world.crash_after = [len(world.calls) + 4]
    await after_days(world, 4, Reply(200))
    assert world.crashes == ["record"]
    assert told(world) == [("webhook.failing", 50), ("webhook.recovered", None)]
    assert world.store.endpoints["tenant-1", "endpoint-1"].life == Life()
    await after_days(world, 5, Reply(500))
    before = world.store.endpoints["tenant-1", "endpoint-1"].life
    world.put(job(event_id="msg_4000", not_before=NOON + timedelta(days=4)).body())  # a copy of the success
    await world.run()
    assert world.store.endpoints["tenant-1", "endpoint-1"].life == before


async def test_two_failures_far_apart_disable_nothing() -> None:
    world = World(schedule=ONCE)
    world.store.add(endpoint())
    for day in (0, 11, 22):
        await after_days(world, day, Reply(500))
    assert (told(world), world.store.endpoints["tenant-1", "endpoint-1"].enabled) == ([], True)


async def test_a_first_failure_whose_retry_succeeds_writes_nothing_to_the_endpoint() -> None:
    world = World()
    world.store.add(endpoint())
    await after_days(world, 0, Reply(500), Reply(200))
    assert "live" not in world.calls


async def test_a_410_is_told_also_where_the_process_died_before_it() -> None:
    for crash_after in range(1, 8):
        world = World(schedule=ONCE, crash_after=[crash_after])
        world.store.add(endpoint())
        await after_days(world, 0, Reply(410))
        assert told(world) == [("webhook.disabled", None)], world.crashes


def test_the_last_step_disables_also_where_the_others_were_missed() -> None:
    before = Life(NOON, NOON + timedelta(days=4))
    change = after_failure(
        before, tenant_id="t", endpoint_id="e", now=NOON + timedelta(days=6), disable_after=DISABLE_AFTER, begins=True
    )
    assert change is not None
    assert [each.kind for each in change.after.owed] == ["webhook.failing", "webhook.disabled"]
    assert change.disable.startswith("failing since 2026-11-21T12:00")


@pytest.mark.parametrize("disable", ["", "failing since then"])
async def test_the_table_notes_it_once_and_enabling_begins_anew(dynamodb: InDynamoDb, disable: str) -> None:
    await dynamodb.add(endpoint())
    owed = (Owed("webhook.failing", '{"id":"1"}'),)
    first = Change(Life(), Life(NOON, NOON), disable="")
    second = Change(first.after, Life(NOON, NOON + timedelta(days=3), 50, owed), disable=disable)
    for change in (first, second):
        assert await dynamodb.store.live(endpoint(), change)
        assert not await dynamodb.store.live(endpoint(), change), "another process was first"
    found = await dynamodb.store.endpoint("tenant-1", "endpoint-1")
    assert found is not None
    assert (found.life, found.enabled) == (second.after, not disable)
    endpoints = Endpoints(dynamodb.client, table=dynamodb.name, now=Clock())
    await endpoints.enable("tenant-1", "endpoint-1")
    enabled = await dynamodb.store.endpoint("tenant-1", "endpoint-1")
    assert enabled is not None
    assert (enabled.life, enabled.enabled) == (Life(owed=owed), True), "what is owed is told all the same"
    await dynamodb.store.forget_owed(replace(enabled, life=Life(owed=(*owed, *owed))))
    await dynamodb.store.forget_owed(enabled)
    last = await dynamodb.store.endpoint("tenant-1", "endpoint-1")
    assert last is not None
    assert last.life == Life()
    await endpoints.remove("tenant-1", "endpoint-1")
    assert not await dynamodb.store.live(endpoint(), first)
    assert await dynamodb.store.endpoint("tenant-1", "endpoint-1") is None


@pytest.mark.parametrize("warned", [0, 50])
async def test_a_success_counts_also_where_its_endpoint_began_to_fail_or_was_warned_meanwhile(warned: int) -> None:
    world = World()
    world.store.add(endpoint(life=Life(NOON, NOON) if warned else Life()))
    life = Life(NOON, NOON + timedelta(seconds=5), warned)
    world.post.during = lambda: world.store.add(endpoint(life=life))
    world.post.seconds = 10.0
    await world.deliver(job())
    assert world.store.endpoints["tenant-1", "endpoint-1"].life == Life()
    assert told(world) == ([("webhook.recovered", None)] if warned else [])


@pytest.mark.parametrize(
    "now",
    [
        endpoint(life=Life(NOON + timedelta(days=2), NOON + timedelta(days=2))),
        endpoint(life=Life(NOON, NOON), url="https://customer.example/other"),
        endpoint(life=Life(NOON, NOON, 100), enabled=False),
    ],
)
async def test_a_success_before_it_began_to_fail_or_at_another_url_or_behind_its_end_says_nothing(
    now: Endpoint,
) -> None:
    world = World()
    world.store.add(endpoint())
    world.post.during = lambda: world.store.add(now)
    await world.deliver(job())
    assert world.store.endpoints["tenant-1", "endpoint-1"] == now


async def test_deliveries_that_read_what_is_owed_at_the_same_time_tell_it_once() -> None:
    """A disabled endpoint's waiting deliveries come due together; a bus that does not answer has the next one tell."""
    world, put = World(), list[str]()
    owed = (Owed("webhook.failing", "{}"), Owed("webhook.disabled", "{}"))
    world.store.add(endpoint(life=Life(owed=owed), enabled=False))
    read, answers = endpoint(life=Life(owed=owed)), [False, True, True]

    async def bus(entry: BusEntry) -> None:
        await asyncio.sleep(0)
        put.append(entry.detail_type)
        if not (answers.pop(0) if answers else True):
            raise ConnectionError

    ports = Ports(world.store, world.post, world.bulkhead, world.send, bus, world.clock, world.dice)
    with pytest.raises(ConnectionError):
        await tell_owed(read, ports)
    await asyncio.gather(*(tell_owed(read, ports) for _ in range(50)))
    assert world.store.endpoints["tenant-1", "endpoint-1"].life == Life()
    await tell_owed(read, ports)  # it was read before that was forgotten
    more = (*owed, Owed("webhook.recovered", "{}"))
    world.store.add(endpoint(life=Life(owed=more)))
    await asyncio.gather(tell_owed(read, ports), tell_owed(endpoint(life=Life(owed=more)), ports))
    assert put.pop() == "webhook.recovered"
    assert world.store.endpoints["tenant-1", "endpoint-1"].life == Life()
    assert put == ["webhook.failing", "webhook.failing", "webhook.disabled"]
