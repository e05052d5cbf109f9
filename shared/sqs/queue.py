"""The queue port and its SQS adapter: receive, delete, extend and bury, every `Failed` entry read."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT
from shared.clock import lease_time
from shared.message.dead_letter import Letter
from shared.message.delivery import Delivery, from_poll, to_sqs
from shared.sqs.batches import BATCH, MalformedAnswer, Refused, in_chunks
from shared.telemetry import metrics, tracing

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

log = structlog.get_logger()

MARGIN = 30.0
"""Seconds kept clear of SQS's twelve hours."""
ATTEMPT_KNOWN = 270.0
"""Seconds for which a ReceiveRequestAttemptId is used again: SQS knows it for five minutes."""
HELD_BY_LAMBDA = 1_200.0
"""Seconds that a message may have been held before we know of it: Lambda's longest window and longest run."""


ODD_FOR = 300.0
"""Seconds without a message of another shape after which the next one is warned of again; all are counted."""


class Queue(Protocol):
    """What the road needs of a queue. Batch calls take any number and return what was refused; a call raises
    only where nothing of it can have happened (no connection, no permission).
    """

    @property
    def name(self) -> str: ...
    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]: ...
    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]: ...
    async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]: ...
    async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]: ...
    async def bury(self, letter: Letter) -> None: ...


class ReceiveAttempts:
    """The ReceiveRequestAttemptId of each receive from a FIFO queue. A receive whose answer was lost has hidden its
    messages, and their whole groups: asked again under the same id within five minutes, SQS gives them once more.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
    """

    def __init__(self, *, fifo: bool) -> None:
        self.fifo = fifo
        self._failed: list[tuple[float, str]] = []

    @contextmanager
    def one(self, *, now: float) -> Iterator[dict[str, Any]]:
        """The option of one receive; its id is used again where this block ends with an error. None for a standard queue."""
        if not self.fifo:
            yield {}
            return
        self._failed = [each for each in self._failed if now - each[0] < ATTEMPT_KNOWN]
        began, attempt = self._failed.pop(0) if self._failed else (now, uuid.uuid4().hex)
        try:
            yield {"ReceiveRequestAttemptId": attempt}
        except BaseException:
            self._failed.append((began, attempt))
            raise


class SqsQueue:
    """One queue and its dead-letter queue, through an aiobotocore client that others may share."""

    def __init__(
        self,
        client: SQSClient,
        *,
        name: str,
        url: str,
        dead_letter_url: str,
        clock: Callable[[], float] = lease_time,
    ) -> None:
        self._client = client
        self._name = name
        self._url = url
        self._dead_letter_url = dead_letter_url
        self._clock = clock
        self._attempts = ReceiveAttempts(fifo=url.endswith(".fifo"))
        self._odd_at = -ODD_FOR

    @property
    def name(self) -> str:
        return self._name

    @property
    def resource_name(self) -> str:
        """The queue's own name, with which its URL and its ARN end."""
        return self._url.rstrip("/").rsplit("/", 1)[-1]

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        """Up to ten messages, after waiting at most `wait` seconds, leased for `visibility` seconds."""
        # SQS may have given the lease as soon as it was asked, and the answer may have lain here while this process stood
        # still: no later moment is certain. What is dead on arrival is not started.
        asked_at = self._clock()
        with self._attempts.one(now=asked_at) as options:
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, BATCH),
                WaitTimeSeconds=wait,
                VisibilityTimeout=visibility,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
                **options,
            )
            deliveries = self._read(answer, received_at=asked_at)
        ended_at = self._clock()
        if deliveries:
            tracing.received(deliveries, seconds=ended_at - asked_at)
        return deliveries

    def _read(self, answer: object, *, received_at: float) -> list[Delivery]:
        """Raises MalformedAnswer where that is not an answer to a receive: it must not be taken for an empty queue."""
        messages = (answer.get("Messages") or []) if isinstance(answer, Mapping) else None
        if not isinstance(messages, list):
            raise MalformedAnswer("ReceiveMessage: `Messages` is not a list")
        deliveries = []
        for message in messages:
            try:
                deliveries.append(from_poll(message, queue=self._name, received_at=received_at))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                # It cannot be settled without its handle; its own visibility timeout brings it back.
                self._tell_odd(error)
                if self._attempts.fifo:
                    break  # nothing of its group may overtake it, and which group that is cannot be read
        return deliveries

    def _tell_odd(self, error: Exception) -> None:
        now = self._clock()
        tell = log.warning if now - self._odd_at >= ODD_FOR else log.debug
        tell("message_unreadable", queue=self._name, error_type=type(error).__name__)
        self._odd_at = now
        metrics.unreadable(queue=self._name)

    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        async def call(chunk: Sequence[Delivery]) -> Any:
            entries: list[Any] = [
                {"Id": str(place), "ReceiptHandle": each.receipt_handle} for place, each in enumerate(chunk)
            ]
            return await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

        return await in_chunks(deliveries, call)

    async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
        """Make the leases end `seconds` from now, or at SQS's twelve hours."""
        return await self.release(dict.fromkeys(deliveries, seconds))

    async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
        """Let each message be seen again so many seconds from now, or at SQS's twelve hours; 0 gives it back at once."""

        async def call(chunk: Sequence[Delivery]) -> Any:
            entries: list[Any] = [
                {
                    "Id": str(place),
                    "ReceiptHandle": each.receipt_handle,
                    "VisibilityTimeout": self._allowed(each, seconds[each]),
                }
                for place, each in enumerate(chunk)
            ]
            return await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

        return await in_chunks([*seconds], call)

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
        answer: object = await self._client.send_message(
            QueueUrl=self._dead_letter_url,
            MessageBody=letter.body,
            MessageAttributes=to_sqs(letter.attributes),
            **options,
        )
        if not isinstance(answer, Mapping) or not answer.get("MessageId"):
            raise MalformedAnswer("SendMessage: the answer has no MessageId")
