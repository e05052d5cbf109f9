"""Leases kept alive: every message in hand, running or waiting, stays hidden from others until it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT
from shared.message.delivery import Delivery
from shared.sqs.queue import Queue
from shared.telemetry import metrics

log = structlog.get_logger()

MARGIN = 30.0
"""Seconds kept clear of SQS's twelve hours from the receive."""


@dataclass(slots=True)
class _Lease:
    delivery: Delivery
    ends: float
    lost: bool = False
    worker: asyncio.Task[object] | None = None


class Leases:
    """The leases of one queue's messages in this process.

    Extensions are equal and short (`visibility` seconds), asked for when a third of the lease is left, ten in a
    call. A lease that SQS says is gone, or that ran out because no extension came through, is lost: its handler is
    cancelled and `holds` turns False, which forbids the delete. No lease is extended beyond `longest` seconds from its
    receipt: what takes longer is lost in the same way.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        visibility: float,
        clock: Callable[[], float],
        longest: float = LONGEST_VISIBILITY_TIMEOUT,
    ) -> None:
        self._queue = queue
        self._visibility = visibility
        self._longest = min(longest, LONGEST_VISIBILITY_TIMEOUT - MARGIN)
        self._clock = clock
        self._leases: dict[Delivery, _Lease] = {}
        self._changed = asyncio.Event()

    def take(self, delivery: Delivery, *, until: float | None = None) -> None:
        """Begin to keep the lease of a message that was just received; it ends at `until`, where a door knows that."""
        ends = until if until is not None else delivery.received_at + self._visibility
        self._leases[delivery] = _Lease(delivery, ends=ends)
        self._changed.set()

    def assign(self, delivery: Delivery, task: asyncio.Task[object]) -> None:
        """Name the task to cancel when this lease is lost."""
        if (lease := self._leases.get(delivery)) is not None:
            lease.worker = task

    def holds(self, delivery: Delivery) -> bool:
        """True while this process may delete the message."""
        lease = self._leases.get(delivery)
        return lease is not None and not lease.lost and lease.ends > self._clock()

    def remaining(self, delivery: Delivery) -> float:
        """Seconds until the lease ends; 0 where it is lost."""
        lease = self._leases.get(delivery)
        return 0.0 if lease is None or lease.lost else max(0.0, lease.ends - self._clock())

    @property
    def kept(self) -> int:
        """How many messages are in hand."""
        return len(self._leases)

    def drop(self, delivery: Delivery) -> None:
        """Stop keeping this lease: the message is settled, or given back."""
        self._leases.pop(delivery, None)

    async def hide(self, delivery: Delivery, seconds: float) -> None:
        """Stop keeping this lease and let the message be seen again in `seconds`. Raises where the call fails."""
        await self._release([delivery], seconds=seconds)

    async def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Stop keeping these leases and let the messages be seen again at once. Where that fails they come back by
        themselves, when their visibility timeout ends.
        """
        try:
            await self._release(deliveries, seconds=0)
        except Exception as error:
            log.warning("give_back_failed", queue=self._queue.name, error_type=type(error).__name__)

    async def _release(self, deliveries: Sequence[Delivery], *, seconds: float) -> None:
        ours = [each for each in deliveries if self._leases.pop(each, None) is not None]
        refused = await self._queue.extend(ours, seconds=seconds) if ours else []
        if refused:
            codes = sorted({each.code for each in refused})
            log.warning("give_back_refused", queue=self._queue.name, count=len(refused), codes=codes)

    async def keep(self) -> None:
        """Extend leases until cancelled. Survives failing calls: what failed is tried again while time is left."""
        while True:
            await self._until_one_is_near()
            await self._extend([lease for lease in self._leases.values() if self._near(lease)])
            self._forbid_what_ran_out()

    async def _until_one_is_near(self) -> None:
        self._changed.clear()
        alive = [lease.ends for lease in self._leases.values() if not lease.lost]
        nap: float | None = None
        if alive:
            left = min(alive) - self._clock()
            # A failed extension is tried again after a tenth of the lease; an end is seen when it comes.
            nap = max(left - self._early, min(left, self._visibility / 10))
        try:
            await asyncio.wait_for(self._changed.wait(), nap)
            if alive:
                await asyncio.sleep(self._visibility / 100)  # gather a burst of arrivals into few calls
        except TimeoutError:
            pass

    @property
    def _early(self) -> float:
        return self._visibility / 3

    def _near(self, lease: _Lease) -> bool:
        return not lease.lost and lease.ends - self._clock() <= self._early

    async def _extend(self, near: list[_Lease]) -> None:
        by_delivery = {lease.delivery: lease for lease in near if self._may_go_on(lease)}
        if not by_delivery:
            return
        asked_at = self._clock()
        first_end = min(lease.ends for lease in by_delivery.values())
        try:
            # A call that hangs must not hide that a lease has ended meanwhile.
            async with asyncio.timeout(max(0.1, first_end - asked_at)):
                refused = await self._queue.extend(list(by_delivery), seconds=self._visibility)
        except Exception as error:
            log.warning("lease_extension_failed", queue=self._queue.name, error_type=type(error).__name__)
            return
        for each in refused:
            lease = by_delivery.pop(each.delivery)
            if each.lost and each.delivery in self._leases:  # else it was settled while we asked
                self._lose(lease, why=each.code)
        for lease in by_delivery.values():
            lease.ends = asked_at + self._visibility

    def _may_go_on(self, lease: _Lease) -> bool:
        held = self._clock() - lease.delivery.received_at
        return held + self._visibility <= self._longest

    def _forbid_what_ran_out(self) -> None:
        for lease in list(self._leases.values()):
            if not lease.lost and lease.ends <= self._clock():
                self._lose(lease, why="ran out")

    def _lose(self, lease: _Lease, *, why: str) -> None:
        lease.lost = True
        metrics.lease_lost(queue=self._queue.name)
        log.warning("lease_lost", queue=self._queue.name, message_id=lease.delivery.message_id, why=why)
        if lease.worker is not None:
            lease.worker.cancel()
