"""Code without an event loop calls asynchronous clients, and what they hold is closed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared import blocking


class Client:
    def __init__(self) -> None:
        self.is_open = True

    async def double(self, number: int) -> int:
        if not self.is_open or number < 0:
            raise ValueError("closed, or less than nothing")
        return 2 * number


@asynccontextmanager
async def opened() -> AsyncIterator[Client]:
    client = Client()
    try:
        yield client
    finally:
        client.is_open = False


def test_each_call_returns_what_it_returns_and_raises_what_it_raises() -> None:
    with blocking(opened()) as (client, wait):
        assert [wait(client.double(1)), wait(client.double(4))] == [2, 8]
        with pytest.raises(ValueError, match="less than nothing"):
            wait(client.double(-1))
        assert client.is_open
    assert not client.is_open


def test_the_client_is_closed_also_where_the_caller_fails() -> None:
    kept: list[Client] = []

    def fail() -> None:
        with blocking(opened()) as (client, wait):
            kept.append(client)
            wait(client.double(-1))

    with pytest.raises(ValueError, match="less than nothing"):
        fail()
    assert not kept[0].is_open


async def test_inside_a_running_event_loop_it_is_refused() -> None:
    with pytest.raises(RuntimeError, match="async with"), blocking(opened()):
        pass
