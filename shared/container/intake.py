"""Receives messages: one long poll while a queue is quiet, more under backlog, none while there is no room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from shared.consumer import Consumer
from shared.limits import Slots, Throttle, memory
from shared.message.delivery import Delivery
from shared.outcome import LONGEST_WITHOUT_KEYS, are_keys, code_of
from shared.road.handling import Deadline, Deadlines
from shared.sqs.batches import BATCH

log = structlog.get_logger()

MOST_POLLS = 16
"""Polls open at once: at 20 ms a call they bring 8,000 messages a second, more than one core handles."""
FIRST_PAUSE = 1.0
"""Seconds, before jitter, after the first failure of a poll; twice as long after each further one."""
LONGEST_PAUSE = 10.0
"""Seconds between polls when polling fails; it recovers within this time once the fault ends."""
EMPTY_PAUSE = 1.0
"""Seconds of rest after an empty receive where polls are not held open: else an empty queue costs hundreds of calls a second."""
MOST_EARLY = 3
"""Empty answers in a row, long before their wait was over, that are taken as they are; further ones are failures."""
LOOKS_EVERY = 5.0
"""Seconds between two looks whether a message in hand still probes a dependency that is down; its return is known at once."""
CUT = 1.0
"""Seconds before the end of the drain at which what still runs is cut, so that it can be given back."""
FINAL_CALLS_SECONDS = 0.5
"""Seconds for giving back and deleting when the drain's budget is used up."""
SLOT_USE = 0.05
"""Part of a typical handler's time for which a poll may wait for more free slots: 95 % of the slots stay in use."""
LONGEST_LINGER = 0.25
"""Seconds for which a poll waits for more free slots, so that it may bring ten messages instead of one."""


class EmptyTooEarly(Exception):
    """The queue answers long polls at once and without a message."""


