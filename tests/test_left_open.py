import asyncio

import aiohttp

from tests.left_open import left_open


async def opened() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


def test_a_session_that_outlives_its_loop_is_told_once() -> None:
    session = asyncio.run(opened())
    try:
        assert left_open() == [repr(session)]
        assert left_open() == []
    finally:
        asyncio.run(session.close())


def test_a_closed_session_is_not_told() -> None:
    async def used() -> aiohttp.ClientSession:
        async with await opened() as session:
            return session

    assert asyncio.run(used()).closed
    assert left_open() == []


async def test_a_session_whose_loop_still_runs_may_yet_be_closed() -> None:
    async with await opened():
        assert left_open() == []


def test_a_task_that_its_loop_was_closed_upon_is_told_once() -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(asyncio.sleep(0), name="forgotten")
    loop.close()
    [found] = left_open()
    assert "forgotten" in found
    assert left_open() == []
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is told above, not when it is collected
    task.get_coro().close()


async def test_a_task_that_is_cancelled_with_its_loop_is_not_told() -> None:
    asyncio.get_running_loop().create_task(asyncio.sleep(10))
