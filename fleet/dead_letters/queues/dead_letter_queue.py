"""The dead-letter queue as a replay uses it: receive, give back, delete, send; batched, every `Failed` entry read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.queues.own_policy import OwnPolicy
from shared.message.delivery import Attribute

if TYPE_CHECKING:
    from types_aiobotocore_lambda import LambdaClient
    from types_aiobotocore_sqs import SQSClient

BATCH = 10
MOST_IN_FLIGHT, MOST_IN_FLIGHT_FIFO = 120_000, 20_000
"""Letters of one queue that may be hidden at a time:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"""
LARGEST_CALL = 1_048_576  # bytes of all messages of one batch call
TRIES = 5
AT_ONCE = 8
"""Batch calls in flight together."""


class Box(Protocol):
    """A dead-letter queue. Batch calls take any number and answer the ids that were refused."""

    async def receive(self, *, visibility: int, wait: int) -> list[DeadLetter]: ...
    async def show(self, letters: Sequence[DeadLetter], *, after: int = 0) -> set[str]: ...
    async def delete(self, letters: Sequence[DeadLetter]) -> set[str]: ...
    async def count(self) -> tuple[int, int]: ...


class Post(Protocol):
    """Sends parcels to an ARN; answers the ids of those that were not accepted, also when tried again."""

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> set[str]: ...


class SqsBox:
    """One dead-letter queue through an aiobotocore client. `own_policy`: receives of a letter at which reading stops."""

    def __init__(self, client: SQSClient, *, url: str, own_policy: int | None = None) -> None:
        self._client = client
        self._url = url
        self._own_policy = own_policy

    async def receive(self, *, visibility: int, wait: int) -> list[DeadLetter]:
        """Up to ten letters, hidden from others for `visibility` seconds; none where no more may be in flight.

        Raises OwnPolicy before it receives where none may be received, and where one was received too often, after it
        has given these back.
        """
        if self._own_policy == 0:
            raise OwnPolicy("nothing was read: the queue's own redrive policy would move letters away")
        try:
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=wait,
                VisibilityTimeout=visibility,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
        except ClientError as error:
            if error.response["Error"]["Code"].endswith("OverLimit"):
                return []  # what was not seen makes the look incomplete, and that is said
            raise
        letters = [from_message(message) for message in answer.get("Messages", [])]
        received = max((each.receives for each in letters), default=0)
        if self._own_policy is not None and received >= self._own_policy:
            await self.show(letters)
            raise OwnPolicy(
                f"stopped, and all was given back: a letter was received {received} times, "
                f"and the queue's own redrive policy moves them away after twice {self._own_policy}. "
                "Raise its maxReceiveCount, or take the policy off while you look"
            )
        return letters

    async def show(self, letters: Sequence[DeadLetter], *, after: int = 0) -> set[str]:
        """Give letters back: visible `after` seconds from now. What is refused is visible already."""

        async def call(chunk: Sequence[DeadLetter]) -> Any:
            entries: list[Any] = [
                {"Id": str(place), "ReceiptHandle": each.receipt_handle, "VisibilityTimeout": after}
                for place, each in enumerate(chunk)
            ]
            return await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

        return await _in_chunks(letters, call)

    async def delete(self, letters: Sequence[DeadLetter]) -> set[str]:
        async def call(chunk: Sequence[DeadLetter]) -> Any:
            entries: list[Any] = [
                {"Id": str(place), "ReceiptHandle": each.receipt_handle} for place, each in enumerate(chunk)
            ]
            return await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

        return await _in_chunks(letters, call)

    async def count(self) -> tuple[int, int]:
        """(visible, in flight or delayed), as SQS approximates them."""
        return await counted(self._client, self._url)


class SqsPost:
    """Sends to queues by ARN, and to Lambda functions asynchronously, once each."""

    def __init__(
        self,
        client: SQSClient,
        *,
        urls: Mapping[str, str],
        functions: Callable[[], Awaitable[LambdaClient]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._urls = urls
        self._functions = functions
        self._sleep = sleep

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> set[str]:
        if ":lambda:" in destination:
            return await self._invoke(destination, parcels)
        failed: set[str] = set()
        for chunk in _fitting(parcels):
            failed |= await self._send(self._urls[destination], chunk)
        return failed

    async def _send(self, url: str, parcels: Sequence[Parcel]) -> set[str]:
        left = {str(place): each for place, each in enumerate(parcels)}
        for attempt in range(TRIES):
            entries: list[Any] = [{"Id": place, **_entry(each, url)} for place, each in left.items()]
            answer = await self._client.send_message_batch(QueueUrl=url, Entries=entries)
            faults = {fault["Id"]: fault for fault in answer.get("Failed", [])}
            left = {place: each for place, each in left.items() if place in faults}
            if not left:
                return set()
            if all(fault.get("SenderFault") for fault in faults.values()):
                break  # the same message would be refused again
            await self._sleep(0.1 * 2**attempt)
        return {each.id for each in left.values()}

    async def _invoke(self, function: str, parcels: Sequence[Parcel]) -> set[str]:
        """One by one: what was taken stays taken, also where the next one is refused."""
        client = await self._functions()
        failed: set[str] = set()
        for each in parcels:
            try:
                await client.invoke(FunctionName=function, InvocationType="Event", Payload=each.body.encode())
            except ClientError:
                failed.add(each.id)
        return failed


async def counted(client: SQSClient, url: str) -> tuple[int, int]:
    answer = await client.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )
    found = {name: int(value) for name, value in answer["Attributes"].items()}
    hidden = found.get("ApproximateNumberOfMessagesNotVisible", 0) + found.get("ApproximateNumberOfMessagesDelayed", 0)
    return found.get("ApproximateNumberOfMessages", 0), hidden


def from_message(message: Mapping[str, Any]) -> DeadLetter:
    """Read one entry of a ReceiveMessage response."""
    system = message.get("Attributes", {})
    return DeadLetter(
        id=message["MessageId"],
        body=message["Body"],
        attributes={
            name: Attribute(value["DataType"], value.get("StringValue"), value.get("BinaryValue"))
            for name, value in message.get("MessageAttributes", {}).items()
        },
        sent_at=int(system.get("SentTimestamp", "0")) / 1000,
        receives=int(system.get("ApproximateReceiveCount", "1")),
        moved_from=system.get("DeadLetterQueueSourceArn", ""),
        group=system.get("MessageGroupId", ""),
        receipt_handle=message["ReceiptHandle"],
    )


def _entry(each: Parcel, url: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "MessageBody": each.body,
        "MessageAttributes": {
            name: {"DataType": value.data_type, "BinaryValue": value.binary}
            if value.binary is not None
            else {"DataType": value.data_type, "StringValue": value.text or ""}
            for name, value in each.attributes.items()
        },
    }
    if url.endswith(".fifo"):
        entry |= {"MessageGroupId": each.group or each.id, "MessageDeduplicationId": each.deduplication}
    elif each.group:
        entry["MessageGroupId"] = each.group
    return entry


def _fitting(parcels: Sequence[Parcel]) -> Iterator[list[Parcel]]:
    """Chunks of at most ten messages and one mebibyte."""
    chunk: list[Parcel] = []
    size = 0
    for each in parcels:
        if chunk and (len(chunk) == BATCH or size + each.size > LARGEST_CALL):
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += each.size
    if chunk:
        yield chunk


async def _in_chunks(letters: Sequence[DeadLetter], call: Callable[[Sequence[DeadLetter]], Awaitable[Any]]) -> set[str]:
    chunks = [letters[start : start + BATCH] for start in range(0, len(letters), BATCH)]
    refused: set[str] = set()
    for start in range(0, len(chunks), AT_ONCE):
        some = chunks[start : start + AT_ONCE]
        answers = await asyncio.gather(*(call(chunk) for chunk in some))
        for chunk, answer in zip(some, answers, strict=True):
            refused |= {chunk[int(fault["Id"])].id for fault in answer.get("Failed", [])}
    return refused
