"""How a message is settled: hidden for a while, buried with its reason, or done. A replay may wait to hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from shared.message.dead_letter import Letter, letter, replay_mark
from shared.message.delivery import Delivery
from shared.outcome import Dead, Done, Outcome, Retry, code_of
from shared.road.once import KEPT_SECONDS
from shared.road.ports import Ports
from shared.telemetry import message_log, tracing
from shared.worker import Worker

log = structlog.get_logger()

BURIAL_PAUSES = (0.5, 2.0)
"""Seconds before the second and third try of a burial, before jitter; then the message is hidden, and judged again when it returns."""
SHORT_BURIAL, LONGEST_BURIAL = 2.0, 10.0
"""Seconds for one try while burials are known to fail, so that healthy messages get the slot; more with each receipt, for a queue that
answers late has taken the letter.
"""


AT_ONCE = 10
"""Settlements of one batch that are waited for at once: burials, and what a replay is told."""


class Unanswered(TimeoutError):
    """A dead-letter queue that is known to fail did not answer."""


class Endings:
    """The settlements of one worker's messages; each raises where it failed, and the pipeline says what follows."""

    def __init__(self, worker: Worker[Any], ports: Ports) -> None:
        self._worker = worker
        self._ports = ports

    async def side_by_side(
        self,
        records: Sequence[tuple[Delivery, message_log.Record]],
        settle: Callable[[Delivery, message_log.Record], Awaitable[bool]],
        outcomes: Mapping[Delivery, Outcome],
    ) -> list[bool]:
        """The answers of a batch's messages, in order. What waits for nobody is settled first, and then the others, AT_ONCE of them
        at once: a batch does not hold its slot for the sum of their waits.
        """
        places, answers = asyncio.Semaphore(AT_ONCE), dict[Delivery, bool]()

        async def settle_in_turn(delivery: Delivery, record: message_log.Record) -> None:
            async with places:
                answers[delivery] = await settle(delivery, record)

        for delivery, record in records:
            if not _waits(delivery, outcomes[delivery]):
                answers[delivery] = await settle(delivery, record)
        if len(answers) < len(records):
            async with asyncio.TaskGroup() as group:
                for delivery, record in records:
                    if delivery not in answers:
                        group.create_task(settle_in_turn(delivery, record))
        return [answers[delivery] for delivery, _ in records]

    async def tell_replay(self, delivery: Delivery) -> None:
        """Report the outcome to whoever replays this dead letter: a canary gets its verdict this way."""
        if self._ports.ledger is not None and (mark := replay_mark(delivery.attributes)):
            # Its work is done: a lease that is lost while the ledger is waited for cuts this task.
            self._ports.finished(delivery)
            async with asyncio.timeout(self._worker.limits.timeout):
                await self._ports.ledger.note(mark, now=self._ports.now(), keep=KEPT_SECONDS)

    def hide(self, delivery: Delivery, outcome: Retry) -> float:
        """Hide a message for as long as its outcome says, or else for the backoff. Returns the seconds."""
        if (seconds := outcome.after) is None:
            backoff = outcome.backoff or self._worker.backoff
            seconds = backoff.delay(outcome.run, dice=self._ports.dice())
        return self._hide(delivery, seconds)

    def hide_for_outage(self, delivery: Delivery) -> float:
        """Hide a message for as long as a dependency is likely to be down. Returns the seconds."""
        return self._hide(delivery, self._ports.needs.hiding(attempt=delivery.attempt))

    def _hide(self, delivery: Delivery, seconds: float) -> float:
        with tracing.settling(delivery.queue, how="hide"):
            self._ports.hide(delivery, seconds)
        return seconds

    async def bury(self, delivery: Delivery, failure: Dead) -> None:
        """Send a message to the dead-letter queue, with its reason; returns when it has arrived there."""
        with tracing.settling(delivery.queue, how="bury", error_type=failure.error_type):
            dead = await self._letter(delivery, failure)
            failed = await self._try_to_bury(dead, attempt=delivery.attempt)
            for pause in BURIAL_PAUSES:
                if failed is None or isinstance(failed, Unanswered):
                    break
                await asyncio.sleep(pause * (0.5 + self._ports.dice()))
                failed = await self._try_to_bury(dead, attempt=delivery.attempt)
            if failed is not None:
                raise failed
            # Of a batch it waits for the burials of the others, and what cuts those must not have it buried again.
            self._ports.finished(delivery)

    async def _try_to_bury(self, dead: Letter, *, attempt: int) -> Exception | None:
        """Why it is not there, or None."""
        within = min(LONGEST_BURIAL, SHORT_BURIAL * attempt) if self._ports.troubles.lasts("bury") else None
        limit = asyncio.timeout(within)
        try:
            async with limit:
                await self._ports.bury(dead)
        except Exception as error:
            if self._ports.troubles.failed("bury", [code_of(error)]):
                log.warning("burial_refused", queue=self._worker.queue, error_type=code_of(error))
            return Unanswered() if limit.expired() else error
        self._ports.troubles.succeeded("bury")
        return None

    async def _letter(self, delivery: Delivery, failure: Dead) -> Letter:
        """The letter with its whole reason. Where the message leaves no room for that, its body goes to S3, if that is permitted."""
        now = datetime.fromtimestamp(self._ports.now(), UTC)
        names: dict[str, Any] = {
            "worker": self._worker.name,
            "trace_id": tracing.trace_id(),
            "correlation_id": message_log.correlation_id() or self._worker.correlation_of(delivery),
            "key": self._worker.key_of(delivery),
        }
        write = partial(letter, delivery, failure, now=now, **names)
        dead = write()
        if dead.shortened and self._ports.payloads is not None:
            try:
                async with asyncio.timeout(self._worker.limits.timeout):
                    return write(stored=await self._ports.payloads.check_in(delivery.body, delivery.attributes))
            except Exception as error:  # a letter with a short reason is better than none
                log.warning("payload_not_stored", queue=delivery.queue, error_type=code_of(error))
        return dead


def _waits(delivery: Delivery, outcome: Outcome) -> bool:
    """Whether its settlement waits for an answer: of the dead-letter queue, or of the ledger."""
    return isinstance(outcome, Dead) or (isinstance(outcome, Done) and bool(replay_mark(delivery.attributes)))
