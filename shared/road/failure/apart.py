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
    """Of one process, over all its queues. Who runs counts itself in `beside`, unless something is `held`, and out again; the last one tells
    `quiet`, where that is waited for. What nothing stops costs two counts and no call.
    """

    def __init__(self) -> None:
        self.beside = 0
        """Runs that are at work."""
        self.held: asyncio.Event | None = None
        """Nothing may begin until then: a message runs by itself, or waits for the others to end."""
        self.quiet: asyncio.Event | None = None
        """Nothing is at work any more."""
        self._turn = asyncio.Lock()
        self._settled = 0.0

    async def passage(self) -> None:
        """Until something may begin."""
        while self.held is not None:
            await self.held.wait()

    @asynccontextmanager
    async def alone(self, *, at_most: float) -> AsyncIterator[None]:
        """Nothing begins inside for `at_most` seconds; what is at work has ended, or has taken longer than `PATIENCE`."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self._settled - loop.time())
            self.held = asyncio.Event()
            try:
                if self.beside:
                    await self._until_quiet()
                # A handler that does not let itself be cut holds up nobody else.
                limit = loop.call_later(at_most, self._let_in)
                try:
                    yield
                finally:
                    limit.cancel()
            finally:
                self._settled = loop.time() + SETTLING
                self._let_in()  # those that waited begin before the next that runs by itself has its turn

    async def _until_quiet(self) -> None:
        self.quiet = asyncio.Event()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self.quiet.wait()
        finally:
            self.quiet = None

    def _let_in(self) -> None:
        if self.held is not None:
            self.held.set()
            self.held = None
