"""Deletes gathered into batches, tried again inside the lease, and remembered where they failed for good."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from shared.message.delivery import Delivery
from shared.settlement.gathered import Gathered, Kind
from shared.settlement.leases import Leases
from shared.sqs.batches import Refused
from shared.sqs.queue import Queue
from shared.telemetry import metrics, tracing

REMEMBERED = 10_000
"""Message ids of finished work whose delete has not succeeded; about 1 MB."""


class Deletes:
    """Deletes the finished messages of one queue.

    The id of finished work is remembered until a delete succeeded: a message that comes back although its work is done
    is deleted unread.
    """

    def __init__(self, queue: Queue, leases: Leases, *, dice: Callable[[], float]) -> None:
        self._queue = queue
        self._finished: OrderedDict[str, None] = OrderedDict()
        kind = Kind(
            name="delete",
            queue=queue.name,
            call=self._delete,
            done=self._forget,
            refused=lambda count: metrics.delete_failed(queue=queue.name, count=count),
        )
        self._gathered = Gathered(kind, leases, dice=dice)

    def add(self, delivery: Delivery) -> None:
        """Ask for a delete; it is sent with others, soon."""
        self.remember(delivery)
        self._gathered.add(delivery)

    async def at_once(self, delivery: Delivery) -> bool:
        """Delete one message and return when that has had its end: the order of a FIFO group waits for it. False where the
        message has not left, because its lease ended before.
        """
        self.remember(delivery)
        return delivery in await self._gathered.at_once([delivery])

    def was_finished(self, delivery: Delivery) -> bool:
        """True for a message whose work was done here before, and only its delete has not succeeded yet."""
        return delivery.message_id in self._finished

    async def settled(self) -> None:
        """Send what waits and return when every delete has had its end."""
        await self._gathered.settled()

    async def _delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        with tracing.settling(self._queue.name, how="delete", deliveries=deliveries):
            return await self._queue.delete(deliveries)

    def remember(self, delivery: Delivery) -> None:
        """The work of this message is done: if it comes back, it is only deleted."""
        self._finished[delivery.message_id] = None
        while len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)

    def _forget(self, delivery: Delivery) -> None:
        self._finished.pop(delivery.message_id, None)
