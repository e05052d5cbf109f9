"""Asynchronous clients for code without an event loop: a web application or a script that feeds the fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Protocol, TypeVar

Client = TypeVar("Client")
Answer = TypeVar("Answer")


class Wait(Protocol):
    """Carries out one call of the client, and returns or raises what it does."""

    def __call__(self, call: Coroutine[Any, Any, Answer], /) -> Answer: ...


@contextmanager
def blocking(opening: AbstractAsyncContextManager[Client]) -> Iterator[tuple[Client, Wait]]:
    """The client that `opening` opens, and what its calls are given to. For one thread, and calls one after the other.

    with blocking(open_webhooks(os.environ)) as (webhooks, wait):
        wait(webhooks.publish(Event("acme", "order.placed", key="order-42")))

    Raises what the opening raises, and RuntimeError inside a running event loop, where `async with` does it.
    """
    if _is_in_a_loop():
        raise RuntimeError("an event loop runs here: use `async with`, and await the calls")
    with asyncio.Runner() as runner:
        client = runner.run(_entered(opening))
        try:
            yield client, runner.run
        finally:
            runner.run(_left(opening))


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _entered(opening: AbstractAsyncContextManager[Client]) -> Client:
    return await opening.__aenter__()


async def _left(opening: AbstractAsyncContextManager[Any]) -> None:
    await opening.__aexit__(None, None, None)
