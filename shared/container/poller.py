"""The container's door: each free slot is filled at once, messages take turns where order matters, and a drain loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any

import structlog

from shared.consumer import Consumer
from shared.container.gather import Gather
from shared.container.intake import CUT, FINAL_CALLS_SECONDS, SLOT_USE, Intake
from shared.limits import Slots, Throttle, memory
from shared.message.delivery import Delivery
from shared.road.handling import LEFT, cut_run
from shared.road.turns import Turns
from shared.sqs.batches import BATCH
from shared.worker import Fifo, Together

log = structlog.get_logger()

EAGER: dict[str, Any] = {"eager_start": True} if hasattr(asyncio, "eager_task_factory") else {}  # without a turn
MOST_WAITING = 1_000
"""Messages of noisy groups that wait for their share while handlers are idle: few megabytes, and in each 20 s few extensions."""


class Poller:
    """Consumes one queue until `stop` is set, then drains.

    A message holds a slot from its receipt to its end, so a slow message costs its own slot only. Where messages of one
    group wait for each other, as many messages as there are slots may wait in addition, and more while handlers are idle.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._worker = consumer.worker
        self._pipeline = consumer.pipeline
        self._leases = consumer.leases
        self._deletes = consumer.deletes
        self._troubles = consumer.troubles
        self._clock = consumer.clocks.monotonic
        self._is_ordered = self._worker.order is not None
        self._is_fifo = isinstance(self._worker.order, Fifo)
        self._concurrency = self._worker.limits.concurrency
        self._slots = Slots(self._in_hand(self._concurrency))
        self._throttle = Throttle(self._worker.limits.rate, clock=self._clock)
        self._turns = Turns(self._worker.order)
        self._gather = Gather(self._worker.do, self._start_batch) if isinstance(self._worker.do, Together) else None
        self._batches = Slots(self._concurrency)
        self._running: dict[asyncio.Task[bool], Sequence[Delivery]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._draining = False
        self._abandoned = False
        self._starts_until = float("inf")
        self._late: list[Delivery] = []
        self._ending: dict[asyncio.Task[bool], Sequence[Delivery]] = {}
        self._given_up_before = 0
        self._budget = consumer.budget
        self._pace = consumer.pace
        self._needs = consumer.needs
        self.queue_name = consumer.queue.name
        self._intake = Intake(consumer, self._slots, self._throttle, admit=self._admit)

    @property
    def failure(self) -> str:
        """With what code the last poll failed; empty where it was answered."""
        return self._intake.failure

    @property
    def active_at(self) -> float:
        """When the last poll ended, answered or not: what the watchdog reads."""
        return self._intake.active_at

    @property
    def polled_at(self) -> float:
        """When the last poll was answered."""
        return self._intake.polled_at

    @property
    def missing(self) -> list[str]:
        """Of each dependency of its worker that is down, and of each kind of settlement that fails: what it is, and with what."""
        return [*self._needs.reports, *self._troubles.reports]

    @property
    def is_stuck(self) -> bool:
        """Whether every handler was cut at its limit and has not ended."""
        return 0 < self._concurrency <= self._troubles.overdue

    @property
    def has_polled(self) -> bool:
        """Whether a poll has been answered yet."""
        return self._intake.has_polled

    def adjust(self, *, concurrency: int | None, rate: float | None) -> None:
        """Change a running worker's limits; None means its own. Concurrency 0 means pause: what runs is finished, nothing received."""
        self._concurrency = self._worker.limits.concurrency if concurrency is None else concurrency
        self._slots.resize(self._in_hand(self._concurrency))
        self._batches.resize(max(1, self._concurrency))  # in a pause those in hand are finished, as in _start_turns
        self._throttle.change(self._worker.limits.rate if rate is None else rate)
        self._start_turns()

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; return when everything in hand is settled or given back."""
        keeper = asyncio.create_task(self._leases.keep())
        leaving = asyncio.create_task(self._leave(stop))
        try:
            await self._drain(deadline=await self._intake.run(stop))
        finally:  # after a drain nothing is left of these; where this task itself is cancelled, nothing goes on without it
            self._draining = self._abandoned = True
            for task in (leaving, keeper, *self._running, *self._chores):
                cut_run(task, LEFT)
            self._deletes.abandon()
            self._leases.abandon()

    async def _leave(self, stop: asyncio.Event) -> None:
        """Called when the stop comes, while polls are open: batches no longer wait until they are full, nor messages for a dependency."""
        await stop.wait()
        self._given_up_before = self._given_up
        self._starts_until = self._clock() + self._pace.drain / 2
        self._needs.leave()
        if self._gather is not None:
            self._gather.hurry()

    def _in_hand(self, concurrency: int) -> int:
        if isinstance(self._worker.do, Together):
            return concurrency * self._worker.do.count
        waiting = max(concurrency, 2 * BATCH) if self._worker.order and concurrency else 0
        return concurrency + waiting

    def _admit(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if self._gather is not None:
                self._gather.add(delivery)
            else:
                self._turns.arrive(delivery)
        self._start_turns()

    def _start_turns(self) -> None:
        if self._turns.waiting and self._may_begin:
            while len(self._running) < max(1, self._concurrency) and (delivery := self._turns.next()) is not None:
                if self._may_start(delivery):
                    self._start(self._travel(delivery), [delivery])
                else:
                    self._end_turn(delivery, stays=not self._leases.holds(delivery))
        if self._is_ordered:
            self._slots.resize(self._in_hand(self._concurrency) + self._blocked)

    @property
    def _blocked(self) -> int:
        """Messages that wait for their group's turn while handlers are idle: they do not keep other groups out, as long as
        half of the process's bytes are left to others. Of a FIFO queue each group takes ten places at most, because SQS hands
        out no more of a group that is in flight.
        """
        if len(self._running) >= self._concurrency or not self._budget.is_half_free:
            return 0
        return min(len(self._turns), BATCH * self._concurrency if self._is_fifo else MOST_WAITING)

    @property
    def _may_begin(self) -> bool:
        """No message begins in the second half of a drain: it would be cut."""
        return not self._draining and self._clock() < self._starts_until

    def _start_batch(self, deliveries: Sequence[Delivery]) -> None:
        if not self._may_begin:
            self._late += deliveries
        elif ready := [each for each in deliveries if self._may_start(each)]:
            self._start(self._travel_together(ready), ready)

    def _may_start(self, delivery: Delivery) -> bool:
        """A message that waited may have lost its lease meanwhile, or be a copy of work that was finished here before."""
        if not self._leases.holds(delivery):
            self._leases.drop(delivery)
        elif self._deletes.was_finished(delivery):
            log.info("finished_before", queue=self.queue_name, message_id=delivery.message_id)
            self._deletes.add(delivery)
        else:
            return True
        self._free([delivery])
        return False

    def _free(self, deliveries: Sequence[Delivery]) -> None:
        """They are not in hand any more: their places and their bytes are others'."""
        self._slots.give(len(deliveries))
        self._budget.give(sum(map(memory, deliveries)))

    def _start(self, journey: Any, deliveries: Sequence[Delivery]) -> None:
        task = asyncio.Task(journey, loop=asyncio.get_running_loop(), **EAGER)
        self._running[task] = deliveries
        for delivery in deliveries:
            self._leases.assign(delivery, task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        deliveries = self._running.pop(task)
        self._free(deliveries)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # The pipeline turns every handler's error into an outcome: this one is ours.
            log.error("road_broken", queue=self.queue_name, exc_info=error)
        unsettled = error is not None or task.cancelled()
        if unsettled and (error is not None or task not in self._ending):
            self._let_go(deliveries, broken=error is not None)
        if self._is_ordered:
            self._end_turn(deliveries[0], stays=unsettled or not task.result())
        self._start_turns()

    def _end_turn(self, delivery: Delivery, *, stays: bool) -> None:
        if behind := self._turns.end(delivery, stays=stays):
            self._free(behind)
            self._begin(self._leases.give_back(behind))

    def _let_go(self, deliveries: Sequence[Delivery], *, broken: bool) -> None:
        """Nothing is settled of a task that broke, or was cut because a lease of it was lost: no lease may be kept
        without work. What is still ours of a cut batch is given back; what broke waits for its visibility timeout.
        """
        held = [] if broken else [each for each in deliveries if self._leases.holds(each)]
        if held and len(held) == len(deliveries) and not self._abandoned:
            log.error("handler_cancelled_itself", queue=self.queue_name, message_id=held[0].message_id)
            held = []
        for delivery in deliveries:
            if delivery not in held:
                self._leases.drop(delivery)
        if held := self._unfinished(held):
            self._begin(self._leases.give_back(held))

    def _unfinished(self, cut: Sequence[Delivery]) -> list[Delivery]:
        """Those of what was cut that may be given back; what had done its work, and was cut afterwards, is deleted."""
        finished = [each for each in cut if self._deletes.was_finished(each)]
        for delivery in finished:
            self._deletes.add(delivery)
        return [each for each in cut if each not in finished]

    async def _travel(self, delivery: Delivery) -> bool:
        started = self._clock()
        leaves = await self._pipeline.travel(delivery)
        self._intake.linger += (SLOT_USE * (self._clock() - started) - self._intake.linger) / 16
        if leaves and self._is_fifo:
            return await self._deletes.at_once(delivery)  # before its successor may start, and only if it has left
        if leaves:
            self._deletes.add(delivery)
        return leaves

    def _begin(self, ending: Coroutine[Any, Any, None]) -> None:
        if self._abandoned:
            ending.close()
            return
        chore = asyncio.create_task(ending)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _travel_together(self, deliveries: list[Delivery]) -> bool:
        async with self._batches.one():
            answers = await self._pipeline.travel_together(deliveries)
        for delivery, leaves in zip(deliveries, answers, strict=True):
            if leaves:
                self._deletes.add(delivery)
        return all(answers)

    async def _drain(self, *, deadline: float) -> None:
        """Called when all polls have ended: what is in hand is finished, or given back once."""
        while self._running and self._may_begin:
            await asyncio.wait(self._running, timeout=max(0.0, self._starts_until - self._clock()))
        self._draining = True
        unstarted = self._gather.take_all() if self._gather is not None else []
        unstarted += [*self._turns.take_all(), *self._late]
        # Waited for at the end: a silent queue must not use up the time for that.
        self._begin(self._leases.give_back(unstarted))
        if self._running:
            await asyncio.wait(self._running, timeout=max(0.0, deadline - CUT - self._clock()))
        self._ending = ending = dict(self._running)  # given back here, and not by each
        for task in ending:
            cut_run(task, LEFT)
        if ending:
            await asyncio.wait(ending, timeout=FINAL_CALLS_SECONDS)
        # What came to its end all the same is settled, and must not be seen again before its delete has arrived.
        cut = self._unfinished([each for task, late in ending.items() if not _has_ended(task) for each in late])
        await self._within(
            deadline, self._leases.give_back(cut), self._leases.released(), self._deletes.settled(), *self._chores
        )
        unsettled = self._leases.kept + self._given_up - self._given_up_before
        # They come back when their visibility timeout ends, finished or not.
        tell = log.warning if unsettled else log.info
        tell("drained", queue=self.queue_name, unstarted=len(unstarted), cut=len(cut), unsettled=unsettled)

    @property
    def _given_up(self) -> int:
        return self._leases.given_up + self._deletes.given_up

    async def _within(self, deadline: float, *endings: Awaitable[None]) -> None:
        """The last calls have what is left of the budget, at least FINAL_CALLS_SECONDS: the platform does not wait for a dead SQS."""
        left = max(FINAL_CALLS_SECONDS, deadline - self._clock())
        tasks = [asyncio.ensure_future(ending) for ending in endings]
        _, late = await asyncio.wait(tasks, timeout=left)
        for task in late:
            task.cancel()


def _has_ended(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
