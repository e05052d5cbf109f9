"""The queue port and its SQS adapter: receive, delete, extend and bury, every `Failed` entry read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from shared.backoff import LONGEST_VISIBILITY_TIMEOUT
from shared.message.dead_letter import Letter
from shared.message.delivery import Delivery, from_poll, written
from shared.sqs.batches import BATCH, Refused, in_chunks
from shared.telemetry import tracing

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

MARGIN = 30.0
"""Seconds kept clear of SQS's twelve hours."""
HELD_BY_LAMBDA = 1_200.0
"""Seconds that a message may have been held before we know of it: Lambda's longest window and longest run."""


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

    @property
    def resource_name(self) -> str:
        """The queue's own name, with which its URL and its ARN end."""
        return self._url.rstrip("/").rsplit("/", 1)[-1]

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

        return await in_chunks(deliveries, call)

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

        return await in_chunks(deliveries, call)

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
