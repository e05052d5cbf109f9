"""The container's door: long polls, slots that refill one by one, and a drain that loses nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from shared.delivery import Delivery
from shared.gather import Gather
from shared.lease import Leases
from shared.pipeline import Pipeline
from shared.settle import Deletes
from shared.slots import Slots
from shared.sqs import BATCH, Queue

log = structlog.get_logger()

LONGEST_PAUSE = 10.0
"""Seconds between polls when polling fails; it recovers within this time once the fault ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How one queue is polled and left. All times in seconds."""

    wait: int = 20
    visibility: int = 60
    drain: float = 25.0


class Poller:
    """Consumes one queue until `stop` is set, then drains.

    A message holds a slot from its receipt to its end, so a poll never brings more than can be started, and a slow
    message costs its own slot only. `polled_at` is the clock at the last poll that was answered: the watchdog's food.
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
        self._dice = dice
        batch = self._worker.batch.count if self._worker.handle_batch else 1
        self._slots = Slots(self._worker.concurrency * batch)
        self._gather = Gather(self._worker.batch, self._start_batch) if self._worker.handle_batch else None
        self._running: dict[asyncio.Task[None], Sequence[Delivery]] = {}
        self._batches = asyncio.Semaphore(self._worker.concurrency)
        self._failures = 0
        self._asking = False
        self._stopping = False
        self.polled_at = clock()
        self.has_polled = False

    @property
    def queue_name(self) -> str:
        """The logical queue this poller reads."""
        return self._queue.name

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; return when everything in hand is settled or given back."""
        keeper = asyncio.create_task(self._leases.keep())
        try:
            await self._drain(deadline=await self._poll_until(stop))
        finally:
            keeper.cancel()

    async def _poll_until(self, stop: asyncio.Event) -> float:
        """Poll until told to stop; by when the drain must have ended."""
        stopped = asyncio.create_task(stop.wait())
        deadline = self._clock() + self._pace.drain
        try:
            while not stop.is_set():
                step = asyncio.create_task(self._poll())
                await asyncio.wait({step, stopped}, return_when=asyncio.FIRST_COMPLETED)
                deadline = self._clock() + self._pace.drain
                if step.done():
                    step.result()
                else:
                    await self._last(step)
        finally:
            stopped.cancel()
        return deadline

    async def _poll(self) -> None:
        free = await self._slots.some_free()
        self._asking = True
        try:
            deliveries = await self._queue.receive(
                limit=min(free, BATCH), wait=self._pace.wait, visibility=self._pace.visibility
            )
        except Exception as error:
            self._asking = False
            await self._pause(error)
            return
        self._asking = False
        self._failures = 0
        self.polled_at, self.has_polled = self._clock(), True
        for delivery in deliveries:
            self._leases.take(delivery)
        if self._stopping:
            await self._give_back(deliveries)
            return
        for delivery in deliveries:
            self._admit(delivery)

    async def _pause(self, error: Exception) -> None:
        """Whatever the fault (reset, throttle, expired credentials, queue gone), polling goes on, only slower."""
        self._failures += 1
        seconds = min(LONGEST_PAUSE, 0.5 * 2.0 ** min(self._failures, 10)) * (0.5 + self._dice() / 2)
        log.warning("poll_failed", queue=self._queue.name, error_type=type(error).__name__, pause_s=round(seconds, 2))
        await asyncio.sleep(seconds)

    def _admit(self, delivery: Delivery) -> None:
        if self._deletes.was_finished(delivery):
            log.info("finished_before", queue=self._queue.name, message_id=delivery.message_id)
            self._deletes.add(delivery)
            return
        self._slots.take()
        if self._gather is not None:
            self._gather.add(delivery)
        else:
            self._start(self._travel(delivery), [delivery])

    def _start_batch(self, deliveries: Sequence[Delivery]) -> None:
        self._start(self._travel_together(deliveries), deliveries)

    def _start(self, journey: Any, deliveries: Sequence[Delivery]) -> None:
        task = asyncio.create_task(journey)
        self._running[task] = deliveries
        for delivery in deliveries:
            self._leases.assign(delivery, task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        deliveries = self._running.pop(task)
        self._slots.give(len(deliveries))
        if not task.cancelled() and (error := task.exception()) is not None:
            # The pipeline turns every handler's error into an outcome: this one is ours.
            log.error("road_broken", queue=self._queue.name, exc_info=error)

    async def _travel(self, delivery: Delivery) -> None:
        self._leave_or_stay(delivery, leaves=await self._pipeline.travel(delivery))

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

    async def _last(self, poll: asyncio.Task[None]) -> None:
        """A poll that was open when the stop came: cut, it would hide its messages for a whole visibility timeout,
        so it is awaited within half of the drain budget, and what it brings is given back.
        """
        self._stopping = True
        if self._asking:
            await asyncio.wait({poll}, timeout=min(self._pace.wait + 1.0, self._pace.drain / 2))
        poll.cancel()
        await asyncio.wait({poll})

    async def _drain(self, *, deadline: float) -> None:
        unstarted = self._gather.take_all() if self._gather is not None else []
        self._slots.give(len(unstarted))
        await self._give_back(unstarted)
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, deadline - self._clock()))
        cut = [delivery for deliveries in self._running.values() for delivery in deliveries]
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        await self._give_back(cut)
        await self._deletes.settled()
        log.info("drained", queue=self._queue.name, unstarted=len(unstarted), cut=len(cut))

    async def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        try:
            await self._leases.give_back(deliveries, seconds=0)
        except Exception as error:  # they come back by themselves when their visibility timeout ends
            log.warning("give_back_failed", queue=self._queue.name, error_type=type(error).__name__)
