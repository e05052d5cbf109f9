"""How many messages may be in hand at once."""

from __future__ import annotations

import asyncio


class Slots:
    """A count of places that can be reserved and waited for; the count may change while it is in use."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0
        self._some = asyncio.Event()
        self._tell()

    @property
    def free(self) -> int:
        """Places that can be reserved now."""
        return max(0, self._count - self._taken)

    async def some_free(self) -> int:
        """Wait until at least one place is free; how many there are."""
        await self._some.wait()
        return self.free

    def reserve(self, most: int) -> int:
        """Take up to `most` places; how many there were."""
        got = min(most, self.free)
        self._taken += got
        self._tell()
        return got

    def give(self, count: int) -> None:
        """Free `count` places."""
        self._taken -= count
        self._tell()

    def resize(self, count: int) -> None:
        """Change how many places there are; what is in hand beyond a smaller count is finished, not cut."""
        self._count = count
        self._tell()

    def _tell(self) -> None:
        if self.free:
            self._some.set()
        else:
            self._some.clear()
