"""An endpoint that asks for so many requests a second gets no more of them, and not much less."""

import heapq
import math

import pytest

from workers.webhook_delivery.egress.rate import LONGEST_TURN, Bucket


def begun(rate: float, arrivals: list[float]) -> list[float]:
    """When each delivery may begin: one that has to wait comes back as SQS brings it, whole seconds later."""
    bucket = Bucket()
    waiting = arrivals[:]
    heapq.heapify(waiting)
    times: list[float] = []
    while waiting:
        now = heapq.heappop(waiting)
        if wait := bucket.take(rate, now):
            heapq.heappush(waiting, now + math.ceil(wait))
        else:
            times.append(now)
    return times


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0, 3.0, 7.5, 20.0])
def test_in_no_window_there_are_more_than_the_rate_and_one_second_of_it(rate: float) -> None:
    times = begun(rate, [1_000.0 + number / 50 for number in range(300)])
    assert len(times) == 300
    for first in range(0, 300, 7):
        for last in range(first, 300, 5):
            most = rate * (times[last] - times[first]) + max(1.0, rate)
            assert last - first + 1 <= most + 1e-6


@pytest.mark.parametrize("rate", [0.5, 3.0, 20.0])
def test_a_backlog_goes_out_nearly_as_fast_as_it_may(rate: float) -> None:
    times = begun(rate, [1_000.0 + number / 1000 for number in range(600)])
    assert times[-1] - times[0] <= 1.15 * 600 / rate + 2


def test_within_the_rate_nobody_waits_and_a_pause_saves_up_one_second_at_most() -> None:
    bucket = Bucket()
    assert [bucket.take(4.0, at / 4) for at in range(40)] == [0.0] * 40
    assert [bucket.take(4.0, 500.0) > 0 for _ in range(5)] == [False] * 4 + [True]


def test_a_wait_is_as_long_as_a_message_can_be_delayed_at_most() -> None:
    bucket = Bucket()
    waits = [bucket.take(0.001, 5.0) for _ in range(5)]
    assert (waits[0], max(waits)) == (0.0, LONGEST_TURN)


def test_a_clock_that_is_set_back_makes_nothing_of_it() -> None:
    bucket = Bucket()
    assert bucket.take(1.0, 1_000.0) == 0.0
    assert bucket.take(1.0, 10.0) > 0
    assert bucket.take(1.0, 1_001.0) == 0.0
