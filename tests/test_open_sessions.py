import asyncio

import aiohttp

from tests.open_sessions import left_open


async def opened() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()


def test_a_session_that_outlives_its_loop_is_told_once() -> None:
    session = asyncio.run(opened())
    try:
        assert left_open() == [session]
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
