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

from shared.message.dead_letter import Letter, letter, replayed
from shared.message.delivery import Delivery
from shared.message.pointer import Payloads
from shared.outcome import Dead, Done, Outcome, Retry
from shared.road.handling import Handling
from shared.road.ledger import Ledger
from shared.road.once import KEPT_SECONDS
from shared.telemetry import tracing
from shared.telemetry.message_log import Record, told
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
    handling: Handling[Event] = field(init=False)

    def __post_init__(self) -> None:
        handling = Handling(self.worker, self.ledger, self.payloads, dice=self.dice, now=self.now)
        object.__setattr__(self, "handling", handling)

    async def travel(self, delivery: Delivery) -> bool:
        """Take one message to its end. True: it may leave the queue. Never raises but for cancellation."""
        with tracing.processing(delivery), told(self.worker.name, delivery) as record:
            return await self._settle(delivery, await self.handling.outcome(delivery), record)

    async def travel_together(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Take a batch to its end: each message gets an answer of its own, in order."""
        with tracing.processing_batch(deliveries):
            started = time.perf_counter()
            outcomes = await self.handling.outcomes(deliveries)
            seconds = (time.perf_counter() - started) / len(deliveries)
            return [await self._settle_one(each, outcomes[each], seconds) for each in deliveries]

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
        trace, key = tracing.trace_id(), self.worker.key_of(delivery)
        write = partial(letter, delivery, failure, worker=self.worker.name, now=now, trace_id=trace, key=key)
        dead = write()
        if dead.shortened and self.payloads is not None:
            try:
                async with asyncio.timeout(self.worker.timeout):
                    return write(stored=await self.payloads.check_in(delivery.body, delivery.attributes))
            except Exception as error:  # a letter with a short reason is better than none
                log.warning("payload_not_stored", queue=delivery.queue, error_type=type(error).__name__)
        return dead
