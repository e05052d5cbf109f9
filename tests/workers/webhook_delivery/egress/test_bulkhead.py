import asyncio

import pytest

from tests.virtual_time import clock, virtual
from workers.webhook_delivery.egress import bulkhead as module
from workers.webhook_delivery.egress.bulkhead import (
    FIRST_CAP,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    OPENS_AFTER,
    SLOW,
    Bulkhead,
    Key,
)
from workers.webhook_delivery.rules import Reply

ONE, OTHER = ("acme", "ep-1", "https://one.example/"), ("acme", "ep-2", "https://other.example/")
GOOD, DOWN = Reply(200), Reply(0, "timeout")


class Posts:
    """A bulkhead, and POSTs that are answered when a test says so."""

    def __init__(self, places: int = 50, *, first_pause: float = FIRST_PAUSE) -> None:
        self.bulkhead = Bulkhead(places, first_pause=first_pause)
        self.number = 0

    def post(
        self, key: Key = ONE, reply: Reply = GOOD, *, at: float, took: float = 0.1, delivery: str = "", asked: float = 0
    ) -> bool:
        """One POST from its beginning at `at` to its end; True where the breaker opened."""
        assert self.bulkhead.enter(key, now=at) == 0
        self.number += 1
        opened = self.bulkhead.answered(
            key, delivery or f"msg_{self.number}", reply, began=at, now=at + took, asked=asked
        )
        self.bulkhead.leave(key, began=at)
        return opened

    def begin(self, count: int, key: Key = ONE, *, at: float) -> int:
        """How many of `count` POSTs get a place."""
        return sum(self.bulkhead.enter(key, now=at) == 0 for _ in range(count))


def test_the_first_pause_is_as_long_as_was_set() -> None:
    posts = Posts(first_pause=2.0)
    for number in range(OPENS_AFTER):
        posts.post(reply=DOWN, at=float(number))
    assert posts.bulkhead.enter(ONE, now=OPENS_AFTER - 1 + 0.1) == pytest.approx(2.0)


@pytest.mark.parametrize("reply", [DOWN, Reply(503), Reply(500), Reply(429), Reply(0, "dns_error")])
def test_a_breaker_opens_after_some_different_deliveries_failed_in_a_row(reply: Reply) -> None:
    posts = Posts()
    opened = [posts.post(reply=reply, at=float(number)) for number in range(OPENS_AFTER)]
    assert opened == [False] * (OPENS_AFTER - 1) + [True]
    end = OPENS_AFTER - 1 + 0.1
    assert posts.bulkhead.enter(ONE, now=end) == pytest.approx(FIRST_PAUSE)
    assert posts.bulkhead.enter(OTHER, now=end) == 0


@pytest.mark.parametrize(
    "reply", [Reply(400), Reply(404), Reply(302), Reply(0, "url_refused"), Reply(0, "secret_invalid")]
)
def test_what_an_endpoint_refuses_opens_no_breaker(reply: Reply) -> None:
    posts = Posts()
    assert not any(posts.post(reply=reply, at=float(number)) for number in range(50))


def test_one_delivery_that_always_fails_opens_no_breaker() -> None:
    posts = Posts()
    assert not any(posts.post(reply=DOWN, at=float(number), delivery="msg") for number in range(50))


def test_one_good_answer_begins_the_count_anew() -> None:
    posts = Posts()
    replies = [*[DOWN] * (OPENS_AFTER - 1), GOOD] * 5
    assert not any(posts.post(reply=reply, at=float(number)) for number, reply in enumerate(replies))


def test_after_its_pause_one_delivery_finds_out_and_the_others_wait() -> None:
    posts = Posts(1000)
    for _ in range(300):
        posts.post(at=0.0)
    for number in range(OPENS_AFTER):
        posts.post(reply=DOWN, at=float(number))
    half_open = OPENS_AFTER - 1 + 0.1 + FIRST_PAUSE
    assert posts.begin(10, at=half_open) == 1
    assert posts.bulkhead.answered(ONE, "probe", DOWN, began=half_open, now=half_open + 1, asked=0)
    posts.bulkhead.leave(ONE, began=half_open)
    assert posts.bulkhead.enter(ONE, now=half_open + 2 * FIRST_PAUSE) > 0
    assert posts.post(at=half_open + 1 + 2 * FIRST_PAUSE) is False
    assert posts.bulkhead.enter(ONE, now=half_open + 2 + 2 * FIRST_PAUSE) == 0


