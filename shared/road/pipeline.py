"""The road of one message: decode, claim, handle, judge, settle. READ THIS FIRST.

A door hands over a Delivery and gets one answer: may the message leave the queue? Send before delete, always: what is
buried has reached the dead-letter queue before this page says yes.
"""

from __future__ import annotations

from typing import assert_never

from shared.message.delivery import Delivery
from shared.outcome import Dead, Done, Outcome, Retry, Stalled
from shared.road.attempts import Attempts
from shared.road.endings import Endings
from shared.telemetry import message_log


class Pipeline:
    """One worker's road: attempts.py says how an outcome comes to be, endings.py how a message is settled."""

    def __init__(self, attempts: Attempts, endings: Endings) -> None:
        self._worker = attempts.worker.name
        self._attempts = attempts
        self._endings = endings

    async def travel(self, delivery: Delivery) -> bool:
        """Take one message to its end. True: it may leave the queue. Never raises but for cancellation."""
        with message_log.one(self._worker, delivery) as record:
            return await self._settle(delivery, await self._attempts.outcome(delivery), record)

    async def travel_together(self, deliveries: list[Delivery]) -> list[bool]:
        """Take a batch to its end: each message gets an answer of its own, in order."""
        with message_log.batch(self._worker, deliveries) as batch:
            outcomes = await self._attempts.outcomes(deliveries)

            async def settle(delivery: Delivery, record: message_log.Record) -> bool:
                return await self._settle_one(delivery, outcomes[delivery], record)

            return await self._endings.side_by_side(batch.records(), settle, outcomes)

    async def _settle_one(self, delivery: Delivery, outcome: Outcome, record: message_log.Record) -> bool:
        with record:
            message_log.correlate(self._attempts.worker.correlation_of(delivery))
            return await self._settle(delivery, outcome, record)

    async def _settle(self, delivery: Delivery, outcome: Outcome, record: message_log.Record) -> bool:
        record.outcome = outcome
        match outcome:
            case Done():
                if delivery.attributes:  # a replayed message says so in one of them
                    await self._tell_replay(delivery, record)
                return True
            case Retry():
                record.hidden = self._endings.hide(delivery, outcome)
                return False
            case Stalled():
                record.hidden = self._endings.hide_for_outage(delivery)
                return False
            case Dead():
                return await self._bury(delivery, outcome, record)
            case other:
                assert_never(other)

    async def _tell_replay(self, delivery: Delivery, record: message_log.Record) -> None:
        try:
            await self._endings.tell_replay(delivery)
        except Exception as error:  # the work is done all the same
            record.trouble = error

    async def _bury(self, delivery: Delivery, failure: Dead, record: message_log.Record) -> bool:
        try:
            # Sent before the original is deleted: a crash here doubles the dead letter, never loses it.
            await self._endings.bury(delivery, failure)
        except Exception as error:  # it is judged again at its next receipt, which costs it no run
            record.trouble = error
            record.hidden = self._endings.hide_for_outage(delivery)
            await self._attempts.forget(delivery)
            return False
        return True
