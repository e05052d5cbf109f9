"""A FIFO queue: groups in order, one receive of a group in flight at a time, and five minutes of deduplication."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tests.sqs_server.message import Message
from tests.sqs_server.queue import IN_FLIGHT, READY, Queue

REMEMBERED = 300.0
"""Seconds for which SQS knows a deduplication id, and a receive request attempt id."""


@dataclass(slots=True, eq=False)
class Group:
    """Messages in the order of their sending; in flight is always a head of them, handed out together."""

    messages: OrderedDict[int, Message] = field(default_factory=OrderedDict)
    flying: int = 0
    queued: bool = False


@dataclass(slots=True)
class Remembered:
    until: float
    message_id: str
    sequence: str


class FifoQueue(Queue):
    fifo = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._groups: dict[str, Group] = {}
        self._open: deque[Group] = deque()
        self._sent: OrderedDict[str, Remembered] = OrderedDict()
        self._attempts: dict[str, tuple[float, list[tuple[Message, int, float]]]] = {}
        self._sequence = 18_850_000_000_000_000_000

    # -- deduplication

    def sent_before(self, key: str, now: float) -> Remembered | None:
        """The message that was sent under this deduplication id within five minutes."""
        while self._sent:
            oldest = next(iter(self._sent))
            if self._sent[oldest].until > now:
                break
            del self._sent[oldest]
        return self._sent.get(key)

    def remember(self, key: str, message: Message, now: float) -> None:
        self._sent[key] = Remembered(now + REMEMBERED, message.message_id, message.system["SequenceNumber"])

    def next_sequence(self) -> str:
        """Twenty digits that only grow."""
        self._sequence += 256
        return str(self._sequence)

    # -- groups

    def put(self, message: Message, now: float, *, delay: float = 0.0) -> None:
        group = self._groups.setdefault(message.group or "", Group())
        super().put(message, now, delay=delay)
        group.messages[message.number] = message
        self._consider(group)

    def _show(self, message: Message) -> None:
        message.state = READY
        if (group := self._groups.get(message.group or "")) is not None:
            self._consider(group)

    def _consider(self, group: Group) -> None:
        """Open the group for receives where its head is visible and nothing of it is in flight."""
        if group.queued or group.flying or not group.messages:
            return
        if next(iter(group.messages.values())).state is READY:
            group.queued = True
            self._open.append(group)
            if self.waiters:
                self._wake(self)

    def _land(self, message: Message) -> None:
        super()._land(message)
        group = self._groups[message.group or ""]
        group.flying -= 1

    def _forget(self, message: Message) -> None:
        super()._forget(message)
        group = self._groups[message.group or ""]
        del group.messages[message.number]
        if group.messages:
            self._consider(group)
        else:
            del self._groups[message.group or ""]

    # -- receives

    def take(
        self, limit: int, visibility: float, now: float, *, echo: Callable[[], bool] | None = None
    ) -> list[Message]:
        """As many as possible of one group, then of the next; a FIFO queue never hands anything out twice."""
        self.promote(now)
        taken: list[Message] = []
        while len(taken) < limit and self._open:
            group = self._open.popleft()
            group.queued = False
            if not group.flying:
                self._take_of(group, taken, limit, now)
        if taken:
            self._hand_out(taken, now + visibility, now)
        return taken

    def _take_of(self, group: Group, taken: list[Message], limit: int, now: float) -> None:
        while len(taken) < limit:
            message = next(islice(group.messages.values(), group.flying, None), None)
            if message is None or message.state is not READY:
                break
            if not self._leaves(message, now):
                group.flying += 1
                taken.append(message)
        self._consider(group)

    def note_attempt(self, attempt: str, taken: list[Message], now: float) -> None:
        """Remember what a receive answered, in case its answer is lost and it is asked again."""
        self._attempts[attempt] = (now + REMEMBERED, [(each, each.receipt, each.visible_at) for each in taken])

    def take_again(self, attempt: str, visibility: float, now: float) -> list[Message]:
        """What this attempt was answered before, under the same receipt handles, if nothing has happened to it since.

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
        """
        self.promote(now)
        until, answered = self._attempts.get(attempt, (0.0, []))
        if until <= now or any(
            each.state is not IN_FLIGHT or (each.receipt, each.visible_at) != (receipt, lease)
            for each, receipt, lease in answered
        ):
            self._attempts.pop(attempt, None)
            return []
        again = [message for message, _, _ in answered]
        for message in again:
            message.visible_at = now + visibility
        self._await_due(now + visibility, again)
        self.note_attempt(attempt, again, now)
        self.ledger.add("extend", self.name, [each.reference for each in again], now, until=now + visibility)
        return again

    def purge(self, now: float, *, kind: str = "purge") -> None:
        super().purge(now, kind=kind)
        self._groups.clear()
        self._open.clear()
        self._attempts.clear()
