from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.workers.webhook_delivery.fakes import NOON, SECRET, Delivery, endpoint, job
from tests.workers.webhook_delivery.world import World
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Reply, Schedule
from workers.webhook_delivery.signing import verify


def world(*replies: Reply, **fields: object) -> World:
    made = World(**fields)  # type: ignore[arg-type]  # the test names real fields
    made.store.add(endpoint())
    made.post.replies = replies
    made.put(job().body())
    return made


async def test_a_delivery_that_always_fails_is_tried_for_75_hours_35_minutes_through_hops() -> None:
    life = world(Reply(500))
    await life.run()
    at = [posted.at for posted in life.post.posted]
    assert at[0] == NOON
    assert [(later - earlier).total_seconds() for earlier, later in pairwise(at)] == list(STANDARD_WEBHOOKS.delays[1:])
    assert at[-1] - at[0] == timedelta(hours=75, minutes=35, seconds=5)
    assert life.store.records == [(attempt, 500, None) for attempt in range(1, 11)]
    assert life.store.delivery(job()) == Delivery("EXHAUSTED", 10, 500)
    (failing, half), (exhausted, last) = life.bus.events
    assert (failing, half["percent"], exhausted, last["attempts"]) == ("webhook.failing", 50, "webhook.exhausted", 10)
    # 5 s: 1, 300 s: 1, 1,800 s: 2, 2 h: 8, 5 h: 20, 10 h: 40, 14 h: 56, 20 h: 80, 24 h: 96
    assert len(life.sent) == 304


async def test_each_attempt_has_the_same_body_and_id_and_a_timestamp_and_signature_of_its_own() -> None:
    life = world(Reply(500), Reply(0, "timeout"), Reply(503), Reply(204))
    await life.run()
    posted = life.post.posted
    assert len(posted) == 4
    assert {each.body for each in posted} == {job().payload.encode()}
    assert {each.headers["webhook-id"] for each in posted} == {"msg_1"}
    assert len({each.headers["webhook-timestamp"] for each in posted}) == 4
    assert len({each.headers["webhook-signature"] for each in posted}) == 4
    for each in posted:
        verify([SECRET], each.headers, each.body, now=each.at.timestamp())
    assert life.store.delivery(job()) == Delivery("DELIVERED", 4, 204)
    assert life.bus.events == []


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(st.floats(0, 40_000), min_size=1, max_size=6),
    st.lists(st.one_of(st.none(), st.integers(0, 100_000)), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 15),
)
async def test_no_attempt_is_ever_early_or_very_late(
    delays: list[float], hints: list[int | None], dice: float, seconds: float
) -> None:
    replies = [Reply(503, retry_after=None if hint is None else str(hint)) for hint in hints]
    life = world(*replies, schedule=Schedule((0.0, *delays)), dice=lambda: dice)
    life.post.seconds = seconds
    await life.run()
    posted = life.post.posted
    assert len(posted) == 1 + len(delays)
    for place, (earlier, later) in enumerate(pairwise(posted)):
        hint = hints[min(place, len(hints) - 1)] or 0
        target = max(delays[place], min(hint, 86_400))
        waited = (later.at - earlier.at).total_seconds() - seconds
        assert target - 1e-5 <= waited <= target * 1.1 + 1.0 + 1e-5


async def test_an_endpoint_disabled_while_a_retry_waits_is_not_posted_to_again() -> None:
    life = world(Reply(500))
    life.post.during = lambda: life.store.add(endpoint(enabled=False)) if len(life.post.posted) == 3 else None
    await life.run()
    assert len(life.post.posted) == 3
    assert life.store.delivery(job()) == Delivery("CANCELLED", 3, 500)
    assert life.bus.events == []


async def test_one_failing_endpoint_is_retried_alone() -> None:
    life = world(Reply(200))
    for other in ("endpoint-2", "endpoint-3"):
        life.store.add(endpoint(other, url=f"https://{other}.example/"))
        life.put(job(endpoint_id=other).body())
    inner = life.post

    async def post(url: str, **named: object) -> Reply:
        await inner(url, **named)  # type: ignore[arg-type]  # handed on as it came
        return Reply(500 if "endpoint-2" in url and len(inner.posted) < 5 else 200)

    life.post = post  # type: ignore[assignment]  # the same port, with one bad endpoint
    await life.run()
    hosts = [posted.url.split("/")[2] for posted in inner.posted]
    assert sorted(hosts) == ["customer.example", *["endpoint-2.example"] * 3, "endpoint-3.example"]


@pytest.mark.parametrize("copies", [2, 5])
async def test_duplicates_of_a_job_end_in_one_chain_of_attempts(copies: int) -> None:
    life = world(Reply(500))
    for _ in range(copies - 1):
        life.put(job().body())
    await life.run()
    assert life.store.records == [(attempt, 500, None) for attempt in range(1, 11)]
    assert len(life.sent) == 304 + copies - 1, (
        "each copy sends the second attempt, which is made once and ends the copy"
    )
