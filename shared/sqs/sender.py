"""Messages sent to a queue: in few calls, with the trace, large bodies through S3, and every `Failed` entry again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute, to_sqs
from shared.message.pointer import Payloads, belongs_in_s3, size, too_large
from shared.outcome import Unavailable, code_of, is_outage, status_of
from shared.sqs.batches import BATCH, refused_entries
from shared.sqs.gathering import Gathering
from shared.telemetry import message_log, metrics, tracing

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

LARGEST_CALL = LARGEST_MESSAGE
"""Bytes of all bodies and attributes of one SendMessageBatch call: SQS sets the same limit to one message."""

TRIES = 5
"""Calls for a message that is refused again and again."""
PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds before the second call, at most, and before any: twice as long from one to the next, with full jitter."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to send; `delay` in whole seconds (0 to 900), `group` a fair-queue or FIFO MessageGroupId."""

    body: str
    delay: int = 0
    group: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


class Send(Protocol):
    """How a handler puts messages on another queue: all of them, or it raises and nothing may be settled."""

    async def __call__(self, messages: Sequence[Message]) -> None: ...


OF_THE_MESSAGE = frozenset(
    {
        "InvalidMessageContents",
        "InvalidParameterValue",
        "InvalidAttributeName",
        "InvalidAttributeValue",
        "MissingParameter",
        "BatchRequestTooLong",
        "UnsupportedOperation",
    }
)
"""Codes with which SQS refuses an entry for what it is. Any other says nothing of it: a throttle, a fault of theirs, a key."""


class NotSent(Unavailable):
    """SQS refused messages of a send, also when tried again; `codes` say why. `is_final`: one of them will never be taken as it is."""

    def __init__(self, queue: str, codes: Sequence[str]) -> None:
        final = [code for code in codes if code.rpartition(".")[2] in OF_THE_MESSAGE]
        why, self.is_final = ", ".join(sorted(set(codes))), bool(final)
        # With 400 it is not an outage, and whoever sends it has failed.
        super().__init__(
            f"{len(codes)} messages were not accepted by {queue}: {why}",
            code=(final or codes)[0],
            status=400 if final else 503,
        )


class SqsSender:
    """Sends to one queue in as few batch calls as fit; carries the trace; tries refused entries again.

    What several send at the same time shares calls: what comes while one is open waits for others, 10 ms at most. To a FIFO
    queue each sends alone, since order is kept. A message that makes SQS refuse a whole call costs its own send alone.
    `refused` hears the code of a message that an answered call refused, again and again, for a reason that is not the message's.
    """

    def __init__(
        self,
        client: SQSClient,
        *,
        name: str,
        url: str,
        payloads: Payloads | None = None,
        refused: Callable[[str], None] = lambda _code: None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._dice = dice
        self._refused = refused
        self._name = name
        self._url = url
        self._payloads = payloads
        self._is_fifo = url.endswith(".fifo")
        self._calls = Gathering[Sequence[_Entry], dict[int, str]](
            self._call, entries=BATCH, size=LARGEST_CALL, may_be_one=_is_of_what_was_asked
        )

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Raises NotSent, TooLarge before anything is sent, or botocore's error. An empty sequence sends nothing."""
        if not messages:
            return
        with tracing.sending(self._name, count=len(messages)):
            # Every large body is in S3 before the first message is sent: a crash between leaves objects, no lost body.
            light = [await self._offload(each) for each in messages]
            for chunk in _fitting(self._entries(light)):
                await self._send(chunk)
        metrics.sent(queue=self._name, count=len(messages))

    async def _offload(self, message: Message) -> Message:
        size_in_bytes = size(message.body, message.attributes)
        if self._payloads is None and size_in_bytes > LARGEST_MESSAGE:
            raise too_large(size_in_bytes)
        if self._payloads is None or not belongs_in_s3(
            size_in_bytes, message.attributes, threshold=self._payloads.threshold
        ):
            return message
        body, attributes = await self._payloads.check_in(message.body, message.attributes)
        return replace(message, body=body, attributes=attributes)

    def _entries(self, messages: Sequence[Message]) -> list[_Entry]:
        if len(messages) == 1:
            return [_entry(messages[0])]
        entries = []
        for message in messages:
            with tracing.creating(self._name):
                entries.append(_entry(message))
        return entries

    async def _send(self, entries: Sequence[_Entry]) -> None:
        left, refused = entries, dict[int, str]()
        for tried in range(TRIES):
            if tried:
                await asyncio.sleep(self._dice() * min(LONGEST_PAUSE, PAUSE * 2 ** (tried - 1)))
            if not (refused := await self._ask(left)):
                return
            left = [left[place] for place in refused]
        failure = NotSent(self._name, [*refused.values()])
        if not failure.is_final:
            self._refused(code_of(failure))
        raise failure

    async def _ask(self, entries: Sequence[_Entry]) -> dict[int, str]:
        """The places of those that were refused, each with its code."""
        if self._is_fifo:
            return (await self._call([entries]))[0]
        return await self._calls.ask(entries, size=sum(each.size for each in entries), entries=len(entries))

    async def _call(self, sends: Sequence[Sequence[_Entry]]) -> list[dict[int, str]]:
        """One call for several sends: what was refused of each, by its place there."""
        every = [each for entries in sends for each in entries]
        batch: list[Any] = [{**each.fields, "Id": str(place)} for place, each in enumerate(every)]
        answer: object = await self._client.send_message_batch(QueueUrl=self._url, Entries=batch)
        refused = refused_entries(answer, len(every), due="MessageId")
        found, start = [], 0
        for entries in sends:
            places = range(start, start + len(entries))
            found.append({place - start: refused[place] for place in places if place in refused})
            start += len(entries)
        return found


def _is_of_what_was_asked(error: Exception) -> bool:
    """Whether a call was refused for its content, which may be one message's: nothing of it was sent."""
    return 400 <= (status_of(error) or 0) < 500 and not is_outage(error)


@dataclass(frozen=True, slots=True)
class _Entry:
    fields: dict[str, Any]
    size: int


def _entry(message: Message) -> _Entry:
    """A message as SQS takes it, with the current correlation id and trace: ten attributes and one MiB at most, or first the one stays
    out, then the other.

    AWSTraceHeader always fits, because SQS counts it in neither.
    """
    own, traced = message.attributes, tracing.carried()
    size_in_bytes = size(message.body, attributes := {**message_log.correlated(), **own, **traced})
    for fewer in ({**own, **traced}, dict(own)):
        if len(attributes) > MOST_ATTRIBUTES or size_in_bytes > LARGEST_CALL:
            size_in_bytes = size(message.body, attributes := fewer)
    fields: dict[str, Any] = {"MessageBody": message.body, "MessageAttributes": to_sqs(attributes)}
    if message.delay:
        fields["DelaySeconds"] = message.delay
    if message.group:
        fields["MessageGroupId"] = message.group
    if header := tracing.x_ray_header():
        fields["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
    return _Entry(fields, size_in_bytes)


def _fitting(entries: Sequence[_Entry]) -> list[list[_Entry]]:
    """Ten entries and one MiB at most in a call."""
    calls: list[list[_Entry]] = []
    room = 0
    for entry in entries:
        if not calls or len(calls[-1]) == BATCH or entry.size > room:
            calls.append([])
            room = LARGEST_CALL
        calls[-1].append(entry)
        room -= entry.size
    return calls
