"""The queue port and its SQS adapter: receive, delete, extend, bury and send, every `Failed` entry read."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT
from shared.burial import Letter
from shared.claim_check import Payloads, goes, refused, size
from shared.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute, Delivery, from_poll, written
from shared.telemetry import metrics, tracing

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

BATCH = 10
"""Entries SQS takes in one batch call."""
LARGEST_CALL = LARGEST_MESSAGE
"""Bytes of all bodies and attributes of one SendMessageBatch call: SQS sets the same limit to one message."""
MARGIN = 30.0
"""Seconds kept clear of SQS's twelve hours."""
HELD_BY_LAMBDA = 1_200.0
"""Seconds that a message may have been held before we know of it: Lambda's longest window and longest run."""

LOST = frozenset({"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"})
"""Codes with which SQS says that a receipt handle is no longer ours, spelt without the query protocol's prefix."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to send; `delay` in whole seconds (0 to 900), `group` a fair-queue or FIFO MessageGroupId."""

    body: str
    delay: int = 0
    group: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """One entry of a batch that SQS did not carry out; `lost` when the receipt handle has lost its lease."""

    delivery: Delivery
    code: str
    lost: bool


class Send(Protocol):
    """How a handler puts messages on another queue: all of them, or it raises and nothing may be settled."""

    async def __call__(self, messages: Sequence[Message]) -> None: ...


class Queue(Protocol):
    """What the road needs of a queue. Batch calls take any number and return what was refused; a call raises
    only where nothing of it can have happened (no connection, no permission).
    """

    @property
    def name(self) -> str: ...
    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]: ...
    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]: ...
    async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]: ...
    async def bury(self, letter: Letter) -> None: ...


class NotSent(Exception):
    """SQS refused messages of a send, also when tried again; `codes` say why."""

    def __init__(self, queue: str, codes: Sequence[str]) -> None:
        super().__init__(f"{len(codes)} messages were not accepted by {queue}: {', '.join(sorted(set(codes)))}")


class SqsQueue:
    """One queue and its dead-letter queue, through an aiobotocore client that others may share."""

    def __init__(
        self,
        client: SQSClient,
        *,
        name: str,
        url: str,
        dead_letter_url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = name
        self._url = url
        self._dead_letter_url = dead_letter_url
        self._clock = clock

    @property
    def name(self) -> str:
        return self._name

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        """Up to ten messages, after waiting at most `wait` seconds, leased for `visibility` seconds."""
        asked_at = self._clock()  # the lease is counted from the question: early, never late
        answer = await self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(limit, BATCH),
            WaitTimeSeconds=wait,
            VisibilityTimeout=visibility,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        ended_at = self._clock()
        # A long poll may have waited, so the lease did not begin with the question; the answer may have been slow, so it
        # did not begin with the answer: up to a third of the lease is allowed for that.
        leased_at = max(asked_at, ended_at - visibility / 3)
        messages = answer.get("Messages", [])
        deliveries = [from_poll(message, queue=self._name, received_at=leased_at) for message in messages]
        if deliveries:
            tracing.received(deliveries, seconds=ended_at - asked_at)
        return deliveries

    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        async def call(chunk: Sequence[Delivery]) -> Any:
            entries: list[Any] = [
                {"Id": str(place), "ReceiptHandle": each.receipt_handle} for place, each in enumerate(chunk)
            ]
            return await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

        return await _in_chunks(deliveries, call)

    async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
        """Make the leases end `seconds` from now, or at SQS's twelve hours; 0 gives the messages back at once."""

        async def call(chunk: Sequence[Delivery]) -> Any:
            entries: list[Any] = [
                {
                    "Id": str(place),
                    "ReceiptHandle": each.receipt_handle,
                    "VisibilityTimeout": self._allowed(each, seconds),
                }
                for place, each in enumerate(chunk)
            ]
            return await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

        return await _in_chunks(deliveries, call)

    def _allowed(self, delivery: Delivery, seconds: float) -> int:
        # SQS counts twelve hours from the receive and refuses what is beyond, which would bring the message back soon.
        held = self._clock() - delivery.received_at if delivery.received_at else HELD_BY_LAMBDA
        return max(0, round(min(seconds, LONGEST_VISIBILITY_TIMEOUT - MARGIN - held)))

    async def bury(self, letter: Letter) -> None:
        """Send a letter to the dead-letter queue; raises where that is not certain."""
        options: dict[str, Any] = {"MessageGroupId": letter.group} if letter.group else {}
        if self._dead_letter_url.endswith(".fifo"):  # one letter for each message that died, however often it is sent
            options["MessageDeduplicationId"] = letter.message_id
        if letter.trace_header:
            options["MessageSystemAttributes"] = {
                "AWSTraceHeader": {"DataType": "String", "StringValue": letter.trace_header}
            }
        await self._client.send_message(
            QueueUrl=self._dead_letter_url,
            MessageBody=letter.body,
            MessageAttributes=written(letter.attributes),
            **options,
        )


class SqsSender:
    """Sends to one queue in as few batch calls as fit; carries the trace; tries refused entries again."""

    def __init__(self, client: SQSClient, *, name: str, url: str, payloads: Payloads | None = None) -> None:
        self._client = client
        self._name = name
        self._url = url
        self._payloads = payloads

    async def __call__(self, messages: Sequence[Message]) -> None:
        """Raises NotSent, TooLarge before anything is sent, or botocore's error. An empty sequence sends nothing."""
        if not messages:
            return
        with tracing.sending(self._name, count=len(messages)):
            # Every large body is in S3 before the first message is sent: a crash between leaves objects, no lost body.
            light = [await self._lightened(each) for each in messages]
            for chunk in _fitting(self._entries(light)):
                await self._send(chunk)
        metrics.sent(queue=self._name, count=len(messages))

    async def _lightened(self, message: Message) -> Message:
        told = size(message.body, message.attributes)
        if self._payloads is None and told > LARGEST_MESSAGE:
            raise refused(told)
        if self._payloads is None or not goes(told, message.attributes, threshold=self._payloads.threshold):
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

    async def _send(self, entries: list[dict[str, Any]]) -> None:
        left = [{**entry, "Id": str(place)} for place, entry in enumerate(entries)]
        codes: list[str] = []
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(5),
                wait=wait_random_exponential(multiplier=0.1, max=2),
                retry=retry_if_exception_type(_SomeRefused),
            ):
                with attempt:
                    batch: list[Any] = left
                    answer = await self._client.send_message_batch(QueueUrl=self._url, Entries=batch)
                    failed = {entry["Id"]: entry.get("Code", "") for entry in answer.get("Failed", [])}
                    left = [entry for entry in left if entry["Id"] in failed]
                    codes = list(failed.values())
                    if left:
                        raise _SomeRefused
        except RetryError as error:
            raise NotSent(self._name, codes) from error


