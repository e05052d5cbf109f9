"""The SQS adapters: against the emulator, and against a server that refuses on demand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError

from shared.message.dead_letter import letter
from shared.message.delivery import Attribute, Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Dead
from shared.sqs.queue import Queue, SqsQueue
from shared.sqs.sender import Message, Send, SqsSender
from tests.aws import Aws
from tests.waiting import until

X_RAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@dataclass(frozen=True)
class Emulated:
    """A queue of the test's own with its dead-letter queue, and the adapters on both."""

    aws: Aws
    url: str
    dead_letter_url: str
    queue: Queue
    send: Send

    async def received(self, count: int = 1, *, visibility: int = 30) -> list[Delivery]:
        found: list[Delivery] = []

        async def all_of_them() -> list[Delivery]:
            found.extend(await self.queue.receive(limit=10, wait=0, visibility=visibility))
            return found if len(found) >= count else []

        return await until(all_of_them, what=f"{count} messages")

    def left(self) -> tuple[int, int]:
        """Messages (visible, hidden)."""
        found = self.aws.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture
async def emulated(aws: Aws) -> AsyncIterator[Emulated]:
    url, dead_letter_url = aws.queue("uploads"), aws.queue("uploads-dlq")
    async with aws.open("sqs") as client:
        yield Emulated(
            aws,
            url,
            dead_letter_url,
            SqsQueue(client, name="uploads", url=url, dead_letter_url=dead_letter_url),
            SqsSender(client, name="uploads", url=url),
        )


async def test_a_message_is_received_with_everything_that_sqs_knows_of_it(emulated: Emulated) -> None:
    emulated.aws.sqs.send_message(
        QueueUrl=emulated.url,
        MessageBody='{"zażółć": "🎈"}',
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "żółć"},
            "count": {"DataType": "Number", "StringValue": "7"},
            "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": X_RAY}},
    )
    [found] = await emulated.received()
    assert (found.queue, found.body, found.attempt) == ("uploads", '{"zażółć": "🎈"}', 1)
    assert found.attributes == {
        "kind": Attribute("String", "żółć"),
        "count": Attribute("Number", "7"),
        "blob": Attribute("Binary", binary=b"\x00\xff"),
    }
    assert found.trace_header == X_RAY
    assert found.sent_at is not None
    assert found.first_received_at is not None
    assert found.sent_at <= found.first_received_at


async def test_a_message_received_again_counts_its_receipts(emulated: Emulated) -> None:
    await emulated.send([Message("again")])
    [first] = await emulated.received(visibility=0)
    [second] = await emulated.received()
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.message_id == second.message_id
    assert first.receipt_handle != second.receipt_handle


async def test_an_empty_queue_answers_an_empty_list(emulated: Emulated) -> None:
    assert await emulated.queue.receive(limit=10, wait=0, visibility=30) == []


async def test_a_receive_brings_no_more_than_it_was_asked_for(emulated: Emulated) -> None:
    await emulated.send([Message(f"m-{number}") for number in range(15)])
    assert len(await emulated.queue.receive(limit=3, wait=0, visibility=30)) <= 3
    assert len(await emulated.queue.receive(limit=400, wait=0, visibility=30)) <= 10


async def test_what_is_deleted_is_gone(emulated: Emulated) -> None:
    await emulated.send([Message(f"m-{number}") for number in range(12)])
    found = await emulated.received(12)
    assert await emulated.queue.delete(found) == []
    assert emulated.left() == (0, 0)


async def test_nothing_to_do_makes_no_call(emulated: Emulated) -> None:
    assert await emulated.queue.delete([]) == []
    assert await emulated.queue.extend([], seconds=5) == []
    await emulated.send([])
    assert emulated.left() == (0, 0)


async def test_an_invented_receipt_handle_is_refused_as_lost_and_the_others_are_deleted(emulated: Emulated) -> None:
    await emulated.send([Message("a")])
    [found] = await emulated.received()
    stranger = Delivery("uploads", "m-0", "no such receipt handle", "{}")
    [refused] = await emulated.queue.delete([stranger, found])
    assert (refused.delivery, refused.lost) == (stranger, True)
    assert emulated.left() == (0, 0)


async def test_the_receipt_handle_of_an_earlier_receipt_is_refused_as_lost(emulated: Emulated) -> None:
    await emulated.send([Message("a")])
    [stale] = await emulated.received(visibility=0)
    [fresh] = await emulated.received()
    [refused] = await emulated.queue.delete([stale])
    assert (refused.delivery, refused.code, refused.lost) == (stale, "ReceiptHandleIsInvalid", True)
    assert await emulated.queue.delete([fresh]) == []


async def test_a_message_that_is_deleted_can_no_longer_be_extended(emulated: Emulated) -> None:
    await emulated.send([Message("a")])
    [found] = await emulated.received()
    await emulated.queue.delete([found])
    [refused] = await emulated.queue.extend([found], seconds=30)
    assert (refused.delivery, refused.lost) == (found, True)


