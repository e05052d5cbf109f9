"""Whose turn it is: in a FIFO queue one message of a group at a time, in order; elsewhere a limit per group, if any."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque

from shared.message.delivery import Delivery


class Turns:
    """Messages in hand that wait for their turn.

    `at_once` messages of one group may run together (None: any number); in a FIFO queue that is one, which keeps the
    group's order. Groups take turns, so that one with many messages does not keep the others waiting. A message
    without a group is a group of its own.
    """

    def __init__(self, *, at_once: int | None) -> None:
        self._at_once = at_once
        self._waiting: OrderedDict[str, deque[Delivery]] = OrderedDict()
        self._running: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    def arrive(self, delivery: Delivery) -> None:
        """A message was received."""
        self._waiting.setdefault(_group(delivery), deque()).append(delivery)

    def next(self) -> Delivery | None:
        """Take the next message that may run, or None where every waiting group is at its limit."""
        for group, queue in self._waiting.items():
            if self._at_once is None or self._running[group] < self._at_once:
                delivery = queue.popleft()
                if queue:
                    self._waiting.move_to_end(group)
                else:
                    del self._waiting[group]
                self._running[group] += 1
                return delivery
        return None

    def end(self, delivery: Delivery) -> None:
        """A message that ran has ended, whatever way."""
        group = _group(delivery)
        self._running[group] -= 1
        if not self._running[group]:
            del self._running[group]

    def abandon(self, delivery: Delivery) -> list[Delivery]:
        """Take out the messages that wait behind this one in its group: they must not overtake it."""
        return list(self._waiting.pop(_group(delivery), ()))

    def abandon_all(self) -> list[Delivery]:
        """Take out everything that waits."""
        taken = [delivery for queue in self._waiting.values() for delivery in queue]
        self._waiting.clear()
        return taken


def _group(delivery: Delivery) -> str:
    return f"group {delivery.group}" if delivery.group else f"message {delivery.message_id}"
