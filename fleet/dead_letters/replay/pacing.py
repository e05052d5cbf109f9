"""How fast a replay sends: a fixed rate; what a slow call cost is won back slowly, never in a burst."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.sqs.batches import BATCH

CLOSEST = 0.92
"""Share of the usual distance to the last call that is kept while catching up: no second holds 110 % of the rate."""
LARGEST_DEBT = 2.0
"""Seconds of delay that are won back; what is beyond is lost time."""


@dataclass(slots=True)
class Pace:
    """`rate` in letters per second, or None for as fast as SQS takes them."""

    rate: float | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _due: float = 0.0
    _earliest: float = 0.0

    @property
    def batch(self) -> int:
        """Letters per call: few at a low rate, so that no second holds more than its share."""
        return BATCH if self.rate is None else max(1, min(BATCH, int(self.rate / 10)))

    async def turn(self, letters: int, *, cancelled: Callable[[], bool]) -> None:
        """Wait for the moment of the next `letters`; returns early when the replay is cancelled."""
        if self.rate is None:
            return
        while (left := max(self._due, self._earliest) - self.clock()) > 0 and not cancelled():
            await self.sleep(min(left, 0.5))
        now, share = self.clock(), letters / self.rate
        self._due = max(self._due or now, now - LARGEST_DEBT) + share
        self._earliest = now + CLOSEST * share
