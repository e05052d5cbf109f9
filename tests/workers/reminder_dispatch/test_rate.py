"""No more recipients in a second than Expo allows, in catch-up floods as in normal times."""

import asyncio

import pytest

from tests.virtual_time import VirtualTimeLoop, clock, virtual
from workers.reminder_dispatch.channels.push.rate import AHEAD, PER_SECOND, WINDOW, RateCap, request_size


async def passed(sizes: list[int]) -> list[tuple[float, int]]:
    cap, times = RateCap(clock=clock), []

    async def one(size: int) -> None:
        assert await cap.take(size, within=3_600)
        times.append((clock(), size))

    await asyncio.gather(*(one(size) for size in sizes))
    return times


def test_no_window_of_a_second_holds_more_than_the_limit() -> None:
    times = virtual(passed([100, 37, 100, 1, 99, 100] * 20))
    for start, _ in times:
        assert sum(size for at, size in times if start <= at < start + 1) <= PER_SECOND


def test_the_limit_is_used() -> None:
    times = virtual(passed([100] * 60))
    assert times[-1][0] - times[0][0] <= 10 * WINDOW


def test_requests_pass_in_the_order_they_came() -> None:
    sizes = [100, 50, 100, 1] * 10
    assert [size for _, size in virtual(passed(sizes))] == sizes


def test_the_first_requests_do_not_wait() -> None:
    times = virtual(passed([100] * 6))
    assert times[-1][0] == times[0][0]


async def _in_a_hurry() -> tuple[list[bool], float]:
    cap = RateCap(clock=clock)
    found = await asyncio.gather(*(cap.take(100, within=0.5) for _ in range(9)))
    left = clock()
    assert await cap.take(100, within=2)
    return found, left


def test_who_has_no_turn_in_time_is_told_so_and_uses_up_nothing() -> None:
    found, left = virtual(_in_a_hurry())
    assert found == [True] * 6 + [False] * 3
    assert left == pytest.approx(VirtualTimeLoop.BEGAN + 0.5)


async def _kept(claiming: float) -> list[tuple[float, int]]:
    """So many requests that claim what they have room for, and then go out."""
    cap, times = RateCap(clock=clock), []

    async def one() -> None:
        async with cap.room(100, within=3_600) as room:
            asked = clock()
            await asyncio.sleep(claiming)
            assert await cap.take(100, within=3_600, room=room)
            assert clock() - asked <= max(claiming, AHEAD) + 0.01, "nobody waits long with claims in hand"
            times.append((clock(), 100))

    await asyncio.gather(*(one() for _ in range(60)))
    return times


@pytest.mark.parametrize("claiming", [0.0, AHEAD / 2, AHEAD, 0.4])
def test_room_that_was_kept_is_never_more_than_the_limit(claiming: float) -> None:
    times = virtual(_kept(claiming))
    for start, _ in times:
        assert sum(size for at, size in times if start <= at < start + 1) <= PER_SECOND
    if claiming <= AHEAD:
        assert times[-1][0] - times[0][0] <= 10 * WINDOW, "claims cost no rate"


async def _given_back() -> float:
    cap = RateCap(clock=clock)
    async with cap.room(600, within=1) as room:
        assert await cap.take(100, within=1, room=room)
        async with cap.room(500, within=1):
            pass
    with pytest.raises(ZeroDivisionError):
        async with cap.room(500, within=1):
            raise ZeroDivisionError
    assert await cap.take(500, within=1)
    return clock()


def test_room_that_nobody_took_is_free_again_also_after_a_fault() -> None:
    assert virtual(_given_back()) == VirtualTimeLoop.BEGAN


@pytest.mark.parametrize(
    ("share", "size"), [(600, 100), (300, 100), (200, 100), (150, 75), (120, 60), (60, 60), (1, 1)]
)
def test_whole_requests_use_up_a_share(share: int, size: int) -> None:
    assert (request_size(share), share % size) == (size, 0)
