"""The road of one message: read, claimed, handled, judged, settled. READ THIS FIRST.

A door hands over a Delivery and gets one answer: may the message leave the queue? Send before delete, always: what is
buried has reached the dead-letter queue before this page says yes.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, assert_never

from shared.burial import Letter, letter, replayed
from shared.delivery import Delivery
from shared.ledger import AlreadyDone, Busy, Claimed, Ledger
from shared.outcome import Contended, Dead, Done, Outcome, Retry
from shared.telemetry import tracing
from shared.telemetry.road import Record, told
from shared.verdict import judge, unreadable
from shared.worker import Event, Worker

LEDGER_KEEPS = 15 * 86_400.0
"""Seconds a completed key is remembered: longer than the 14 days for which SQS can keep a message."""


@dataclass(frozen=True, kw_only=True)
class Pipeline(Generic[Event]):
    """One worker's road. `hide` keeps a message from view for some seconds, `bury` sends it to the dead-letter
    queue; `dice` is uniform in [0, 1); `now` is the wall clock in epoch seconds.
    """

    worker: Worker[Event]
    hide: Callable[[Delivery, float], Awaitable[None]]
    bury: Callable[[Letter], Awaitable[None]]
    ledger: Ledger | None = None
    dice: Callable[[], float] = random.random
    now: Callable[[], float] = time.time

    async def travel(self, delivery: Delivery) -> bool:
        """Take one message to its end. True: it may leave the queue. Never raises but for cancellation."""
        with tracing.processing(delivery), told(self.worker.name, delivery) as record:
            try:
                event = self.worker.decode(delivery)
            except Exception as error:
                return await self._settle(delivery, unreadable(error, worker=self.worker.name), record)
            return await self._settle(delivery, await self._outcome(delivery, event), record)

    async def travel_together(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Take a batch to its end: each message gets an answer of its own, in order."""
        outcomes: dict[Delivery, Outcome] = {}
        events: dict[Delivery, Event] = {}
        for delivery in deliveries:
            try:
                events[delivery] = self.worker.decode(delivery)
            except Exception as error:
                outcomes[delivery] = unreadable(error, worker=self.worker.name)
        with tracing.processing_batch(deliveries):
            started = time.perf_counter()
            outcomes |= await self._outcomes(events)
            seconds = (time.perf_counter() - started) / len(deliveries)
            return [await self._settle_one(each, outcomes[each], seconds) for each in deliveries]

    async def _outcome(self, delivery: Delivery, event: Event) -> Outcome:
        try:
            async with asyncio.timeout(self.worker.timeout):
                await self._claimed_and_handled(event)
        except BaseException as error:
            return self._judged(error, delivery)
        return Done()

    async def _outcomes(self, events: dict[Delivery, Event]) -> dict[Delivery, Outcome]:
        if not events:
            return {}
        assert self.worker.handle_batch is not None
        results: Sequence[BaseException | None]
        try:
            async with asyncio.timeout(self.worker.timeout):
                results = await self.worker.handle_batch(list(events.values()))
        except BaseException as error:
            results = [error] * len(events)
        if len(results) != len(events):
            results = [TypeError("handle_batch must return one result for each event")] * len(events)
        pairs = zip(events, results, strict=True)
        return {each: Done() if error is None else self._judged(error, each) for each, error in pairs}

    async def _claimed_and_handled(self, event: Event) -> None:
        handle, ledger = self.worker.handle, self.ledger
        assert handle is not None
        if self.worker.key is None or ledger is None:
            await handle(event)
            return
        key, owner = f"{self.worker.name}#{self.worker.key(event)}", uuid.uuid4().hex
        match await ledger.claim(key, owner=owner, now=self.now(), lease=self.worker.timeout * 2):
            case AlreadyDone():
                return
            case Busy(seconds):
                raise Contended("somebody else is at this work", after=max(1.0, seconds))
            case Claimed():
                try:
                    await handle(event)
                except BaseException:
                    await ledger.release(key, owner=owner)
                    raise
                await ledger.complete(key, owner=owner, now=self.now(), keep=LEDGER_KEEPS)
            case other:
                assert_never(other)

    def _judged(self, error: BaseException, delivery: Delivery) -> Retry | Dead:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise error  # we are being cut: lease lost or drain over; a handler's own CancelledError is its failure
        return judge(error, worker=self.worker.name, attempt=delivery.attempt, max_attempts=self.worker.max_attempts)

    async def _settle_one(self, delivery: Delivery, outcome: Outcome, seconds: float) -> bool:
        with told(self.worker.name, delivery, seconds=seconds) as record:
            return await self._settle(delivery, outcome, record)

    async def _settle(self, delivery: Delivery, outcome: Outcome, record: Record) -> bool:
        record.outcome = outcome
        match outcome:
            case Done():
                await self._tell_replay(delivery, record)
                return True
            case Retry(after=after):
                await self._hide(delivery, after, record)
                return False
            case Dead():
                return await self._bury(delivery, outcome, record)
            case other:
                assert_never(other)

    async def _tell_replay(self, delivery: Delivery, record: Record) -> None:
        """A person who replays a dead letter waits for this: it is how a canary gets its verdict."""
        if self.ledger is not None and (mark := replayed(delivery.attributes)):
            try:
                await self.ledger.note(mark, now=self.now(), keep=LEDGER_KEEPS)
            except Exception as error:  # the work is done all the same
                record.trouble = error

    async def _hide(self, delivery: Delivery, after: float | None, record: Record) -> None:
        record.hidden = after if after is not None else self.worker.backoff.delay(delivery.attempt, dice=self.dice())
        with tracing.settling(delivery.queue, how="hide"):
            try:
                await self.hide(delivery, record.hidden)
            except Exception as error:  # the queue's own visibility timeout brings it back, only later
                record.trouble = error

    async def _bury(self, delivery: Delivery, failure: Dead, record: Record) -> bool:
        now = datetime.fromtimestamp(self.now(), UTC)
        with tracing.settling(delivery.queue, how="bury", error_type=failure.error_type):
            try:
                # Sent before the original is deleted: a crash here doubles the dead letter, never loses it.
                trace, key = tracing.trace_id(), self.worker.key_of(delivery)
                dead = letter(delivery, failure, worker=self.worker.name, now=now, trace_id=trace, key=key)
                await self.bury(dead)
            except Exception as error:
                record.trouble = error
                await self._hide(delivery, None, record)
                return False
        return True
