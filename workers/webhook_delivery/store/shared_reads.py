"""Reads of the table that deliveries and fan-outs of the same moment share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from workers.webhook_delivery.rules import Endpoint, Page, why_not

FRESH = 5.0
"""Seconds after which a change of an endpoint that was in use is known to all, at most."""
MOST = 1_000
"""Endpoints that are remembered: those read last."""
MOST_SUBSCRIPTIONS = 20_000
"""Subscriptions that are remembered, and as many tenants that have none: about 10 MB."""
PATIENCE = 0.1
"""Seconds for which somebody else's read is waited for: one that is silent holds nobody up for longer."""

Found = TypeVar("Found")
Key = tuple[str, str]


class Recent(Generic[Found]):
    """What was read `fresh` seconds ago at most, where it is one to keep; 0 to read each time. Of `most` in all, by `size`, those read
    last are remembered.
    """

    def __init__(
        self,
        read: Callable[[str, str], Awaitable[Found]],
        *,
        fresh: float,
        most: int,
        size: Callable[[Found], int] = lambda _: 1,
        keeps: Callable[[Found], bool] = lambda _: True,
    ) -> None:
        self._read = read
        self._fresh = fresh
        self._most = most
        self._size = size
        self._keeps = keeps
        self._found: OrderedDict[Key, tuple[float, Found]] = OrderedDict()
        self._held = 0

    async def __call__(self, first: str, second: str = "") -> Found:
        """Raises what the read raises."""
        key, now = (first, second), asyncio.get_running_loop().time
        known = self._found.get(key)
        if known is not None and now() - known[0] < self._fresh:
            return known[1]
        asked_at = now()
        found = await self._read(first, second)
        if not self._keeps(found):
            self.forget(first, second)
        elif self._fresh and asked_at >= self._found.get(key, (asked_at, None))[0]:
            self.forget(first, second)
            self._found[key] = asked_at, found
            self._held += self._size(found)
            while self._held > self._most and len(self._found) > 1:
                self.forget(*next(iter(self._found)))
        return found

    def forget(self, first: str, second: str = "") -> None:
        if known := self._found.pop((first, second), None):
            self._held -= self._size(known[1])


def recent_endpoints(
    read: Callable[[str, str], Awaitable[Endpoint | None]], *, fresh: float
) -> Recent[Endpoint | None]:
    """Endpoints that take deliveries. What is missing, disabled or unreadable is read again each time: nothing is cancelled that the
    table would deliver.
    """
    return Recent(read, fresh=fresh, most=MOST, keeps=lambda found: found is not None and not why_not(found))


def recent_pages(read: Callable[[str, str], Awaitable[Page]], *, fresh: float) -> Recent[Page]:
    """Who gets a tenant's events, also where nobody does: an event costs no query then."""
    return Recent(read, fresh=fresh, most=MOST_SUBSCRIPTIONS, size=lambda page: 1 + len(page.subscriptions))


class SharedReads(Generic[Found]):
    """One read for all who ask for the same while another is under way: it begins after they asked, so that none of them is
    answered with what was true before.
    """

    def __init__(self, read: Callable[[str, str], Awaitable[Found]]) -> None:
        self._read = read
        self._running: dict[Key, asyncio.Task[Found]] = {}
        self._next: dict[Key, asyncio.Task[Found]] = {}

    async def __call__(self, first: str, second: str = "") -> Found:
        """Raises what the read raises, to all who share it."""
        key = first, second
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._look(key, self._running.get(key)))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # heard, also where nobody waits
        return await asyncio.shield(task)  # whoever is cancelled leaves the others their answer

    async def _look(self, key: Key, before: asyncio.Task[Found] | None) -> Found:
        if before is not None:
            await asyncio.wait({before}, timeout=PATIENCE)
        task = self._running[key] = self._next.pop(key)
        try:
            return await self._read(*key)
        finally:
            if self._running.get(key) is task:
                del self._running[key]
