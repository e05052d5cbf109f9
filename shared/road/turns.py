"""Which message may start next, in both doors: any, a fair share of each group, or in a FIFO queue one of a group at a time."""

from __future__ import annotations

from collections import Counter, OrderedDict

from shared.message.delivery import Delivery
from shared.worker import FairShares, Fifo


class Turns:
    """Messages in hand that wait for their turn.

    `order` limits how many messages of one group run together. In a FIFO queue that is one, which keeps the group's order;
    messages behind one that stays in the queue must not overtake it. Groups take turns, so that one with
    many messages does not keep the others waiting. A message without a group is a group of its own.
    """

    def __init__(self, order: Fifo | FairShares | None) -> None:
        self._at_once = order.at_once if order is not None else None
        self._is_fifo = isinstance(order, Fifo)
        self.waiting: OrderedDict[str | tuple[str], list[Delivery]] = OrderedDict()
        """What waits, by group."""
        self._running: Counter[str | tuple[str]] = Counter()

    def __len__(self) -> int:
        return sum(len(queue) for queue in self.waiting.values())

    def arrive(self, delivery: Delivery) -> None:
        """Add a message that was received."""
        group = delivery.group or (delivery.message_id,)  # a tuple: no group's name is one
        if (queue := self.waiting.get(group)) is None:
            self.waiting[group] = [delivery]
        else:
            queue.append(delivery)

    def next(self) -> Delivery | None:
        """Take the next message that may run, or None where every waiting group is at its limit."""
        for group, queue in self.waiting.items():
            if self._at_once is None or self._running[group] < self._at_once:
                delivery = queue.pop(0)
                if queue:
                    self.waiting.move_to_end(group)
                else:
                    del self.waiting[group]
                if self._at_once is not None:
                    self._running[group] += 1
                return delivery
        return None

    def end(self, delivery: Delivery, *, stays: bool) -> list[Delivery]:
        """A message that had its turn has ended; where it stays in a FIFO queue, what waits behind it is taken out and
        must go back into the queue: it may not overtake.
        """
        if self._at_once is None:
            return []
        group = delivery.group or (delivery.message_id,)
        self._running[group] -= 1
        if not self._running[group]:
            del self._running[group]
        return list(self.waiting.pop(group, ())) if stays and self._is_fifo else []

    def take_all(self) -> list[Delivery]:
        """Take out everything that waits."""
        taken = [delivery for queue in self.waiting.values() for delivery in queue]
        self.waiting.clear()
        return taken