class Intake:
    """Polls one queue until it is stopped.

    Each poll reserves its slots before it asks, so that every message that comes can be started. A full receive opens
    another poll while there is room; after a thin receive all polls but one end.
    """

    def __init__(
        self,
        consumer: Consumer,
        slots: Slots,
        throttle: Throttle,
        *,
        admit: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self._queue = consumer.queue
        self._leases = consumer.leases
        self._needs = consumer.needs
        self._budget = consumer.budget
        self._pace = consumer.pace
        self._interval = consumer.worker.limits.poll_interval
        self._clock = consumer.clocks.monotonic
        self._dice = consumer.clocks.dice
        self._slots = slots
        self._throttle = throttle
        self._admit = admit
        self._appetite = 1
        self._largest = 1
        self._failures = 0
        self._early = 0
        self._wait = 0
        self._stopping = False
        self._polls: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._answers = Deadlines(self._pace.wait + self._pace.answer)
        self._first_answers = Deadlines(self._pace.answer)
        self._polled_at = self._active_at = self._clock()
        self._without_room = 0
        self.linger = 0.0
        self.failure = ""
        self.has_polled = False

    @property
    def polled_at(self) -> float:
        """When the last poll was answered. The current time while no poll is due (no room, paused) and during the drain."""
        return self._clock() if self._without_room or self._stopping else self._polled_at

    @property
    def active_at(self) -> float:
        """When the last poll ended, answered or not: a loop whose polls fail is not stuck."""
        return self._clock() if self._without_room or self._stopping else self._active_at

    async def run(self, stop: asyncio.Event) -> float:
        """Poll until told to stop, then end the open polls. Returns the time by which the drain must be over."""
        stopped = asyncio.create_task(stop.wait())
        polls = self._polls
        try:
            while not stop.is_set():
                while len(polls) < self._appetite:
                    polls.add(asyncio.create_task(self._poll(stop)))
                done, _ = await asyncio.wait({stopped, *polls}, return_when=asyncio.FIRST_COMPLETED)
                for poll in done - {stopped}:
                    polls.discard(poll)
                    poll.result()
            deadline = self._clock() + self._pace.drain
            await self._end(polls, deadline=deadline)
        finally:  # of polls something is left where this task itself is cancelled, or one of them ends it
            for each in (stopped, *polls):
                each.cancel()
        return deadline

    async def _poll(self, stop: asyncio.Event) -> None:
        """Poll until there are to be more polls, or fewer."""
        while True:
            await self._poll_once()
            if stop.is_set() or len(self._polls) != self._appetite:
                return

    async def _poll_once(self) -> None:
        limit = await self._room()
        if len(self._polls) > self._appetite:  # the backlog ended while this one waited for room
            self._slots.give(limit)
            return
        asked_at = self._clock()
        try:
            deliveries = await self._receive(limit)
        except Exception as error:
            self._slots.give(limit)
            if not self._stopping:
                await self._pause(error, waited=self._clock() - asked_at)
            return
        self._slots.give(limit - len(deliveries))
        if self._is_too_early(deliveries, asked_at):
            await self._pause(EmptyTooEarly(), waited=0.0)
            return
        self._answered()
        self._leases.take(*deliveries)
        self._throttle.spend(len(deliveries))
        self._weigh(deliveries)
        self._admit(deliveries)
        if not self._stopping:
            await self._learn(asked=limit, got=len(deliveries))

    def _weigh(self, deliveries: Sequence[Delivery]) -> None:
        """What came is in hand, and what comes next is taken to be as large."""
        sizes = [memory(each) for each in deliveries]
        self._budget.take(sum(sizes))
        self._largest = max(sizes, default=self._largest)

    def _is_too_early(self, deliveries: Sequence[Delivery], asked_at: float) -> bool:
        """Empty answers came long before their wait was over, again and again: something answers in place of the queue."""
        waited = self._clock() - asked_at
        is_early = not deliveries and self._wait > 0 and waited < self._wait / 2 and not self._stopping
        self._early = self._early + 1 if is_early else 0
        return self._early >= MOST_EARLY

    def _answered(self) -> None:
        if self._failures:
            log.info("polls_answered_again", queue=self._queue.name, after=self._failures)
        self._failures, self.failure = 0, ""
        self._polled_at, self.has_polled = self._clock(), True
        self._active_at = self._polled_at

    async def _receive(self, limit: int) -> list[Delivery]:
        task = asyncio.current_task()
        assert task is not None
        self._asking.add(task)
        try:
            # The first answer makes the container ready, and the first after a failure shows that it is over: at once. But
            # where answers came too early, only one that takes its time shows that.
            is_settled = self.has_polled and (not self._failures or self._early >= MOST_EARLY)
            self._wait = wait = self._pace.wait if is_settled else 0
            with Deadline(self._answers if wait else self._first_answers):
                return await self._queue.receive(limit=limit, wait=wait, visibility=self._pace.visibility)
        finally:
            self._asking.discard(task)

    async def _room(self) -> int:
        self._without_room += 1
        try:
            return await self._reserve()
        finally:
            self._without_room -= 1
            if not self._failures:  # to have been busy is not a fault
                self._polled_at = self._clock()

    async def _reserve(self) -> int:
        while True:
            allowed = await self._throttle.allowed()
            free = await self._slots.some_free()
            await self._budget.some_room()
            if (
                self._needs.opened and self._needs.down
            ):  # one message in hand is the probe; the others are better off in the queue
                if self._slots.taken:
                    await self._needs.change(within=LOOKS_EVERY)
                    continue
                allowed = 1.0
            if free < BATCH and self.linger:
                await asyncio.sleep(min(self.linger, LONGEST_LINGER))
            if limit := self._slots.reserve(int(min(BATCH, allowed, self._fitting))):
                return limit

    @property
    def _fitting(self) -> int:
        """How many more messages the budget has room for, if they are as large as the last; one at least."""
        return max(1, self._budget.room // self._largest)

    async def _learn(self, *, asked: int, got: int) -> None:
        if got == asked:
            if self._slots.free >= BATCH and self._fitting > self._appetite * BATCH:
                self._appetite = min(self._appetite + 1, MOST_POLLS)
            return
        self._appetite = 1
        if got:
            await asyncio.sleep(self._interval)
        elif not self._pace.wait:
            await asyncio.sleep(EMPTY_PAUSE)

    async def _pause(self, error: Exception, *, waited: float) -> None:
        """After any fault (reset, silence, throttling, expired credentials, a missing queue) polling goes on, more slowly.
        The seconds already `waited` for the answer count as part of the pause.
        """
        self._appetite = 1
        self._failures += 1
        self.failure = code_of(error)
        self._active_at = self._clock()
        most = LONGEST_WITHOUT_KEYS if are_keys(self.failure) else LONGEST_PAUSE
        longest = max(FIRST_PAUSE, min(most, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10)) - waited)
        seconds = longest * (0.5 + self._dice() / 2)
        tell = log.warning if self._failures == 1 else log.debug  # one warning for a fault that lasts
        tell("poll_failed", queue=self._queue.name, error_type=self.failure, pause_s=round(seconds, 2))
        if self._pace.fails_fast and not self.has_polled:
            raise error
        await asyncio.sleep(seconds)

    async def _end(self, polls: set[asyncio.Task[None]], *, deadline: float) -> None:
        """Polls that were open when the stop came: cut, they would hide their messages for a whole visibility timeout. What
        they bring is kept, for what is given back while another poll is open would only come back through that.
        """
        self._stopping = True
        idle = polls - self._asking
        for poll in idle:
            poll.cancel()
        if asking := polls - idle:
            await asyncio.wait(asking, timeout=max(0.0, deadline - CUT - self._clock()))
        for poll in asking:
            poll.cancel()
        if polls:
            await asyncio.wait(polls)
