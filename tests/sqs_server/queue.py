"""A standard queue: who is visible, who is in flight under which lease, and what goes to the dead-letter queue."""

import itertools
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

from tests.sqs_server.due import Due
from tests.sqs_server.errors import SqsError, bad_handle, bad_parameter, gone_from_flight
from tests.sqs_server.ledger import Ledger, Reference
from tests.sqs_server.message import Message, State
from tests.sqs_server.queue_settings import QueueSettings

DELAYED, READY, IN_FLIGHT, GONE = State.DELAYED, State.READY, State.IN_FLIGHT, State.GONE
LONGEST_LEASE = 43_200.0
"""Seconds from a receive beyond which SQS extends no lease."""
NOISY_SHARE = 0.1
NOISY_LEAST = 30
"""A group of a standard queue is noisy with this share of what is in flight, and at least this many messages."""


class Queue:
    """Everything here is at one moment: `now` is epoch seconds of the server's clock, passed in by each call.

    `wake` is called when somebody who waits for messages may have something to do; `redrive` takes a message that was
    received too often, and answers whether there was a queue to take it.
    """

    fifo = False

    def __init__(
        self,
        name: str,
        settings: QueueSettings,
        ledger: Ledger,
        *,
        wake: Callable[["Queue"], None],
        redrive: Callable[["Queue", Message, float], bool],
        strict: bool = False,
    ) -> None:
        self.name = name
        self.settings = settings
        self.ledger = ledger
        self.strict = strict
        self.created_at = self.modified_at = ledger.clock.skewed()
        self.purged_at = 0.0
        self._ending = f"{secrets.token_hex(8)}{'Qk1zR0pX' * 16}"
        self.token = self._ending.encode()
        """Ends every receipt handle: those of an earlier queue of this name are worth nothing."""
        self.messages: dict[int, Message] = {}
        self.departed: dict[int, str] = {}
        self.flying = self.delayed = 0
        self.waiters: deque[Any] = deque()
        self.waking = False
        self.flying_groups: Counter[str] = Counter()
        self._wake = wake
        self._redrive = redrive
        self._ready: deque[Message] = deque()
        self._sidelined: deque[Message] = deque()
        self._echoes: deque[Message] = deque()
        self._due = Due()
        self._numbers = itertools.count(1)

    # -- what comes in

    def put(self, message: Message, now: float, *, delay: float = 0.0) -> None:
        message.number = next(self._numbers)
        self.messages[message.number] = message
        if delay > 0:
            message.state, message.visible_at = DELAYED, now + delay
            self.delayed += 1
            self._await_due(message.visible_at, [message])
        else:
            self._show(message)

    def _show(self, message: Message) -> None:
        message.state = READY
        self._ready.append(message)
        if self.waiters:
            self._wake(self)

    # -- what goes out

    def take(
        self, limit: int, visibility: float, now: float, *, echo: Callable[[], bool] | None = None
    ) -> list[Message]:
        """Hand out up to `limit` messages; those that `echo` picks will be handed out again while they are in flight."""
        self.promote(now)
        taken = list(itertools.islice(self._eligible(now), limit))
        if not taken:
            return taken
        self._hand_out(taken, now + visibility, now)
        if echo is not None:
            self._echoes.extend(each for each in taken if echo())
            if self._echoes and self.waiters:
                self._wake(self)
        return taken

    def _eligible(self, now: float) -> Iterator[Message]:
        """Whoever may be handed out next, taken out of line; messages of calm groups first, as fair queues have it."""
        while self._echoes:
            message = self._echoes.popleft()
            if message.state is IN_FLIGHT:
                message.twins[message.receipt] = message.visible_at
                self._land(message)
                self.ledger.add("duplicate", self.name, [message.reference], now)
                yield message
        ready, oldest, most = self._ready, now - self.settings.retention, self.settings.max_receives
        while ready:
            message = ready.popleft()
            if message.state is not READY:
                continue
            if (message.sent_at <= oldest or 0 < most <= message.receives) and self._leaves(message, now):
                continue
            if message.group is None or not self._is_noisy(message.group):
                yield message
            else:
                self._sidelined.append(message)
        while self._sidelined:
            message = self._sidelined.popleft()
            if message.state is READY and not self._leaves(message, now):
                yield message

    def _is_noisy(self, group: str) -> bool:
        here = self.flying_groups[group]
        return here >= NOISY_LEAST and here > NOISY_SHARE * self.flying

    def _leaves(self, message: Message, now: float) -> bool:
        """True for a message that is too old, or was received too often; then it is gone from here."""
        settings = self.settings
        if message.sent_at + settings.retention <= now:
            self._forget(message)
            self.ledger.add("aged", self.name, [message.reference], now)
            return True
        return 0 < settings.max_receives <= message.receives and self._redrive(self, message, now)

    def _hand_out(self, messages: list[Message], until: float, now: float) -> None:
        """Lease these until then: one entry in the ledger, and one end to wait for."""
        seen_at = int((now + self.ledger.clock.skew) * 1000)
        for message in messages:
            message.state, message.visible_at, message.received_at = IN_FLIGHT, until, now
            message.receives += 1
            message.receipt += 1
            message.first_received = message.first_received or seen_at
            if message.group is not None:
                self.flying_groups[message.group] += 1
        self.flying += len(messages)
        self._await_due(until, messages)
        self.ledger.add("receive", self.name, [(each.message_id, each.receipt) for each in messages], now, until=until)

    def _land(self, message: Message) -> None:
        """The message is no longer in flight."""
        self.flying -= 1
        if message.group is not None:
            self.flying_groups[message.group] -= 1
            if not self.flying_groups[message.group]:
                del self.flying_groups[message.group]

    # -- time

    def _await_due(self, at: float, messages: list[Message]) -> None:
        self._due.add(at, messages)
        if self.waiters:
            self._wake(self)

    def next_due(self) -> float | None:
        """When a lease or a delay may end next."""
        return self._due.next()

    def promote(self, now: float) -> None:
        """Let every lease and delay that is over end, each at its own moment."""
        for message in self._due.ended(now):
            if message.state is IN_FLIGHT:
                self._land(message)
                self.ledger.add("expire", self.name, [message.reference], message.visible_at)
                self._show(message)
            elif message.state is DELAYED:
                self.delayed -= 1
                self._show(message)

    # -- receipt handles

    def handle(self, message: Message) -> bytes:
        return b"AQEB%x+%x+%b" % (message.number, message.receipt, self.token)

    def _named(self, handle: Any) -> tuple[Message | None, int]:
        """The message that a handle names, if it is still here, and which of its receives. Raises for an invented one."""
        try:
            number, receipt, ending = handle[4:].split("+", 2)
        except (AttributeError, TypeError, ValueError):
            raise bad_handle(handle) from None
        if ending != self._ending:
            raise bad_handle(handle)
        return self.messages.get(int(number, 16)), int(receipt, 16)

    def reference(self, handle: Any) -> Reference:
        """The message that a handle was made for, also when it has left, and which of its receives."""
        message, receipt = self._named(handle)
        if message is not None:
            return message.message_id, receipt
        return self.departed.get(int(handle[4:].partition("+")[0], 16), ""), receipt

    def is_here(self, handle: Any) -> bool:
        return self._named(handle)[0] is not None

    def delete(self, handle: Any, now: float) -> tuple[Reference, bool, bool]:
        """Delete what the handle names, if it still may: the newest handle may, on a standard queue also when its
        lease is over; an older one may not. Answers the reference, whether it is gone by this, and whether the
        handle's lease was alive; leases that are over by `now` must have been ended. Raises for an invented handle.
        """
        message, receipt = self._named(handle)
        if message is None:
            return self.reference(handle), False, False
        if receipt == message.receipt:
            live = message.state is IN_FLIGHT
            done = live or not self.fifo
        else:
            done = live = message.twins.get(receipt, 0.0) > now
        if done:
            self._remove(message)
        return (message.message_id, receipt), done, live

    def _remove(self, message: Message) -> None:
        if message.state is IN_FLIGHT:
            self._land(message)
        self._forget(message)

    def _forget(self, message: Message) -> None:
        if message.state is DELAYED:
            self.delayed -= 1
        message.state = GONE
        del self.messages[message.number]
        if self.ledger.on:
            self.departed[message.number] = message.message_id
        self._due.lost(len(self.messages))

    def change(self, handle: Any, seconds: float, now: float) -> Reference:
        """Let the lease end `seconds` from now. Raises where the handle holds no lease, or beyond twelve hours."""
        self.promote(now)
        message, receipt = self._named(handle)
        if message is not None and receipt != message.receipt and message.twins.get(receipt, 0.0) > now:
            message.twins[receipt] = now + seconds
            return message.message_id, receipt
        if message is None or receipt != message.receipt:
            raise bad_handle(handle) if self.strict else gone_from_flight(handle)
        if message.state is not IN_FLIGHT:
            raise SqsError("MessageNotInflight", "The message referred to is not in flight.")
        if now + seconds > message.received_at + LONGEST_LEASE:
            raise bad_parameter(
                "VisibilityTimeout",
                int(seconds),
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            )
        message.visible_at = now + seconds
        if seconds:
            self._await_due(message.visible_at, [message])
        else:
            self._land(message)
            self._show(message)
        return message.message_id, receipt

    # -- all of them

    def depart(self, message: Message) -> None:
        """Take a message out, for another queue to have."""
        self._remove(message)
        message.visible_at = 0.0

    def waiting(self, now: float, limit: int) -> list[Message]:
        """Up to `limit` visible messages, not handed out: for a move task."""
        self.promote(now)
        ready = (message for message in self.messages.values() if message.state is READY)
        return list(itertools.islice(ready, limit))

    def purge(self, now: float, *, kind: str = "purge") -> None:
        self.ledger.add(kind, self.name, [message.reference for message in self.messages.values()], now)
        for message in self.messages.values():
            message.state = GONE
        self.messages.clear()
        self._ready.clear()
        self._sidelined.clear()
        self._echoes.clear()
        self._due.clear()
        self.flying_groups.clear()
        self.flying = self.delayed = 0

    def sweep(self, now: float) -> None:
        """Let everything that is over its time go, seen or unseen."""
        self.promote(now)
        old = [each for each in self.messages.values() if each.sent_at + self.settings.retention <= now]
        for message in old:
            self._remove(message)
            self.ledger.add("aged", self.name, [message.reference], now)

    def counts(self, now: float) -> tuple[int, int, int]:
        """How many messages are visible, in flight and delayed."""
        self.promote(now)
        return len(self.messages) - self.flying - self.delayed, self.flying, self.delayed
