"""Deletes gathered into batches, tried again inside the lease, and remembered where they failed for good."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from shared.message.delivery import Delivery
from shared.settlement.leases import Leases
from shared.sqs.batches import BATCH, Refused
from shared.sqs.queue import Queue
from shared.telemetry import metrics, tracing

log = structlog.get_logger()

REMEMBERED = 10_000
"""Message ids of finished work whose delete has not succeeded; about 1 MB."""
LONGEST_PAUSE = 2.0
"""Seconds between two tries of a delete, before jitter."""
SHORTEST_PAUSE = 0.1
"""The same, where a lease is about to end: the last tries must not become a flood."""


class Deletes:
    """Deletes the finished messages of one queue.

    A delete waits at most `linger` seconds for nine others. An entry that fails is tried again with jitter while its
    lease lasts. The id of finished work is remembered until a delete succeeded: a message that comes back although
    its work is done is deleted unread.
    """

    def __init__(
        self, queue: Queue, leases: Leases, *, dice: Callable[[], float], linger: float = 0.05, pause: float = 0.2
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._dice = dice
        self._linger = linger
        self._pause = pause
        self._waiting: list[Delivery] = []
        self._flushing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._finished: OrderedDict[str, None] = OrderedDict()

    def add(self, delivery: Delivery) -> None:
        """Ask for a delete; it is sent with others, soon."""
        self._waiting.append(delivery)
        self._finished[delivery.message_id] = None
        while len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)
        if len(self._waiting) >= BATCH:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._linger, self._flush)

    async def at_once(self, delivery: Delivery) -> None:
        """Delete one message and return when that has had its answer: the order of a FIFO group waits for it."""
        self._finished[delivery.message_id] = None
        await self._delete([delivery])

    def was_finished(self, delivery: Delivery) -> bool:
        """True for a message whose work was done here before, and only its delete has not succeeded yet."""
        return delivery.message_id in self._finished

    async def settled(self) -> None:
        """Send what waits and return when every delete has had its answer."""
        self._flush()
        while self._flushing:
            await asyncio.gather(*self._flushing, return_exceptions=True)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            batch, self._waiting = self._waiting, []
            task = asyncio.create_task(self._delete(batch))
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)

    async def _delete(self, batch: Sequence[Delivery]) -> None:
        left, pause = list(batch), self._pause
        while left:
            held = [each for each in left if self._leases.holds(each)]
            self._give_up_unsent([each for each in left if each not in held])
            refused = await self._try(held) if held else []
            self._give_up([each.delivery for each in refused if each.lost], why="receipt handle is no longer valid")
            left = [each.delivery for each in refused if not each.lost]
            for each in held:
                if each not in left:
                    self._leases.drop(each)
            if left:
                await asyncio.sleep(self._jittered(pause, left))
                pause = min(pause * 2, LONGEST_PAUSE)

    def _jittered(self, pause: float, left: Sequence[Delivery]) -> float:
        """Half to one and a half of `pause`, sooner where a lease would end before: there must be time to try again."""
        shortest = min(self._leases.remaining(each) for each in left)
        return max(SHORTEST_PAUSE, min(pause, shortest / 2)) * (0.5 + self._dice())

    async def _try(self, held: Sequence[Delivery]) -> list[Refused]:
        with tracing.settling(self._queue.name, how="delete", deliveries=held):
            try:
                refused = await self._queue.delete(held)
            except Exception as error:
                refused = [Refused(each, type(error).__name__, lost=False) for each in held]
        if refused:
            metrics.delete_failed(queue=self._queue.name, count=len(refused))
            codes = sorted({each.code for each in refused})
            log.warning("delete_refused", queue=self._queue.name, count=len(refused), codes=codes)
        done = {each.delivery for each in refused}
        for each in held:
            if each not in done:
                self._finished.pop(each.message_id, None)
        return refused

    def _give_up_unsent(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            metrics.delete_failed(queue=self._queue.name, count=len(deliveries))
        self._give_up(deliveries, why="lease ended")

    def _give_up(self, deliveries: Sequence[Delivery], *, why: str) -> None:
        for each in deliveries:
            log.warning("delete_impossible", queue=self._queue.name, message_id=each.message_id, why=why)
            self._leases.drop(each)
