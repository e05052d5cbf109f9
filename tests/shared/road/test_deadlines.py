"""One timer for many limits ends what asyncio.timeout would end, and in the same way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.road.handling import Deadline, Deadlines
from tests.virtual_time import virtual

SECONDS = 5.0

Limit = Callable[[], AbstractAsyncContextManager[Any]]
Block = Callable[[], Awaitable[object]]


def ours() -> Limit:
    deadlines = Deadlines(SECONDS)

    @asynccontextmanager
    async def one() -> AsyncIterator[None]:
        with Deadline(deadlines):
            yield

    return one


def the_librarys() -> Limit:
    return lambda: asyncio.timeout(SECONDS)


async def returns() -> str:
    await asyncio.sleep(4.9)
    return "done"


async def hangs() -> None:
    await asyncio.sleep(3600)


async def swallows_its_end() -> str:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    return "went on"


async def fails_when_it_is_ended() -> None:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        raise ValueError from None


async def cancels_itself() -> None:
    raise asyncio.CancelledError


async def has_a_shorter_limit_inside() -> None:
    async with asyncio.timeout(1.0):
        await asyncio.sleep(3600)


async def story(limit: Limit, block: Block, cancelled_at: float | None) -> tuple[object, float, int]:
    """How it ended, when, and how many cancellations its task was left with."""

    async def limited() -> tuple[object, int]:
        task = asyncio.current_task()
        assert task is not None
        try:
            async with limit():
                ended: object = await block()
        except (ValueError, TimeoutError, asyncio.CancelledError) as error:
            ended = type(error).__name__
        return ended, task.cancelling()

    loop = asyncio.get_running_loop()
    began = loop.time()
    task = asyncio.create_task(limited())
    if cancelled_at is not None:
        loop.call_at(began + cancelled_at, task.cancel)
    ended, left = await task
    return ended, round(loop.time() - began, 3), left


@pytest.mark.parametrize("cancelled_at", [None, 2.0, SECONDS])
@pytest.mark.parametrize(
    "block",
    [returns, hangs, swallows_its_end, fails_when_it_is_ended, cancels_itself, has_a_shorter_limit_inside],
)
def test_a_block_ends_as_it_would_under_asyncios_own_timeout(block: Block, cancelled_at: float | None) -> None:
    assert virtual(story(ours(), block, cancelled_at)) == virtual(story(the_librarys(), block, cancelled_at))


def test_a_block_that_takes_too_long_is_told_so() -> None:
    assert virtual(story(ours(), hangs, None)) == ("TimeoutError", SECONDS, 0)


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0.01, 12)), min_size=1, max_size=12))
def test_of_many_each_has_its_own_time(blocks: list[tuple[float, float]]) -> None:
    async def all_of_them() -> list[tuple[object, float, int]]:
        limit = ours()

        async def late(start: float, length: float) -> tuple[object, float, int]:
            await asyncio.sleep(start)
            return await story(limit, lambda: asyncio.sleep(length, "done"), None)

        return await asyncio.gather(*(late(*each) for each in blocks))

    for (_, length), (ended, seconds, left) in zip(blocks, virtual(all_of_them()), strict=True):
        assert left == 0
        if abs(length - SECONDS) > 0.01:
            assert ended == ("done" if length < SECONDS else "TimeoutError")
            assert seconds == pytest.approx(min(length, SECONDS), abs=0.01)


def test_a_limit_that_is_done_leaves_nothing_behind() -> None:
    async def quick() -> int:
        deadlines = Deadlines(SECONDS)
        for _ in range(1000):
            with Deadline(deadlines):
                pass
        await asyncio.sleep(SECONDS + 1)
        loop: Any = asyncio.get_running_loop()
        return len(loop._scheduled)

    assert virtual(quick()) == 0
