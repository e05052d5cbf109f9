"""Deliveries that wait because their endpoint can take no more: they are charged no attempt."""

from datetime import timedelta

import pytest

from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import NOON, Delivery, endpoint, job
from tests.workers.webhook_delivery.world import World
from workers.webhook_delivery.egress.bulkhead import OPENS_AFTER
from workers.webhook_delivery.event import delivery_job
from workers.webhook_delivery.handler import LONGEST_WAITING
from workers.webhook_delivery.rules import Reply


@pytest.fixture
def world() -> World:
    made = World()
    made.store.add(endpoint())
    return made


async def open_breaker(world: World) -> None:
    world.post.replies = [Reply(0, "timeout")]
    for number in range(OPENS_AFTER):
        await world.deliver(job(event_id=f"msg_down_{number}"))
    world.sent.clear()
    world.post.posted.clear()


async def test_behind_an_open_breaker_a_delivery_waits_without_an_attempt_and_is_then_made(world: World) -> None:
    await open_breaker(world)
    await world.deliver(job(2))
    [waiting] = world.sent
    assert delivery_job(delivery(waiting.body)) == job(2, waiting_since=NOON)
    assert 1 <= waiting.delay <= 31
    assert await world.store.attempt(job(2)) is None
    assert world.post.posted == []
    world.post.replies = [Reply(200)]
    world.clock.move(waiting.delay)
    await world.deliver(delivery_job(delivery(waiting.body)))
    assert world.store.delivery(job()) == Delivery("DELIVERED", 2, 200)


async def test_a_waiting_delivery_of_a_disabled_endpoint_is_cancelled(world: World) -> None:
    await open_breaker(world)
    world.store.add(endpoint(enabled=False))
    await world.deliver(job(waiting_since=NOON))
    assert world.store.delivery(job()) == Delivery("CANCELLED", 0, 0)


@pytest.mark.parametrize("status", [429, 503])
async def test_an_endpoint_that_asks_for_peace_gets_no_new_delivery_meanwhile(world: World, status: int) -> None:
    world.post.replies = [Reply(status, retry_after="300"), Reply(200)]
    await world.deliver(job())
    await world.deliver(job(event_id="msg_2"))
    assert len(world.post.posted) == 1
    assert world.sent[-1].delay == 300


async def test_who_has_waited_for_a_day_is_charged_an_attempt_without_a_request(world: World) -> None:
    await open_breaker(world)
    await world.deliver(job(waiting_since=NOON - LONGEST_WAITING))
    assert world.post.posted == []
    assert world.store.records[-1] == (1, 0, "endpoint_down")
    following = delivery_job(delivery(world.sent[-1].body))
    assert (following.attempt, following.waiting_since) == (2, None)
    assert following.not_before == NOON + timedelta(seconds=5)


async def test_an_endpoint_that_is_down_for_days_exhausts_every_delivery_in_the_end(world: World) -> None:
    world.post.replies = [Reply(0, "timeout")]
    for number in range(8):
        world.put(job(event_id=f"msg_{number}").body())
    await world.run()
    assert {each.status for each in world.store.deliveries.values()} == {"EXHAUSTED"}


async def test_an_endpoint_that_recovers_gets_everything_and_no_attempt_is_charged_for_waiting(world: World) -> None:
    world.post.replies = [*[Reply(0, "timeout")] * (OPENS_AFTER + 2), Reply(200)]
    for number in range(100):
        world.put(job(event_id=f"msg_{number}").body())
    await world.run()
    assert {each.status for each in world.store.deliveries.values()} == {"DELIVERED"}
    assert len(world.post.posted) == 100 + OPENS_AFTER + 2
    assert world.clock() - NOON < timedelta(hours=1)


async def test_an_endpoint_with_a_rate_gets_no_more_and_what_waits_is_charged_no_attempt(world: World) -> None:
    world.store.add(endpoint(rate=2.0))
    world.store.add(endpoint("endpoint-2"))
    for number in range(40):
        world.put(job(event_id=f"msg_{number}").body())
        world.put(job(event_id=f"msg_{number}", endpoint_id="endpoint-2").body())
    await world.run()
    assert {(each.status, each.attempts) for each in world.store.deliveries.values()} == {("DELIVERED", 1)}
    paced = world.post.posted[40 + 2 :]  # the other's forty and one second's worth go out at once
    assert len(paced) == 38
    assert 38 / 2 <= (paced[-1].at - NOON).total_seconds() <= 38


async def test_who_has_waited_a_day_for_its_endpoints_rate_is_charged_an_attempt_that_says_so(world: World) -> None:
    world.store.add(endpoint(rate=0.001))
    await world.deliver(job())
    await world.deliver(job(event_id="msg_2", waiting_since=NOON - LONGEST_WAITING))
    assert world.store.records[-1] == (1, 0, "rate_limited")
    assert len(world.post.posted) == 1
