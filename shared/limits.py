"""The limits of one process: how many messages may be in hand at once, how many may start per second, how many bytes they take."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from shared.message.delivery import Delivery
from shared.settings import BODY_BUDGET


class Slots:
    """A number of places that can be reserved and waited for. The number may change while places are in use."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0
        self._some = asyncio.Event()
        self._tell()

    @property
    def free(self) -> int:
        """Places that can be reserved now."""
        return max(0, self._count - self._taken)

    @property
    def taken(self) -> int:
        """Places that are in use."""
        return self._taken

    async def some_free(self) -> int:
        """Wait until at least one place is free; returns how many are free."""
        await self._some.wait()
        return self.free

    def reserve(self, most: int) -> int:
        """Take up to `most` places; returns how many were taken."""
        got = min(most, self.free)
        self._taken += got
        self._tell()
        return got

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it during this block."""
        while not self.reserve(1):
            await self.some_free()
        try:
            yield
        finally:
            self.give(1)

    def give(self, count: int) -> None:
        """Free `count` places."""
        was_full = self._taken >= self._count
        self._taken -= count
        if was_full and self._taken < self._count:
            self._some.set()

    def resize(self, count: int) -> None:
        """Change the number of places. If it shrinks, messages beyond it are finished, not cut."""
        self._count = count
        self._tell()

    def _tell(self) -> None:
        if self.free:
            self._some.set()
        else:
            self._some.clear()


class Throttle:
    """A token bucket of one second's worth. `rate` in messages per second; None means no limit, 0 means stop."""

    def __init__(self, rate: float | None, *, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = self._most
        self._filled_at = clock()
        self._changed = asyncio.Event()

    async def allowed(self) -> float:
        """Wait until at least one message may start; returns how many may start now."""
        while True:
            self._fill()
            if self._rate is None:
                return float("inf")
            if self._tokens >= 1.0:
                return self._tokens
            self._changed.clear()
            missing = max(0.001, (1.0 - self._tokens) / self._rate) if self._rate else None
            try:
                async with asyncio.timeout(missing):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def spend(self, count: int) -> None:
        """Record that so many have started."""
        if self._rate is not None:
            self._tokens -= count

    def change(self, rate: float | None) -> None:
        """Set another limit, from now on."""
        if rate == self._rate:
            return
        self._fill()
        self._rate = rate
        self._tokens = min(self._tokens, self._most)
        self._changed.set()

    @property
    def _most(self) -> float:
        # A bucket of a tenth of a second keeps every one-second window within the limit and that tenth.
        return max(1.0, self._rate / 10) if self._rate else 0.0

    def _fill(self) -> None:
        now = self._clock()
        if self._rate is not None:
            self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now


class Budget:
    """Of one process, all queues together.

    What was received is here already, and counts with the memory of its text. A body in S3 is read when there is room for it;
    one that is larger than the whole budget is read while no other is in hand. Those that wait do so in the order they came,
    and hold up nobody whose body came with the message.
    """

    def __init__(self, most: int = BODY_BUDGET) -> None:
        self._most = most
        self._held = 0
        self._read = 0
        self._turn = asyncio.Lock()
        self._given = asyncio.Event()
        self._waiting = 0

    @property
    def room(self) -> int:
        """Bytes that are left; 0 or less where there are none."""
        return self._most - self._held

    @property
    def is_half_free(self) -> bool:
        """Whether half of the bytes or more are left."""
        return 2 * self._held <= self._most

    def take(self, size: int) -> None:
        """So many bytes are in hand from now on."""
        self._held += size

    def give(self, size: int) -> None:
        """So many bytes are not in hand any more."""
        self._held -= size
        if self._waiting:
            self._given.set()

    async def some_room(self) -> None:
        """Wait until there is room for more."""
        while self.room <= 0:
            await self._change()

    @asynccontextmanager
    async def read(self, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes for bodies that are read out of S3, as soon as there is room; none at once."""
        if not size:
            yield
            return
        async with self._turn:
            while self._read and self.room < size:
                await self._change()
            self._read += 1
            self.take(size)
        try:
            yield
        finally:
            self._read -= 1
            self.give(size)

    async def _change(self) -> None:
        self._given.clear()
        self._waiting += 1
        try:
            await self._given.wait()
        finally:
            self._waiting -= 1


def memory(delivery: Delivery) -> int:
    """Bytes that its body and its attributes take here: up to four for a character."""
    size = sys.getsizeof(delivery.body)
    if delivery.attributes:
        for each in delivery.attributes.values():
            size += sys.getsizeof(each.text) + sys.getsizeof(each.binary)
    return size
