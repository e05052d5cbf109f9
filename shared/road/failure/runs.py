"""How often the work on one message was begun. SQS's receive count cannot say: a deploy, a wait for a turn, or another's
claim raises it for messages that never ran.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import structlog

from shared.message.delivery import Delivery
from shared.outcome import code_of
from shared.road.ledger import Ledger

log = structlog.get_logger()

REMEMBERED = 15 * 86_400.0
"""Seconds; longer than the 14 days for which SQS can keep a message."""
UNKNOWN = 0
"""The number of a run that could not be counted."""
PATIENCE = 2.0
"""Seconds for one call to the ledger."""


class Runs:
    """Counted in the ledger: a run of a first receipt only when it has failed, so that the usual message costs nothing, and
    every later run when it begins, so that a message which kills its process each time is counted as well.

    Further runs in hand of a FIFO message count as one with their first: a fault of seconds does not use up the runs that are
    meant to span hours. Without a ledger, receipts stand for runs.
    """

    def __init__(self, ledger: Ledger | None, *, now: Callable[[], float]) -> None:
        self.are_counted = ledger is not None
        self._ledger = ledger
        self._now = now

    async def begin(self, delivery: Delivery) -> int:
        """Record that a run begins. Returns its number, from 1; UNKNOWN where the ledger cannot be asked: no message is buried because
        the ledger is down.
        """
        if self._ledger is None or delivery.attempt <= 1:
            return delivery.attempt
        number = await self._count(delivery, by=1)
        return UNKNOWN if number is None else max(1, number)

    async def failed(self, delivery: Delivery) -> None:
        """A run has failed, and the message will come again."""
        if delivery.attempt <= 1:
            await self._count(delivery, by=1)

    async def forget(self, delivery: Delivery) -> None:
        """A run was cut or could not be done through no fault of the message: it does not count."""
        if delivery.attempt > 1:
            await self._count(delivery, by=-1)

    async def note_end(self, delivery: Delivery) -> None:
        """A run that counts has ended, of those after which a message that ends its process would run by itself."""
        await self._count(delivery, by=1, of="ended")

    async def ended(self, delivery: Delivery) -> float:
        """How many were noted; without end where the ledger cannot be asked: then no message is suspected."""
        count = await self._count(delivery, by=0, of="ended")
        return math.inf if count is None else count

    async def begin_alone(self, delivery: Delivery) -> int:
        """A message's run begins, by itself. Returns how many such have begun and not ended, this one with them; UNKNOWN as of `begin`."""
        return await self._count(delivery, by=1, of="last") or UNKNOWN

    async def forget_alone(self, delivery: Delivery) -> None:
        """Its run came to an end, or was cut."""
        await self._count(delivery, by=-1, of="last")

    async def _count(self, delivery: Delivery, *, by: int, of: str = "runs") -> int | None:
        if self._ledger is None:
            return None
        key = f"{of}#{delivery.queue}#{delivery.message_id}"
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._ledger.count(key, by=by, now=self._now(), keep=REMEMBERED)
        except Exception as error:
            log.warning("run_not_counted", queue=delivery.queue, error_type=code_of(error))
            return None
