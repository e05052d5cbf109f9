"""ReceiveMessage: what is asked, what is answered, and who waits for messages to come."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from tests.sqs_server.account import Account
from tests.sqs_server.call import Call
from tests.sqs_server.content import selected
from tests.sqs_server.errors import SqsError, bad_parameter, no_queue
from tests.sqs_server.fifo import FifoQueue
from tests.sqs_server.message import Message, members_of
from tests.sqs_server.queue import Queue

EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Ask:
    """One receive request, read and checked; None leaves a time to the queue's attribute."""

    url: str
    limit: int
    wait: float | None
    visibility: float | None
    system: frozenset[str]
    attributes: tuple[str, ...]
    attempt: str


@lru_cache(maxsize=1_000)
def ask_of(body: bytes) -> Ask:
    """A consumer asks the same all day: each request is read once. Raises where SQS refuses it."""
    params = orjson.loads(body)
    return Ask(
        url=params.get("QueueUrl") or "",
        limit=_number(params, "MaxNumberOfMessages", 1, 10) or 1,
        wait=_number(params, "WaitTimeSeconds", 0, 20),
        visibility=_number(params, "VisibilityTimeout", 0, 43_200),
        system=frozenset(params.get("AttributeNames") or ())
        | frozenset(params.get("MessageSystemAttributeNames") or ()),
        attributes=tuple(params.get("MessageAttributeNames") or ()),
        attempt=params.get("ReceiveRequestAttemptId") or "",
    )


def _number(params: dict[str, Any], name: str, least: int, most: int) -> int | None:
    value = params.get(name)
    if value is not None and (not isinstance(value, int) or not least <= value <= most):
        raise bad_parameter(name, value, f"Must be between {least} and {most}, if provided.")
    return value


class Waiting:
    """A receive that found nothing yet."""

    __slots__ = ("ask", "call", "done", "timer")

    def __init__(self, ask: Ask, call: Call) -> None:
        self.ask = ask
        self.call = call
        self.done = False
        self.timer: asyncio.TimerHandle | None = None

    def end(self) -> None:
        self.done = True
        if self.timer is not None:
            self.timer.cancel()


class Polls:
    """Every receive of the account. An open one is answered with the first messages that come; in the order of asking."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._timers: dict[Queue, asyncio.TimerHandle] = {}

    def receive(self, ask: Ask, call: Call) -> bytes | None:
        """The answer, or None where the call waits now."""
        queue = self._account.at(ask.url)
        limit = self._account.options.in_flight_limit
        if queue.flying >= limit and not queue.fifo:
            queue.promote(call.now)
            if queue.flying >= limit:
                raise SqsError("OverLimit", "Too many messages in flight: delete some before receiving more.")
        _forget_gone(queue)
        if not queue.waiters and (messages := self._take(queue, ask, call)):
            return written(queue, messages, ask)
        seconds = queue.settings.wait if ask.wait is None else ask.wait
        if not seconds:
            return EMPTY if queue.waiters else written(queue, self._take(queue, ask, call), ask)
        waiting = Waiting(ask, call)
        waiting.timer = asyncio.get_running_loop().call_later(seconds, self._give_up, waiting)
        call.on_gone = waiting.end
        queue.waiters.append(waiting)
        if len(queue.waiters) == 1:  # nothing was there a moment ago; for those who waited before, a look is arranged
            self._arm(queue)
        return None

    def open(self, queue: Queue) -> int:
        """How many receives wait at this queue now."""
        return sum(not waiting.done for waiting in queue.waiters)

    def wake(self, queue: Queue) -> None:
        """Let those who wait at this queue look again, soon."""
        if not queue.waking:
            queue.waking = True
            asyncio.get_running_loop().call_soon(self._serve, queue)

    def _serve(self, queue: Queue) -> None:
        queue.waking = False
        waiters = queue.waiters
        is_gone = self._account.queues.get(queue.name) is not queue
        while waiters:
            waiting = waiters[0]
            if not waiting.done and is_gone:
                waiting.end()
                waiting.call.refuse(no_queue())
            elif not waiting.done:
                waiting.call.now = self._account.clock.now()
                messages = self._take(queue, waiting.ask, waiting.call)
                if not messages:
                    break
                waiting.end()
                waiting.call.answer(written(queue, messages, waiting.ask))
            waiters.popleft()
        self._arm(queue)

    def _arm(self, queue: Queue) -> None:
        """Look again when the next lease or delay ends."""
        if (timer := self._timers.pop(queue, None)) is not None:
            timer.cancel()
        due = queue.next_due() if queue.waiters else None
        if due is not None:
            seconds = max(0.0, due - self._account.clock.now()) + 0.001
            self._timers[queue] = asyncio.get_running_loop().call_later(seconds, self.wake, queue)

    def _give_up(self, waiting: Waiting) -> None:
        waiting.end()
        waiting.call.answer(EMPTY)

    def _take(self, queue: Queue, ask: Ask, call: Call) -> list[Message]:
        visibility = queue.settings.visibility if ask.visibility is None else ask.visibility
        limit = min(ask.limit, self._account.options.in_flight_limit - queue.flying)
        if ask.attempt and isinstance(queue, FifoQueue):
            again = queue.take_again(ask.attempt, visibility, call.now)
            if again:
                return again
        echo = call.plan.echoes if call.plan is not None else None
        messages = queue.take(limit, visibility, call.now, echo=echo)
        if ask.attempt and messages and isinstance(queue, FifoQueue):
            queue.note_attempt(ask.attempt, messages, call.now)
        return messages


def _forget_gone(queue: Queue) -> None:
    while queue.waiters and queue.waiters[0].done:
        queue.waiters.popleft()


def written(queue: Queue, messages: list[Message], ask: Ask) -> bytes:
    """The answer to a receive."""
    if not messages:
        return EMPTY
    if "All" in ask.system and "All" in ask.attributes:
        entries = [_whole(each, queue.token) for each in messages]
    else:
        entries = [_part(each, queue.token, ask) for each in messages]
    return b'{"Messages":[%b]}' % b",".join(entries)


def _whole(message: Message, token: bytes) -> bytes:
    return (
        b'%b,"ReceiptHandle":"AQEB%x+%x+%b","Attributes":{%b,"ApproximateReceiveCount":"%d",'
        b'"ApproximateFirstReceiveTimestamp":"%d"}%b}'
    ) % (
        message.written_body,
        message.number,
        message.receipt,
        token,
        message.written_system,
        message.receives,
        message.first_received,
        message.written_attributes,
    )


def _part(message: Message, token: bytes, ask: Ask) -> bytes:
    """With those attributes that were asked for."""
    found = {
        **message.system,
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(message.first_received),
    }
    every = "All" in ask.system
    chosen = {name: value for name, value in found.items() if every or name in ask.system}
    system = b',"Attributes":%b' % orjson.dumps(chosen) if chosen else b""
    attributes = members_of(selected(message.attributes, ask.attributes))
    handle = (message.number, message.receipt, token)
    return b'%b,"ReceiptHandle":"AQEB%x+%x+%b"%b%b}' % (message.written_body, *handle, system, attributes)
