"""Where one batch ends and the next begins: at a number of messages or of bytes; the same in both doors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.message.delivery import Delivery
from shared.message.pointer import weight
from shared.worker import Together


class Filling:
    """The batch that is being filled, by bodies and attributes. A body that lies in S3 counts with the bytes that it will have in memory."""

    def __init__(self, limits: Together[Any]) -> None:
        self._limits = limits
        self._deliveries: list[Delivery] = []
        self._bytes = 0

    def add(self, delivery: Delivery) -> bool:
        """Add one message. True: the batch is full, take it."""
        self._deliveries.append(delivery)
        self._bytes += weight(delivery)
        self._bytes += sum(each.size(name) for name, each in delivery.attributes.items())
        return len(self._deliveries) >= self._limits.count or self._bytes >= self._limits.bytes

    def take(self) -> list[Delivery]:
        """Return the batch and begin the next one."""
        taken, self._deliveries, self._bytes = self._deliveries, [], 0
        return taken


def cut(deliveries: Iterable[Delivery], limits: Together[Any]) -> list[list[Delivery]]:
    """Cut messages that are all here at once into batches."""
    filling = Filling(limits)
    batches = [filling.take() for each in deliveries if filling.add(each)]
    rest = filling.take()
    return [*batches, rest] if rest else batches