class _SomeRefused(Exception):
    """Entries of a send batch came back as failed."""


@dataclass(frozen=True, slots=True)
class _Entry:
    fields: dict[str, Any]
    size: int


def _entry(message: Message) -> _Entry:
    """A message as SQS takes it, with the current trace: ten attributes and one MiB at most, or the trace stays out.

    AWSTraceHeader always fits, because SQS counts it in neither.
    """
    attributes = {**message.attributes, **tracing.carried()}
    told = size(message.body, attributes)
    if len(attributes) > MOST_ATTRIBUTES or told > LARGEST_CALL:
        attributes, told = dict(message.attributes), size(message.body, message.attributes)
    fields: dict[str, Any] = {"MessageBody": message.body, "MessageAttributes": written(attributes)}
    if message.delay:
        fields["DelaySeconds"] = message.delay
    if message.group:
        fields["MessageGroupId"] = message.group
    if header := tracing.x_ray_header():
        fields["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": header}}
    return _Entry(fields, told)


def _fitting(entries: Sequence[_Entry]) -> list[list[dict[str, Any]]]:
    """Ten entries and one MiB at most in a call."""
    calls: list[list[dict[str, Any]]] = []
    room = 0
    for entry in entries:
        if not calls or len(calls[-1]) == BATCH or entry.size > room:
            calls.append([])
            room = LARGEST_CALL
        calls[-1].append(entry.fields)
        room -= entry.size
    return calls


async def _in_chunks(
    deliveries: Sequence[Delivery], call: Callable[[Sequence[Delivery]], Awaitable[Any]]
) -> list[Refused]:
    """Ten in a call, all calls at once. A call that fails whole refuses its own ten; raises where every call failed."""
    chunks = [deliveries[start : start + BATCH] for start in range(0, len(deliveries), BATCH)]
    answers = await asyncio.gather(*(call(chunk) for chunk in chunks), return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if errors and len(errors) == len(chunks):
        raise errors[0]
    refused: list[Refused] = []
    for chunk, answer in zip(chunks, answers, strict=True):
        if isinstance(answer, BaseException):
            refused += [Refused(each, type(answer).__name__, lost=False) for each in chunk]
        else:
            refused += _refused(chunk, answer.get("Failed", []))
    return refused


def _refused(chunk: Sequence[Delivery], failed: Sequence[Mapping[str, Any]]) -> list[Refused]:
    return [
        Refused(chunk[int(entry["Id"])], code, lost=is_lost(code))
        for entry in failed
        for code in [str(entry.get("Code", ""))]
    ]


def is_lost(code: str) -> bool:
    """True where this error code means that the lease is gone, in either of SQS's protocols."""
    return re.split("[.#]", code)[-1] in LOST
