"""How fast one process may send: never more than a number of recipients in any one second."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

PER_SECOND = 600
"""Expo's limit for a project; above it, it answers TOO_MANY_REQUESTS."""

WINDOW = 1.05
"""Seconds. A little more than one, because requests may arrive closer together than they left."""


class RateCap:
    """A sliding window over what was let through; waiting requests go in the order they came."""

    def __init__(
        self,
        *,
        limit: int = PER_SECOND,
        window: float = WINDOW,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limit = limit
        self._window = window
        self._clock = clock
        self._sleep = sleep
        self._passed: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._turn = asyncio.Lock()

    async def take(self, count: int, *, within: float) -> bool:
        """Return True when `count` recipients (at most the limit) may be sent, False where that is not within so many seconds."""
        end = self._clock() + within
        async with self._turn:
            while True:
                now = self._clock()
                while self._passed and self._passed[0][0] + self._window <= now:
                    self._sum -= self._passed.popleft()[1]
                if now >= end:
                    return False
                if not self._passed or self._sum + count <= self._limit:
                    self._passed.append((now, count))
                    self._sum += count
                    return True
                await self._sleep(min(self._passed[0][0] + self._window, end) - now)
