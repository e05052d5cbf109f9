"""An attempt that was made, and whose result the table does not take: it is not made again."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.outcome import Reject
from tests.fakes import delivery
from tests.virtual_time import virtual
from tests.workers.webhook_delivery.fakes import Delivery, endpoint, job
from tests.workers.webhook_delivery.world import LEASE, World
from workers.webhook_delivery.event import delivery_job
from workers.webhook_delivery.rules import Reply


def outage(world: World, *, seconds: float, fail: Callable[[], Any]) -> None:
    """Once a POST was made, the table takes no result for so long."""
    record = world.store.record

    async def down(*arguments: Any, **named: Any) -> bool:
        if world.post.posted and (world.clock() - world.post.posted[-1].at).total_seconds() < seconds:
            await fail()
        return await record(*arguments, **named)

    world.store.record = down  # type: ignore[method-assign]  # the same store, which is away


async def refuse() -> None:
    raise ConnectionError


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 36, 600, 4 * 86_400])
@pytest.mark.parametrize(
    ("reply", "left"),
    [
        (Reply(200, body="ok"), Delivery("DELIVERED", 1, 200)),
        (Reply(410), Delivery("CANCELLED", 1, 410)),
    ],
)
async def test_a_result_is_written_when_the_table_is_back_and_nothing_is_posted_again(
    seconds: float, reply: Reply, left: Delivery
) -> None:
    world = World()
    world.store.add(endpoint())
    world.post.replies = [reply]
    outage(world, seconds=seconds, fail=refuse)
    world.put(job().body())
    await world.run()
    assert len(world.post.posted) == 1
    assert world.store.delivery(job()) == left
    assert world.store.endpoints["tenant-1", "endpoint-1"].enabled is (reply.status != 410)


async def test_a_failed_attempt_is_followed_by_the_next_one_as_if_nothing_had_been() -> None:
    world = World()
    world.store.add(endpoint())
    world.post.replies = [Reply(500), Reply(200)]
    outage(world, seconds=100, fail=refuse)
    world.put(job().body())
    await world.run()
    assert world.store.records == [(1, 500, None), (2, 200, None)]
    assert len(world.post.posted) == 2
    assert [each["eventId"] for _, each in world.bus.events] == []


async def test_an_exhausted_delivery_is_told_once_it_is_written() -> None:
    world = World()
    world.store.add(endpoint())
    world.post.replies = [Reply(0, "timeout")]
    outage(world, seconds=100, fail=refuse)
    world.put(job(10).body())
    await world.run()
    assert [detail["lastError"] for _, detail in world.bus.events] == ["timeout"]


def test_a_table_that_is_silent_is_waited_for_within_the_lease_and_then_the_result_is_parked() -> None:
    async def silent() -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        world = World()
        world.store.add(endpoint())
        outage(world, seconds=1, fail=silent)
        began = asyncio.get_running_loop().time()
        await world.deliver(job())
        assert asyncio.get_running_loop().time() - began < LEASE - 5
        [parked] = world.sent
        made = delivery_job(delivery(parked.body)).made
        assert made is not None
        assert (parked.delay, made.verdict, made.status) == (1, "delivered", 200)

    virtual(story())


async def test_a_parked_result_is_tried_again_soon_and_then_once_a_minute() -> None:
    world = World()
    world.store.add(endpoint())
    outage(world, seconds=200, fail=refuse)
    world.put(job().body())
    await world.run()
    assert [each.delay for each in world.sent] == [1, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert world.store.records == [(1, 200, None)]


async def test_a_410_of_a_url_that_was_replaced_while_it_was_parked_leaves_the_endpoint_enabled() -> None:
    world = World()
    world.store.add(endpoint())
    world.post.replies = [Reply(410)]
    outage(world, seconds=30, fail=refuse)
    await world.deliver(job())
    world.store.add(endpoint(url="https://new.example/"))
    world.clock.move(60)
    await world.deliver(delivery_job(delivery(world.sent[0].body)))
    assert world.store.endpoints["tenant-1", "endpoint-1"].enabled
    assert world.store.delivery(job()) == Delivery("CANCELLED", 1, 410)


async def test_a_duplicate_of_a_parked_result_starts_no_second_chain() -> None:
    world = World()
    world.store.add(endpoint())
    world.post.replies = [Reply(500)]
    outage(world, seconds=30, fail=refuse)
    await world.deliver(job())
    world.clock.move(60)
    for _ in range(3):
        await world.deliver(delivery_job(delivery(world.sent[0].body)))
    del world.store.record  # the table is back for good
    for each in world.sent[1:]:
        await world.deliver(delivery_job(delivery(each.body)))
    assert [attempt for attempt, _, _ in world.store.records] == [1, 2]
    sent = [delivery_job(delivery(each.body)).attempt for each in world.sent]
    assert sent == [1, 2, 2, 2, 3]


async def test_a_result_that_can_never_be_written_says_what_the_endpoint_answered() -> None:
    world = World()
    world.store.add(endpoint())
    outage(world, seconds=1e9, fail=refuse)
    await world.deliver(job())
    world.clock.move(15 * 86_400)
    with pytest.raises(Reject, match="answered 200"):
        await world.deliver(delivery_job(delivery(world.sent[0].body)))


async def test_no_receipt_is_spent_while_a_claim_is_waited_for() -> None:
    world = World(crash_after=[3])  # after the POST
    world.store.add(endpoint())
    world.put(job().body())
    world.put(job().body(), delay=1)
    await world.run()
    assert world.store.delivery(job()) == Delivery("DELIVERED", 1, 200)
    copies = [each for each in world.sent if delivery_job(delivery(each.body)) == job()]
    assert 1 <= len(copies) <= 7, "the copy waited as a message of its own, with a receive count of its own"
