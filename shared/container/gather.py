"""Messages gathered for a batch handler across receives, until the batch is full or its first message has waited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from shared.message.delivery import Delivery
from shared.road.batches import Filling
from shared.worker import Together


class Gather:
    """Calls `start` with a batch as soon as the first of the three limits is met."""

    def __init__(self, limits: Together[Any], start: Callable[[Sequence[Delivery]], None]) -> None:
        self._filling = Filling(limits)
        self._seconds = limits.seconds
        self._start = start
        self._hurries = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, delivery: Delivery) -> None:
        """Add one message; starts the batch when it is full."""
        if self._filling.add(delivery):
            self._go()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(0 if self._hurries else self._seconds, self._go)

    def hurry(self) -> None:
        """From now on no batch waits until it is full: start what is here, and start later messages as they come."""
        self._hurries = True
        self._go()

    def take_all(self) -> list[Delivery]:
        """Remove and return what was not started, so that the drain can give it back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self._filling.take()

    def _go(self) -> None:
        if taken := self.take_all():
            self._start(taken)
