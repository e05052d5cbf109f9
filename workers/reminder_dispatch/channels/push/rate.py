"""How fast one process may send: never more than a number of recipients in any one second."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

PER_SECOND = 600
"""Expo's limit for a project; above it, it answers TOO_MANY_REQUESTS."""

RECIPIENTS = 100
"""The most one request may hold."""

WINDOW = 1.05
"""Seconds. A little more than one, because requests may arrive closer together than they left."""

AHEAD = 0.1
"""Seconds before it is free that room is kept for who comes next: about what a hundred claims take, so that these cost no rate."""

_SHORTEST = 0.001
"""Seconds of any wait: two sums of the same times may differ in their last digit."""


def request_size(per_second: int) -> int:
    """Recipients of one request, so that a whole number of requests uses up the share: 100 of 600 or 300, 75 of 150."""
    return per_second // -(-per_second // RECIPIENTS)


@dataclass(slots=True)
class Room:
    """How many recipients may be sent to within a moment; nobody else has their places."""

    left: int


class RateCap:
    """A sliding window over what was let through; waiting requests go in the order they came."""

    def __init__(
        self, *, limit: int = PER_SECOND, window: float = WINDOW, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._window = window
        self._clock = clock
        self._passed: deque[tuple[float, int]] = deque()
        self._sum = 0
        self._kept = 0
        self._turn = asyncio.Lock()
        self._leaving = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits here, and nothing was let through within a window."""
        self._forget(self._clock())
        return not (self._passed or self._kept or self._turn.locked())

    @asynccontextmanager
    async def room(self, count: int, *, within: float) -> AsyncIterator[Room | None]:
        """Keeps room for `count` recipients (at most the limit) as soon as it is free, or nearly; None where it is not within so
        many seconds. What is not taken is given back at the end.
        """
        if not await self._keep(count, self._clock() + within):
            yield None
            return
        room = Room(count)
        try:
            yield room
        finally:
            self._give_back(room)

    async def take(self, count: int, *, within: float, room: Room | None = None) -> bool:
        """Return True when `count` recipients (at most the limit) may be sent, False where that is not within so many seconds. Room
        that is too small is given back, and waited for like any other.
        """
        end = self._clock() + within
        if room is not None and room.left >= count:
            passed = await self._pass(count, room, end)
            self._give_back(room)
            return passed
        if room is not None:
            self._give_back(room)
        async with self.room(count, within=within) as own:
            return own is not None and await self._pass(count, own, end)

    async def _keep(self, count: int, end: float) -> bool:
        async with self._turn:
            while (now := self._clock()) < end:
                self._forget(now)
                opens = [at + self._window - AHEAD for at, _ in self._passed]
                soon = sum(size for (_, size), at in zip(self._passed, opens, strict=True) if at <= now)
                if self._kept + self._sum - soon + count <= self._limit:
                    self._kept += count
                    return True
                await self._changes(min([at for at in opens if at > now] + [end]) - now)
        return False

    async def _pass(self, count: int, room: Room, end: float) -> bool:
        async with self._leaving:
            while (now := self._clock()) < end:
                self._forget(now)
                if self._sum + count <= self._limit:
                    self._passed.append((now, count))
                    self._sum += count
                    self._kept -= count
                    room.left -= count
                    self._changed.set()
                    return True
                await asyncio.sleep(max(min(self._passed[0][0] + self._window, end) - now, _SHORTEST))
        return False

    def _forget(self, now: float) -> None:
        while self._passed and self._passed[0][0] + self._window <= now:
            self._sum -= self._passed.popleft()[1]

    def _give_back(self, room: Room) -> None:
        self._kept -= room.left
        room.left = 0
        self._changed.set()

    async def _changes(self, within: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(within, _SHORTEST)):
                await self._changed.wait()
