"""When leases and delays end, in the order of time."""

import heapq
import itertools
from collections.abc import Iterator

from tests.sqs_server.message import Message, State

GONE = State.GONE


class Due:
    """A message whose time was changed since is still in here under its old one, and passed over then."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, list[Message]]] = []
        self._order = itertools.count()
        self._gone = 0

    def add(self, at: float, messages: list[Message]) -> None:
        heapq.heappush(self._heap, (at, next(self._order), messages))

    def next(self) -> float | None:
        """Epoch seconds of what ends next, as things stand."""
        heap = self._heap
        while heap and not any(each.visible_at == heap[0][0] and each.state is not GONE for each in heap[0][2]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def ended(self, now: float) -> Iterator[Message]:
        """Take out what is over, each to be looked at in the order of its end, which is its `visible_at`."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, messages = heapq.heappop(heap)
            yield from (message for message in messages if message.visible_at == at)

    def lost(self, left: int) -> None:
        """A message has gone, and `left` are left. Those that only wait here for an end that is nobody's weigh a lot."""
        self._gone += 1
        if self._gone > 10_000 and self._gone > left:
            self._gone = 0
            kept = [
                (at, order, [each for each in messages if each.visible_at == at and each.state is not GONE])
                for at, order, messages in self._heap
            ]
            self._heap[:] = [entry for entry in kept if entry[2]]
            heapq.heapify(self._heap)

    def clear(self) -> None:
        self._heap.clear()
