"""Messages gathered for a batch handler, by count, bytes and age, across receives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from shared.message.delivery import Delivery
from shared.message.pointer import weight
from shared.worker import Batch


class Gather:
    """Calls `start` with a batch as soon as the first of the three limits is met."""

    def __init__(self, limits: Batch, start: Callable[[Sequence[Delivery]], None]) -> None:
        self._limits = limits
        self._start = start
        self._waiting: list[Delivery] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, delivery: Delivery) -> None:
        """Put one more in; may start the batch."""
        self._waiting.append(delivery)
        self._bytes += weight(delivery)
        if len(self._waiting) >= self._limits.count or self._bytes >= self._limits.bytes:
            self._go()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limits.seconds, self._go)

    def take_all(self) -> list[Delivery]:
        """Take out what was not started; the drain gives it back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        taken, self._waiting, self._bytes = self._waiting, [], 0
        return taken

    def _go(self) -> None:
        if taken := self.take_all():
            self._start(taken)
