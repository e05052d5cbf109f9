"""The process dies after each single step of a delivery's life; nothing is lost, and only one thing can double."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import NOON, Delivery, endpoint, job
from tests.workers.webhook_delivery.world import VISIBILITY, World
from workers.webhook_delivery.event import delivery_job
from workers.webhook_delivery.rules import Again, Claimed, Reply, Result, Schedule

SHORT = Schedule((0, 5, 2000))


async def lived(replies: list[Reply], *crash_after: int) -> World:
    world = World(schedule=SHORT, crash_after=crash_after)
    world.store.add(endpoint())
    world.post.replies = replies
    world.put(job().body())
    await world.run()
    return world


async def steps(replies: list[Reply]) -> int:
    return len((await lived(replies)).calls)


@pytest.mark.parametrize(
    ("replies", "end"),
    [
        ([Reply(200)], Delivery("DELIVERED", 1, 200)),
        ([Reply(500)] * 2 + [Reply(200)] * 5, Delivery("DELIVERED", 3, 200)),
        ([Reply(500)], Delivery("EXHAUSTED", 3, 500)),
        ([Reply(410)], Delivery("CANCELLED", 1, 410)),
    ],
)
async def test_a_crash_after_any_step_loses_nothing_and_doubles_at_most_one_post(
    replies: list[Reply], end: Delivery
) -> None:
    total = await steps(replies)
    seen = set()
    for crash_after in range(1, total + 1):
        world = await lived(replies, crash_after)
        (where,) = world.crashes
        seen.add(where)
        delivery = world.store.delivery(job())
        assert delivery is not None, where
        assert (delivery.status, delivery.last_status) == (end.status, end.last_status), where
        attempts = [attempt for attempt, _, _ in world.store.records]
        assert attempts == list(range(1, len(attempts) + 1)), where  # each attempt recorded once, in order
        assert len(world.post.posted) - len(attempts) == (1 if where == "post" else 0), where
        assert {posted.headers["webhook-id"] for posted in world.post.posted} == {"msg_1"}
        published = [detail["id"] for _, detail in world.bus.events]
        assert len(set(published)) == (1 if end.status in {"EXHAUSTED", "CANCELLED"} else 0), where
        assert len(published) <= 1 + (where in {"put_event", "announce"}), where
        assert world.store.endpoints["tenant-1", "endpoint-1"].enabled is (end.status != "CANCELLED"), where
    assert {"endpoint", "claim", "post", "record"} <= seen


async def test_every_step_has_been_the_last_one_of_a_process() -> None:
    world = await lived([Reply(500)])
    assert set(world.calls) == {
        "send",
        "endpoint",
        "claim",
        "post",
        "record",
        "live",
        "settle",
        "announce",
        "put_event",
    }


async def test_the_last_failure_is_told_even_if_the_endpoint_was_disabled_during_the_crash() -> None:
    world = World(schedule=SHORT)
    world.store.add(endpoint())
    world.post.replies = [Reply(500)]
    world.crash_after = [4]  # after record, before the event
    world.put(job(3).body())
    world.post.during = lambda: world.store.add(endpoint(enabled=False))
    await world.run()
    assert world.crashes == ["record"]
    assert [detail_type for detail_type, _ in world.bus.events] == ["webhook.exhausted"]
    assert world.store.delivery(job()) == Delivery("EXHAUSTED", 3, 500)


@pytest.mark.parametrize("last_call", ["announce", "put_event"])
async def test_a_process_that_dies_as_it_tells_of_the_end_leaves_the_hour_to_its_own_job(last_call: str) -> None:
    world = World(schedule=Schedule((0,)))
    world.store.add(endpoint())
    world.post.replies = [Reply(404)]
    world.put(job().body())
    world.crash_after = [(await steps_until(last_call))]
    world.put(job(event_id="msg_2").body(), delay=VISIBILITY - 1.0)
    await world.run()
    assert world.crashes == [last_call]
    assert {detail["eventId"] for _, detail in world.bus.events} == {"msg_1"}


async def steps_until(last_call: str) -> int:
    """Calls of a single attempt up to that one."""
    world = World(schedule=Schedule((0,)))
    world.store.add(endpoint())
    world.post.replies = [Reply(404)]
    await world.deliver(job())
    return world.calls.index(last_call) + 1


async def test_a_delivery_that_is_over_stays_over_when_its_retry_was_sent_twice() -> None:
    world = World(schedule=SHORT)
    world.store.add(endpoint())
    world.post.replies = [Reply(500), Reply(200)]
    await world.deliver(job())
    world.crash_after = [len(world.calls) + 1]
    for message in world.sent:
        world.put(message.body)
    await world.run()
    assert world.store.records == [(1, 500, None), (2, 200, None)]
    assert len(world.post.posted) == 2


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.sampled_from([Reply(200), Reply(500), Reply(0, "timeout"), Reply(503, retry_after="60")]), min_size=1),
    st.sets(st.integers(1, 40), max_size=4),
)
async def test_whatever_crashes_come_together_nothing_is_lost(replies: list[Reply], crash_after: set[int]) -> None:
    world = await lived(replies, *crash_after)
    delivery = world.store.delivery(job())
    assert delivery is not None
    assert delivery.status in {"DELIVERED", "EXHAUSTED"}
    assert [attempt for attempt, _, _ in world.store.records] == list(range(1, delivery.attempts + 1))
    assert len(world.post.posted) - delivery.attempts == world.crashes.count("post")
    assert len({detail["id"] for _, detail in world.bus.events}) == (delivery.status == "EXHAUSTED")


@example(replies=[Reply(503, retry_after="60")], crash_after={13}, copies=2)
@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.sampled_from([Reply(200), Reply(500), Reply(503, retry_after="60")]), min_size=1),
    st.sets(st.integers(1, 40), max_size=3),
    st.integers(2, 4),
)
async def test_copies_of_a_job_make_each_attempt_once_whatever_crashes(
    replies: list[Reply], crash_after: set[int], copies: int
) -> None:
    world = World(schedule=SHORT, crash_after=crash_after)
    world.store.add(endpoint())
    world.post.replies = replies
    for _ in range(copies):
        world.put(job().body())
    await world.run()
    delivery = world.store.delivery(job())
    assert delivery is not None
    assert delivery.status in {"DELIVERED", "EXHAUSTED"}
    assert [attempt for attempt, _, _ in world.store.records] == list(range(1, delivery.attempts + 1))
    assert len(world.post.posted) - delivery.attempts == world.crashes.count("post")
    # What waits for its endpoint is sent on as it is, each copy for itself.
    third = [each for each in world.sent if '"attempt":3' in each.body and '"waitingSince"' not in each.body]
    assert len({each.body for each in third}) <= 1 + len(world.crashes), (
        "a copy of the first attempt goes no further than the second"
    )


async def test_what_follows_from_an_attempt_of_an_older_version_is_done_by_whoever_finds_it() -> None:
    """Its row does not say which message made it."""
    world = World()
    world.store.add(endpoint())
    world.post.replies = [Reply(500)]
    claim = await world.store.claim(job(2), now=NOON, lease=35)
    assert isinstance(claim, Claimed)
    failed = Result(Reply(500), Again(at=NOON), NOON, NOON)
    assert await world.store.record(job(2), claim, failed, endpoint=endpoint())
    await world.deliver(job(2, nonce="n-9"))
    assert [delivery_job(delivery(each.body)).attempt for each in world.sent] == [3]
