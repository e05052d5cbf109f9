"""How many messages may be in hand at once."""

from __future__ import annotations

import asyncio


class Slots:
    """A count of free places that can be waited for; one task waits, any may give."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._some = asyncio.Event()
        if count > 0:
            self._some.set()

    async def some_free(self) -> int:
        """Wait until at least one place is free; how many there are."""
        await self._some.wait()
        return self._free

    def take(self) -> None:
        """Occupy one place."""
        self._free -= 1
        if self._free <= 0:
            self._some.clear()

    def give(self, count: int) -> None:
        """Free `count` places."""
        self._free += count
        if self._free > 0:
            self._some.set()
