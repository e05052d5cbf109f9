"""Reads of the table that deliveries and fan-outs of the same moment share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from workers.webhook_delivery.rules import Endpoint, why_not

FRESH = 5.0
"""Seconds after which a change of an endpoint that was in use is known to all, at most."""
MOST = 1_000
"""Endpoints that are remembered: those read last."""
PATIENCE = 0.1
"""Seconds for which somebody else's read is waited for: one that is silent holds nobody up for longer."""

Found = TypeVar("Found")
Key = tuple[str, str]


class RecentEndpoints:
    """Endpoints that take deliveries, as they were read `fresh` seconds ago at most; 0 to read each time.

    What is missing, disabled or unreadable is read again each time: nothing is cancelled that the table would deliver.
    """

    def __init__(self, read: Callable[[str, str], Awaitable[Endpoint | None]], *, fresh: float) -> None:
        self._read = read
        self._fresh = fresh
        self._found: OrderedDict[Key, tuple[float, Endpoint]] = OrderedDict()

    async def __call__(self, tenant_id: str, endpoint_id: str) -> Endpoint | None:
        """None where there is no such endpoint."""
        key, now = (tenant_id, endpoint_id), asyncio.get_running_loop().time
        at, found = self._found.get(key, (-self._fresh, None))
        if now() - at < self._fresh:
            return found
        asked_at = now()
        endpoint = await self._read(tenant_id, endpoint_id)
        if endpoint is None or why_not(endpoint):
            self.forget(tenant_id, endpoint_id)
        elif self._fresh and asked_at >= self._found.get(key, (asked_at, None))[0]:
            self._found[key] = asked_at, endpoint
            self._found.move_to_end(key)
            while len(self._found) > MOST:
                self._found.popitem(last=False)
        return endpoint

    def forget(self, tenant_id: str, endpoint_id: str) -> None:
        self._found.pop((tenant_id, endpoint_id), None)


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
