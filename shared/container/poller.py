"""The container's door: slots that refill one by one, turns where order matters, and a drain that loses nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog

from shared.container.gather import Gather
from shared.container.intake import Intake, Pace
from shared.container.limits import Slots, Throttle
from shared.message.delivery import Delivery
from shared.road.pipeline import Pipeline
from shared.road.turns import Turns
from shared.settlement.deletes import Deletes
from shared.settlement.leases import Leases
from shared.sqs.batches import BATCH
from shared.sqs.queue import Queue

log = structlog.get_logger()

LAST_CALLS = 0.5
"""Seconds for giving back and deleting when the drain's budget is used up."""

SLOT_USE = 0.05
"""Part of a typical handler's time for which a poll may wait for more free slots: 95 % of the slots stay in use."""


class Poller:
    """Consumes one queue until `stop` is set, then drains.

    A message holds a slot from its receipt to its end, so a slow message costs its own slot only. Where messages of one
    group wait for each other, as many again may be in hand and wait.
    """

    def __init__(
        self,
        pipeline: Pipeline[Any],
        queue: Queue,
        leases: Leases,
        deletes: Deletes,
        *,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._pipeline = pipeline
        self._worker = pipeline.worker
        self._queue = queue
        self._leases = leases
        self._deletes = deletes
        self._pace = pace
        self._clock = clock
        self._concurrency = self._worker.concurrency
        self._slots = Slots(self._in_hand(self._concurrency))
        self._throttle = Throttle(self._worker.rate, clock=clock)
        self._turns = Turns(at_once=self._worker.per_group) if self._worker.per_group else None
        self._gather = Gather(self._worker.batch, self._start_batch) if self._worker.handle_batch else None
        self._batches = asyncio.Semaphore(self._worker.concurrency)
        self._running: dict[asyncio.Task[None], Sequence[Delivery]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._draining = False
        self._intake = Intake(
            queue,
            self._slots,
            self._throttle,
            pace=pace,
            admit=self._admit,
            give_back=self._return_unseen,
            clock=clock,
            dice=dice,
        )

    @property
    def queue_name(self) -> str:
        """The logical queue this poller reads."""
        return self._queue.name

    @property
    def polled_at(self) -> float:
        """The clock at the last poll that was answered: the watchdog's food."""
        return self._intake.polled_at

    @property
    def has_polled(self) -> bool:
        """Whether a poll has been answered yet."""
        return self._intake.has_polled

    def adjust(self, *, concurrency: int | None, rate: float | None) -> None:
        """Change the limits of a running worker; None means the worker's own. Concurrency 0 is a pause: what runs is
        finished, nothing is received.
        """
        self._concurrency = self._worker.concurrency if concurrency is None else concurrency
        self._slots.resize(self._in_hand(self._concurrency))
        self._throttle.change(self._worker.rate if rate is None else rate)
        self._start_turns()

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; return when everything in hand is settled or given back."""
        keeper = asyncio.create_task(self._leases.keep())
        try:
            await self._drain(deadline=await self._intake.run(stop))
        finally:
            keeper.cancel()

    def _in_hand(self, concurrency: int) -> int:
        if self._worker.handle_batch is not None:
            return concurrency * self._worker.batch.count
        waiting = max(concurrency, 2 * BATCH) if self._worker.per_group and concurrency else 0
        return concurrency + waiting

    def _admit(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._leases.take(delivery)
            if self._deletes.was_finished(delivery):
                log.info("finished_before", queue=self._queue.name, message_id=delivery.message_id)
                self._slots.give(1)
                self._deletes.add(delivery)
            elif self._gather is not None:
                self._gather.add(delivery)
            elif self._turns is not None:
                self._turns.arrive(delivery)
            else:
                self._start(self._travel(delivery), [delivery])
        self._start_turns()

    def _start_turns(self) -> None:
        while self._turns is not None and not self._draining and len(self._running) < self._concurrency:
            if (delivery := self._turns.next()) is None:
                return
            if self._may_still_start(delivery):
                self._start(self._travel(delivery), [delivery])

    def _may_still_start(self, delivery: Delivery) -> bool:
        """As `_still_ours`, of what waited for its turn; a lost message of a FIFO group holds back its successors."""
        assert self._turns is not None
        if self._still_ours(delivery):
            return True
        self._turns.end(delivery)
        if self._worker.fifo and not self._leases.holds(delivery):
            self._hold_back(delivery)
        return False

    def _start_batch(self, deliveries: Sequence[Delivery]) -> None:
        if ready := [each for each in deliveries if self._still_ours(each)]:
            self._start(self._travel_together(ready), ready)

    def _still_ours(self, delivery: Delivery) -> bool:
        """What waited may have lost its lease meanwhile, or be a copy of what was finished meanwhile."""
        if not self._leases.holds(delivery):
            self._leases.drop(delivery)
        elif self._deletes.was_finished(delivery):
            self._deletes.add(delivery)
        else:
            return True
        self._slots.give(1)
        return False

    def _start(self, journey: Any, deliveries: Sequence[Delivery]) -> None:
        task = asyncio.create_task(journey)
        self._running[task] = deliveries
        for delivery in deliveries:
            self._leases.assign(delivery, task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        deliveries = self._running.pop(task)
        self._slots.give(len(deliveries))
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # The pipeline turns every handler's error into an outcome: this one is ours.
            log.error("road_broken", queue=self._queue.name, exc_info=error)
        unsettled = error is not None or task.cancelled()
        if unsettled:
            self._let_go(deliveries, broken=error is not None)
        if self._turns is not None:
            for delivery in deliveries:
                self._turns.end(delivery)
                if unsettled and self._worker.fifo and not self._draining:
                    self._hold_back(delivery)  # its lease was lost: it will come again, before its successors
            self._start_turns()

    def _let_go(self, deliveries: Sequence[Delivery], *, broken: bool) -> None:
        """Nothing is settled of a task that broke, or was cut because a lease of it was lost: no lease may be kept
        without work. What is still ours of a cut batch is given back; what broke waits for its visibility timeout.
        """
        held = [] if broken else [each for each in deliveries if self._leases.holds(each)]
        if len(held) == len(deliveries):
            return  # the drain cut it, and gives it back
        for delivery in deliveries:
            if delivery not in held:
                self._leases.drop(delivery)
        if held:
            self._begin(self._give_back(held))

    async def _travel(self, delivery: Delivery) -> None:
        started = self._clock()
        leaves = await self._pipeline.travel(delivery)
        self._intake.linger += (SLOT_USE * (self._clock() - started) - self._intake.linger) / 16
        if leaves and self._worker.fifo:
            await self._deletes.at_once(delivery)  # before its successor may start
            return
        self._leave_or_stay(delivery, leaves=leaves)
        if not leaves and self._worker.fifo:
            self._hold_back(delivery)

    def _hold_back(self, failed: Delivery) -> None:
        """The rest of a failed message's group must not overtake it: back into the queue, at once."""
        assert self._turns is not None
        behind = self._turns.abandon(failed)
        self._slots.give(len(behind))
        self._begin(self._give_back(behind))

    def _begin(self, ending: Coroutine[Any, Any, None]) -> None:
        chore = asyncio.create_task(ending)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _travel_together(self, deliveries: Sequence[Delivery]) -> None:
        async with self._batches:
            answers = await self._pipeline.travel_together(deliveries)
        for delivery, leaves in zip(deliveries, answers, strict=True):
            self._leave_or_stay(delivery, leaves=leaves)

    def _leave_or_stay(self, delivery: Delivery, *, leaves: bool) -> None:
        if leaves:
            self._deletes.add(delivery)
        else:
            self._leases.drop(delivery)

    async def _drain(self, *, deadline: float) -> None:
        self._draining = True
        unstarted = self._gather.take_all() if self._gather is not None else []
        unstarted += self._turns.abandon_all() if self._turns is not None else []
        await self._within(deadline, self._give_back(unstarted))
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, deadline - self._clock()))
        cut = [delivery for deliveries in self._running.values() for delivery in deliveries]
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        await self._within(deadline, self._give_back(cut), *self._chores)
        await self._within(deadline, self._deletes.settled())
        log.info("drained", queue=self._queue.name, unstarted=len(unstarted), cut=len(cut))

    async def _within(self, deadline: float, *endings: Awaitable[None]) -> None:
        """The last calls have what is left of the budget, and a little: whoever ends us will not wait for a dead SQS."""
        left = max(LAST_CALLS, deadline - self._clock())
        tasks = [asyncio.ensure_future(ending) for ending in endings]
        _, late = await asyncio.wait(tasks, timeout=left)
        for task in late:
            task.cancel()

    async def _return_unseen(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._leases.take(delivery)
        await self._give_back(deliveries)

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        try:
            await self._leases.give_back(deliveries, seconds=0)
        except Exception as error:  # they come back by themselves when their visibility timeout ends
            log.warning("give_back_failed", queue=self._queue.name, error_type=type(error).__name__)
