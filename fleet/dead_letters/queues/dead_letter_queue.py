"""The dead-letter queue as a replay uses it: receive, give back, delete; batched, every entry of an answer read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from fleet.dead_letters.model.letter import DeadLetter, sha256
from fleet.dead_letters.model.plan.mark import verified
from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.queues.catalog import number
from fleet.dead_letters.queues.own_policy import OwnPolicy
from shared.message.delivery import Attribute
from shared.sqs.batches import BATCH, is_lost, refused_entries

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

MOST_IN_FLIGHT, MOST_IN_FLIGHT_FIFO = 120_000, 20_000
"""Letters of one queue that may be hidden at a time:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html"""
LATEST, MOST_RECEIVES, MOST_DIGITS = 32_503_680_000_000, 10**9, 20
"""A SentTimestamp beyond the year 3000 (epoch milliseconds), a receive count above that, and numbers with more digits are not SQS's."""
AT_ONCE = 8
"""Batch calls in flight together."""


class Box(Protocol):
    """A dead-letter queue. Batch calls take any number and answer the ids that were refused."""

    async def receive(self, *, visibility: int, wait: int) -> list[DeadLetter]: ...
    async def show(self, letters: Sequence[DeadLetter], *, after: int = 0) -> set[str]: ...
    async def delete(self, letters: Sequence[DeadLetter]) -> set[str]: ...
    async def count(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Unsent:
    """Ids of which it is not known that they were accepted. `refused`: also when tried again, nobody has them; `uncertain`: the
    answer was lost, and they may have been sent. `why`: what the last refusal is called.
    """

    refused: frozenset[str] = frozenset()
    uncertain: frozenset[str] = frozenset()
    why: str = field(default="", compare=False)


class Post(Protocol):
    """Sends parcels to an ARN."""

    async def __call__(self, destination: str, parcels: Sequence[Parcel]) -> Unsent: ...


class SqsBox:
    """One dead-letter queue through an aiobotocore client. `own_policy`: receives of a letter at which reading stops; `seal_key`: the
    key of plans, by which marks of earlier replays are believed.
    """

    def __init__(self, client: SQSClient, *, url: str, own_policy: int | None = None, seal_key: bytes = b"") -> None:
        self._client = client
        self._url = url
        self._own_policy = own_policy
        self._seal_key = seal_key

    async def receive(self, *, visibility: int, wait: int) -> list[DeadLetter]:
        """Up to ten letters, hidden from others for `visibility` seconds; none where no more may be in flight. A message that
        cannot be read is one with a `fault`.

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
        messages = answer.get("Messages") or ()
        letters = [verified(from_message(message), key=self._seal_key) for message in messages]
        received = max((each.receives for each in letters), default=0)
        if self._own_policy is not None and received >= self._own_policy:
            await self.show(letters)
            raise OwnPolicy(
                f"stopped, and all was given back: a letter was received {received} times, "
                f"and the queue's own redrive policy moves them away after twice {self._own_policy}. "
                "Raise its maxReceiveCount, or take the policy off while you look",
                url=self._url,
            )
        return letters

    async def show(self, letters: Sequence[DeadLetter], *, after: int = 0) -> set[str]:
        """Give letters back: visible `after` seconds from now. Where the lease is gone a letter is no longer ours to give: it is
        not among those refused. One without a receipt handle cannot be given back.
        """
        given = [each for each in letters if each.receipt_handle]

        async def call(chunk: Sequence[DeadLetter]) -> Any:
            entries: list[Any] = [
                {"Id": str(place), "ReceiptHandle": each.receipt_handle, "VisibilityTimeout": after}
                for place, each in enumerate(chunk)
            ]
            return await self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

        codes = await _in_chunks(given, call)
        kept = {each.id for each in letters if not each.receipt_handle}
        return kept | {name for name, code in codes.items() if not is_lost(code)}

    async def delete(self, letters: Sequence[DeadLetter]) -> set[str]:
        async def call(chunk: Sequence[DeadLetter]) -> Any:
            entries: list[Any] = [
                {"Id": str(place), "ReceiptHandle": each.receipt_handle} for place, each in enumerate(chunk)
            ]
            return await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)

        return {*await _in_chunks(letters, call)}

    async def count(self) -> tuple[int, int]:
        """(visible, in flight or delayed), as SQS approximates them."""
        return await counted(self._client, self._url)


async def counted(client: SQSClient, url: str) -> tuple[int, int]:
    """(visible, in flight or delayed), as SQS approximates them. Raises OddAttributes."""
    answer = await client.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )
    attributes = {str(name): value for name, value in (answer.get("Attributes") or {}).items()}
    visible = number(attributes, "ApproximateNumberOfMessages", url)
    hidden = number(attributes, "ApproximateNumberOfMessagesNotVisible", url)
    return visible, hidden + number(attributes, "ApproximateNumberOfMessagesDelayed", url, missing=0)


def from_message(message: Mapping[str, Any]) -> DeadLetter:
    """Read one entry of a ReceiveMessage response; what cannot be read is a letter without content that names its `fault`."""
    if fault := _fault(message):
        handle = str(message.get("ReceiptHandle") or "")
        name = str(message.get("MessageId") or f"a message without an id {sha256(handle)[:8]}")
        return DeadLetter(id=name, body="", fault=fault, receipt_handle=handle)
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
        sequence=system.get("SequenceNumber", ""),
        receipt_handle=message["ReceiptHandle"],
    )


def _fault(message: Mapping[str, Any]) -> str:
    """Why this entry is not a letter, or ""."""
    for name in ("MessageId", "ReceiptHandle", "Body"):
        if not isinstance(message.get(name), str):
            return f"the message came without {name}"
    system = message.get("Attributes", {})
    for name, most in (("SentTimestamp", LATEST), ("ApproximateReceiveCount", MOST_RECEIVES)):
        given = str(system.get(name, "0"))
        if not given.isascii() or not given.isdecimal() or len(given) > MOST_DIGITS or int(given) > most:
            return f"its {name} is not a number that SQS writes"
    if any("DataType" not in value for value in message.get("MessageAttributes", {}).values()):
        return "a message attribute came without DataType"
    return ""


async def _in_chunks(
    letters: Sequence[DeadLetter], call: Callable[[Sequence[DeadLetter]], Awaitable[Any]]
) -> dict[str, str]:
    """The ids that were refused, each with its code."""
    chunks = [letters[start : start + BATCH] for start in range(0, len(letters), BATCH)]
    refused: dict[str, str] = {}
    for start in range(0, len(chunks), AT_ONCE):
        some = chunks[start : start + AT_ONCE]
        answers = await asyncio.gather(*(call(chunk) for chunk in some))
        for chunk, answer in zip(some, answers, strict=True):
            refused |= {chunk[place].id: code for place, code in refused_entries(answer, len(chunk)).items()}
    return refused