def test_a_pause_never_exceeds_a_quarter_of_an_hour() -> None:
    posts, at = Posts(), 0.0
    for _ in range(40):
        while (wait := posts.bulkhead.enter(ONE, now=at)) > 0:
            assert wait <= LONGEST_PAUSE
            at += wait
        posts.bulkhead.leave(ONE, began=at)
        posts.post(reply=DOWN, at=at)
        at += 0.1
    assert posts.bulkhead.enter(ONE, now=at) == pytest.approx(LONGEST_PAUSE)


def test_an_endpoint_that_asks_for_peace_gets_it_for_new_deliveries_too() -> None:
    posts = Posts()
    posts.post(reply=Reply(429, retry_after="120"), at=0.0, took=0.5, asked=120)
    assert posts.bulkhead.enter(ONE, now=1.0) == pytest.approx(119.5)
    assert posts.bulkhead.enter(ONE, now=120.5) == 0


def test_those_that_wait_come_back_one_behind_the_other() -> None:
    posts = Posts()
    assert posts.begin(FIRST_CAP, at=0.0) == FIRST_CAP
    posts.bulkhead.answered(ONE, "msg_1", DOWN, began=0.0, now=10.0, asked=0.0)
    waits = [posts.bulkhead.enter(ONE, now=10.0) for _ in range(200)]
    assert waits == sorted(waits)
    assert waits[0] == 1.0
    assert waits[100] - waits[50] == pytest.approx(50 * 10.0 / (FIRST_CAP // 2))
    assert waits[-1] <= LONGEST_PAUSE


def test_a_good_endpoint_gets_half_of_the_places_and_no_more() -> None:
    posts = Posts(50)
    for number in range(40):
        posts.post(at=float(number))
    assert posts.begin(100, at=100.0) == 25


def test_a_failing_endpoint_gets_one_place_at_last() -> None:
    posts = Posts(50)
    for number in range(OPENS_AFTER - 1):
        posts.post(reply=DOWN, at=float(number))
    assert posts.begin(100, at=100.0) == 1


def test_doubtful_endpoints_together_leave_room_for_those_that_answer() -> None:
    posts = Posts(50)
    posts.post(OTHER, at=0.0)
    began = sum(posts.begin(1, ("acme", f"ep-{number}", "u"), at=1.0) for number in range(100))
    assert began == 40, "of strangers four fifths"
    assert posts.begin(3, OTHER, at=1.0 + 2 * SLOW) == 3
    assert posts.begin(1, ("acme", "ep-1", "u"), at=1.0 + 2 * SLOW) == 0, "a hanging one gets no second place"


def test_another_url_is_another_endpoint() -> None:
    posts = Posts()
    for number in range(OPENS_AFTER):
        posts.post(reply=DOWN, at=float(number))
    assert posts.bulkhead.enter((*ONE[:2], "https://mended.example/"), now=6.0) == 0


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENDPOINTS", 100)
    posts = Posts()
    assert posts.bulkhead.enter(ONE, now=0.0) == 0
    for number in range(1000):
        posts.post(("acme", f"ep-{number}", "u"), at=0.0)
    assert len(posts.bulkhead._endpoints) <= 100
    posts.bulkhead.leave(ONE, began=0.0)


def test_a_burst_at_an_unknown_endpoint_comes_back_as_soon_as_it_may_be_known() -> None:
    """It was spread as if each answer took a second: the five hundredth delivery to an endpoint that answers at once came after a hundred."""
    posts = Posts()
    waits = [posts.bulkhead.enter(ONE, now=0.0) for _ in range(500)]
    assert (waits[:FIRST_CAP], {*waits[FIRST_CAP:]}) == ([0.0] * FIRST_CAP, {SLOW})
    for number in range(FIRST_CAP):
        posts.bulkhead.answered(ONE, f"msg_{number}", GOOD, began=0.0, now=0.1, asked=0.0)
        posts.bulkhead.leave(ONE, began=0.0)
    again = [posts.bulkhead.enter(ONE, now=1.0) for _ in range(495)]
    assert again.count(0.0) == 2 * FIRST_CAP, "one place more after each answer"
    assert max(again) < 6, "as fast as it has answered, ten at once in a tenth of a second"


def test_a_burst_at_an_unknown_endpoint_that_hangs_is_spread_once_it_is_doubtful() -> None:
    posts = Posts()
    assert posts.begin(FIRST_CAP, at=0.0) == FIRST_CAP
    again = [posts.bulkhead.enter(ONE, now=10.0) for _ in range(50)]
    assert max(again) == pytest.approx(40.0), "four times as long as it has been silent"
    posts.bulkhead.answered(ONE, "msg_1", DOWN, began=0.0, now=15.0, asked=0.0)
    assert max(posts.bulkhead.enter(ONE, now=15.0) for _ in range(50)) > 60


def test_a_burst_at_an_endpoint_whose_first_answers_are_late_goes_at_once_when_it_proves_fast() -> None:
    """Its deliveries were sent away for two minutes at the first answers' speed, and what came later stood behind them."""
    posts = Posts()
    assert posts.begin(FIRST_CAP, at=0.0) == FIRST_CAP
    away = [posts.bulkhead.enter(ONE, now=1.2) for _ in range(495)]
    assert max(away) == pytest.approx(4.8)
    for number in range(FIRST_CAP):
        posts.bulkhead.answered(ONE, f"msg_{number}", GOOD, began=0.0, now=1.3, asked=0.0)
        posts.bulkhead.leave(ONE, began=0.0)
    for number in range(20):
        posts.post(at=1.3 + number / 100, took=0.005)
    assert posts.begin(25, at=2.0) == 25
    assert posts.bulkhead.enter(ONE, now=2.0) == SLOW, "behind nobody who was sent away before"


def full(posts: Posts, count: int = FIRST_CAP + 1, *, at: float = 1.0) -> None:
    """An endpoint that has answered well, and has as many deliveries as it may."""
    posts.post(at=at - 0.5)
    assert posts.begin(count, at=at) == count


async def waited(posts: Posts, key: Key = ONE, *, now: float = 1.0) -> bool:
    return await posts.bulkhead.room(key, now=now)


def test_who_waits_for_a_place_at_a_good_endpoint_gets_it_when_one_is_given_back() -> None:
    async def story() -> list[float]:
        posts = Posts()
        full(posts)
        first, second = (asyncio.create_task(waited(posts)) for _ in range(2))
        await asyncio.sleep(0.2)
        posts.bulkhead.leave(ONE, began=1.0)
        assert await first
        times = [clock(), posts.bulkhead.enter(ONE, now=1.2)]
        assert await second, "after a second at the latest"
        return [*times, clock()]

    found, place, last = virtual(story())
    assert (round(last - found, 3), place) == (0.8, 0.0)


def test_nobody_waits_here_for_an_endpoint_that_is_unknown_doubtful_or_has_room() -> None:
    async def story() -> list[bool]:
        unknown, hanging, free, paused = Posts(), Posts(), Posts(), Posts()
        unknown.begin(FIRST_CAP, at=1.0)
        full(hanging)
        free.post(at=0.5)
        full(paused)
        paused.bulkhead.answered(ONE, "msg_x", Reply(503), began=1.0, now=1.0, asked=60.0)
        return [
            await waited(unknown),
            await waited(hanging, now=1.0 + SLOW + 0.1),
            await waited(free),
            await waited(paused),
        ]

    assert virtual(story()) == [False] * 4


def test_those_who_wait_leave_a_fifth_of_the_places_to_others_and_none_is_forgotten() -> None:
    async def story() -> tuple[int, int]:
        posts = Posts(places=10)
        posts.post(at=0.5)
        held = posts.begin(10, at=1.0)
        waiting = [asyncio.create_task(waited(posts)) for _ in range(10)]
        await asyncio.sleep(0.1)
        refused = sum(each.done() and not each.result() for each in waiting)
        waiting[0].cancel()
        await asyncio.sleep(2)
        assert [each.cancelled() or each.done() for each in waiting] == [True] * 10
        again = asyncio.create_task(waited(posts))
        await asyncio.sleep(0.1)
        assert not again.done(), "whoever was cancelled or came too late holds nothing"
        await again
        return held, refused

    assert virtual(story()) == (5, 10 - (8 - 5))


async def test_who_stops_waiting_as_a_place_comes_free_leaves_it_to_the_next() -> None:
    posts = Posts()
    posts.post(at=0.0)
    for _ in range(FIRST_CAP + 1):
        assert posts.bulkhead.enter(ONE, now=1.0) == 0
    first, second = (asyncio.create_task(posts.bulkhead.room(ONE, now=1.0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    posts.bulkhead.leave(ONE, began=1.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (first.cancelled(), second.done()) == (True, True)
