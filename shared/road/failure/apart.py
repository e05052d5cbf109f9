"""Which messages of a process run beside each other: any number, or one that may end the process, by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

PATIENCE = 30.0
"""Seconds for which a message that runs by itself waits for those that are at work. Beside what takes longer it begins, and nothing else does."""
FIRST = 3
"""The start from which on a message that was never seen to end runs by itself, to its last. They are several: what kills a process from
outside (its platform, an operator) meets the same lone message again and again only by an unlikely chance.
"""

SETTLING = 0.3
"""Seconds between two that run by themselves: the second may end the process, and the first one's letter or delete shall be sent before."""


def first_start_apart(max_attempts: int) -> int:
    """The number of the start from which on a message that was never seen to end runs by itself."""
    return min(max_attempts, FIRST)


class Apart:
    """Of one process, over all its queues. A run that `is_held` does not stop costs a count and no call."""

    def __init__(self) -> None:
        self.beside = 0
        """Runs that are at work."""
        self._turn = asyncio.Lock()
        self._ended: asyncio.Event | None = None
        self._quiet = asyncio.Event()
        self._settled = 0.0

    @property
    def is_held(self) -> bool:
        """Whether nothing may begin: a message runs by itself, or waits for the others to end."""
        return self._ended is not None

    async def passage(self) -> None:
        """Until something may begin."""
        while self._ended is not None:
            await self._ended.wait()

    def leave(self) -> None:
        """A run that was counted in `beside` has ended."""
        self.beside -= 1
        if not self.beside:
            self._quiet.set()

    @asynccontextmanager
    async def alone(self, *, at_most: float) -> AsyncIterator[None]:
        """Nothing begins inside for `at_most` seconds; what is at work has ended, or has taken longer than `PATIENCE`."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self._settled - loop.time())
            self._ended = asyncio.Event()
            try:
                if self.beside:
                    self._quiet.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(PATIENCE):
                            await self._quiet.wait()
                limit = loop.call_later(
                    at_most, self._let_in
                )  # a handler that does not let itself be cut holds up nobody else
                try:
                    yield
                finally:
                    limit.cancel()
            finally:
                self._settled = loop.time() + SETTLING
                self._let_in()  # those that waited begin before the next that runs by itself has its turn

    def _let_in(self) -> None:
        if self._ended is not None:
            self._ended.set()
            self._ended = None
