"""How many bytes of bodies one process has in hand: above that it receives no more, and what lies in S3 is read in turn."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.message.delivery import Delivery
from shared.settings import BODY_BUDGET


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

    @property
    def room(self) -> int:
        """Bytes that are left; 0 or less where there are none."""
        return self._most - self._held

    def take(self, size: int) -> None:
        """So many bytes are in hand from now on."""
        self._held += size

    def give(self, size: int) -> None:
        """So many bytes are not in hand any more."""
        self._held -= size
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
        await self._given.wait()


def memory(delivery: Delivery) -> int:
    """Bytes that its body takes here: up to four for a character."""
    return sys.getsizeof(delivery.body)
