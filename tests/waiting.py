"""How a test waits for an effect: it looks again until a deadline, and says what did not come."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Seen = TypeVar("Seen")


async def until(
    predicate: Callable[[], Seen | Awaitable[Seen | None] | None],
    *,
    seconds: float = 30.0,
    what: str = "",
    pause: float = 0.02,
) -> Seen:
    """Call `predicate` until it answers something true, and return that.

    Raises:
        AssertionError: `seconds` passed; the text names `what` was waited for and the last answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = predicate()
        seen: Seen | None = await answer if inspect.isawaitable(answer) else answer
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'the awaited effect'} did not come within {seconds} s; last seen: {seen!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, 0.25)