async def test_a_message_given_back_is_visible_at_once(emulated: Emulated) -> None:
    await emulated.send([Message("a")])
    [found] = await emulated.received(visibility=600)
    assert await emulated.queue.extend([found], seconds=0) == []
    [again] = await emulated.received()
    assert again.message_id == found.message_id


@pytest.mark.slow
async def test_an_extended_message_outlives_its_first_lease(emulated: Emulated) -> None:
    await emulated.send([Message("a"), Message("b")])
    found = await emulated.received(2, visibility=2)
    [extended] = [each for each in found if each.body == "a"]
    assert await emulated.queue.extend([extended], seconds=600.4) == []
    [again] = await emulated.received(visibility=600)
    assert again.body == "b"
    assert emulated.left() == (0, 2)


async def test_a_message_asked_to_hide_for_longer_than_twelve_hours_is_hidden_as_long_as_sqs_allows(
    emulated: Emulated,
) -> None:
    await emulated.send([Message("a")])
    found = await emulated.received()
    assert await emulated.queue.extend(found, seconds=90_000) == []
    assert emulated.left() == (0, 1)


async def test_a_buried_message_keeps_body_attributes_and_trace_and_says_why(emulated: Emulated) -> None:
    emulated.aws.sqs.send_message(
        QueueUrl=emulated.url,
        MessageBody="  not json\n",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "żółć"},
            "blob": {"DataType": "Binary.raw", "BinaryValue": b"\x00\xff"},
        },
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": X_RAY}},
    )
    [dying] = await emulated.received()
    dead = Dead("Reject", "body is not JSON", "0123456789abcdef")
    await emulated.queue.bury(letter(dying, dead, worker="sample", now=datetime.now(UTC)))
    found = dead_letter(emulated)
    attributes = found["MessageAttributes"]
    reason = orjson.loads(attributes.pop(ATTRIBUTE)["StringValue"])
    assert found["Body"] == dying.body
    assert found["Attributes"]["AWSTraceHeader"] == X_RAY
    assert attributes == {
        "kind": {"DataType": "String", "StringValue": "żółć"},
        "blob": {"DataType": "Binary.raw", "BinaryValue": b"\x00\xff"},
    }
    assert (reason["error_type"], reason["original_message_id"]) == ("Reject", dying.message_id)


async def test_a_burial_that_sqs_does_not_take_is_an_error(emulated: Emulated, aws: Aws) -> None:
    async with aws.open("sqs") as client:
        nowhere = SqsQueue(client, name="uploads", url=emulated.url, dead_letter_url=f"{emulated.url}-gone")
        with pytest.raises(ClientError):
            await nowhere.bury(letter(delivery_of("x"), Dead("E", "", "0" * 16), worker="w", now=datetime.now(UTC)))


async def test_what_is_sent_arrives_with_its_attributes(emulated: Emulated) -> None:
    attributes = {"kind": Attribute("String", "a"), "blob": Attribute("Binary", binary=b"\x00")}
    await emulated.send([Message("{}", attributes=attributes), Message("[]")])
    found = {each.body: each.attributes for each in await emulated.received(2)}
    assert found == {"{}": attributes, "[]": {}}


async def test_a_delayed_message_is_not_there_yet(emulated: Emulated) -> None:
    await emulated.send([Message("late", delay=900), Message("now")])
    assert [each.body for each in await emulated.received()] == ["now"]


async def test_many_messages_arrive_each_once(emulated: Emulated) -> None:
    bodies = [f"m-{number}" for number in range(37)]
    await emulated.send([Message(body) for body in bodies])
    assert sorted(each.body for each in await emulated.received(37)) == sorted(bodies)


async def test_a_send_to_a_queue_that_is_gone_is_an_error(aws: Aws) -> None:
    async with aws.open("sqs") as client:
        send = SqsSender(client, name="uploads", url=aws.queue().replace("scratch", "gone"))
        with pytest.raises(ClientError, match=r"NonExistentQueue|QueueDoesNotExist"):
            await send([Message("a")])


async def test_a_long_poll_ends_with_the_message_it_waited_for(emulated: Emulated) -> None:
    waiting = asyncio.create_task(emulated.queue.receive(limit=1, wait=10, visibility=30))
    await asyncio.to_thread(emulated.aws.sqs.send_message, QueueUrl=emulated.url, MessageBody="a")
    async with asyncio.timeout(9):
        assert [each.body for each in await waiting] == ["a"]


def dead_letter(emulated: Emulated) -> dict[str, Any]:
    answer = emulated.aws.sqs.receive_message(
        QueueUrl=emulated.dead_letter_url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"]
    )
    found: Sequence[Any] = answer["Messages"]
    return dict(found[0])


def delivery_of(body: str) -> Delivery:
    return Delivery("uploads", "m-1", "r-1", body)
