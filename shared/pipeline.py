"""The road of one message: read, claimed, handled, judged, settled. READ THIS FIRST.

A door hands over a Delivery and gets one answer: may the message leave the queue? Send before delete, always: what is
buried has reached the dead-letter queue before this page says yes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Generic, assert_never

import structlog

from shared.burial import Letter, letter, replayed
from shared.claim_check import OFF, Payloads, is_claimed
from shared.deadlines import Deadlines
from shared.delivery import Delivery
from shared.ledger import Ledger
from shared.once import KEPT_SECONDS, Once
from shared.outcome import Dead, Done, Outcome, Reject, Retry, returned
from shared.telemetry import tracing
from shared.telemetry.road import Record, told
from shared.verdict import judge, unreadable
from shared.worker import Event, Worker

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Pipeline(Generic[Event]):
    """One worker's road. `hide` keeps a message from view for some seconds, `bury` sends it to the dead-letter
    queue; `payloads` holds bodies that are no queue's size, None where that is off; `dice` is uniform in [0, 1); `now`
    is the wall clock in epoch seconds.
    """

    worker: Worker[Event]
    hide: Callable[[Delivery, float], Awaitable[None]]
    bury: Callable[[Letter], Awaitable[None]]
    ledger: Ledger | None = None
    payloads: Payloads | None = None
    dice: Callable[[], float] = random.random
    now: Callable[[], float] = time.time
    deadlines: Deadlines = field(init=False)

    def __post_init__(self) -> None:
        if self.worker.key is not None and self.ledger is None:
            raise ValueError(f"worker {self.worker.name}: an event with a key needs a ledger")
        object.__setattr__(self, "deadlines", Deadlines(self.worker.timeout))

    async def travel(self, delivery: Delivery) -> bool:
        """Take one message to its end. True: it may leave the queue. Never raises but for cancellation."""
        with tracing.processing(delivery), told(self.worker.name, delivery) as record:
            if self.payloads is not None and is_claimed(delivery.attributes):
                return await self._settle(delivery, await self._fetched_outcome(self.payloads, delivery), record)
            try:
                event = self.worker.decode(delivery)
            except Exception as error:
                return await self._settle(delivery, self._unread(error, delivery), record)
            return await self._settle(delivery, await self._outcome(delivery, event), record)

    async def travel_together(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Take a batch to its end: each message gets an answer of its own, in order."""
        outcomes: dict[Delivery, Outcome] = {}
        events: dict[Delivery, Event] = {}
        begun = time.perf_counter()
        fetched = await self._fetched(self.payloads, deliveries) if self.payloads is not None else {}
        for delivery in deliveries:
            match fetched.get(delivery, delivery):
                case Delivery() as whole:
                    try:
                        events[delivery] = self.worker.decode(whole)
                    except Exception as error:
                        outcomes[delivery] = self._unread(error, delivery)
                case failed:
                    outcomes[delivery] = failed
        with tracing.processing_batch(deliveries):
            started = time.perf_counter()
            outcomes |= await self._outcomes(events, seconds=self.worker.timeout - (started - begun))
            seconds = (time.perf_counter() - started) / len(deliveries)
            return [await self._settle_one(each, outcomes[each], seconds) for each in deliveries]

    async def _outcome(self, delivery: Delivery, event: Event) -> Outcome:
        try:
            await self._handled(delivery, event)
        except BaseException as error:
            return self._judged(error, delivery)
        return Done()

    async def _fetched_outcome(self, payloads: Payloads, delivery: Delivery) -> Outcome:
        """The body is in S3: to have it is part of the work, inside its timeout; not to have it is judged as its failure."""
        try:
            async with asyncio.timeout(self.worker.timeout):
                whole = await payloads.unpack(delivery)
                try:
                    event = self.worker.decode(whole)
                except Exception as error:
                    return self._unread(error, whole)
                return await self._outcome(whole, event)
        except BaseException as error:
            return self._judged(error, delivery)

    async def _fetched(self, payloads: Payloads, deliveries: Sequence[Delivery]) -> dict[Delivery, Delivery | Outcome]:
        """What lies in S3 of a batch: each whole, or judged."""

        async def fetch(delivery: Delivery) -> Delivery | Outcome:
            try:
                async with asyncio.timeout(self.worker.timeout):
                    return await payloads.unpack(delivery)
            except BaseException as error:
                return self._judged(error, delivery)

        claimed = [each for each in deliveries if is_claimed(each.attributes)]
        return dict(zip(claimed, await asyncio.gather(*map(fetch, claimed)), strict=True))

    async def _outcomes(self, events: dict[Delivery, Event], *, seconds: float) -> dict[Delivery, Outcome]:
        if not events:
            return {}
        assert self.worker.handle_batch is not None
        results: object
        try:
            async with asyncio.timeout(seconds):
                results = await self.worker.handle_batch(list(events.values()))
        except BaseException as error:
            results = [error] * len(events)
        pairs = zip(events, _one_each(results, len(events)), strict=True)
        return {each: Done() if error is None else self._judged(error, each) for each, error in pairs}

    async def _handled(self, delivery: Delivery, event: Event) -> None:
        if self.worker.key is not None and self.ledger is not None:
            await Once(self.worker, self.ledger, delivery, event, dice=self.dice, now=self.now).done()
            return
        assert self.worker.handle is not None
        with self.deadlines.one():
            returned(await self.worker.handle(event))

    def _unread(self, error: Exception, delivery: Delivery) -> Retry | Dead:
        if self.payloads is None and is_claimed(delivery.attributes):
            return unreadable(Reject(OFF), worker=self.worker.name)  # it is only a pointer
        if self.worker.decode_errors == "permanent":
            return unreadable(error, worker=self.worker.name)
        return self._judged(error, delivery)

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
                async with asyncio.timeout(self.worker.timeout):
                    await self.ledger.note(mark, now=self.now(), keep=KEPT_SECONDS)
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
        with tracing.settling(delivery.queue, how="bury", error_type=failure.error_type):
            try:
                # Sent before the original is deleted: a crash here doubles the dead letter, never loses it.
                await self.bury(await self._letter(delivery, failure))
            except Exception as error:
                record.trouble = error
                await self._hide(delivery, None, record)
                return False
        return True

    async def _letter(self, delivery: Delivery, failure: Dead) -> Letter:
        """With its whole reason: where the message leaves no room for that, its body makes some, if it may go to S3."""
        now = datetime.fromtimestamp(self.now(), UTC)
        write = partial(letter, delivery, failure, worker=self.worker.name, now=now, trace_id=tracing.trace_id())
        dead = write()
        if dead.shortened and self.payloads is not None:
            try:
                async with asyncio.timeout(self.worker.timeout):
                    return write(stored=await self.payloads.check_in(delivery.body, delivery.attributes))
            except Exception as error:  # a letter with a short reason is better than none
                log.warning("payload_not_stored", queue=delivery.queue, error_type=type(error).__name__)
        return dead


def _one_each(results: object, count: int) -> list[BaseException | None]:
    """What a batch handler answered, event by event; an answer of another type fails those that it was given for."""
    if not isinstance(results, Sequence) or len(results) != count:
        return [TypeError("handle_batch must return one result for each event")] * count
    wrong = TypeError("a result of handle_batch is None or an exception")
    return [each if each is None or isinstance(each, BaseException) else wrong for each in results]
