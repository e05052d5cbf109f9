"""Bodies in S3: the adapter and the sender against the emulator, and against a server that fails on demand."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from shared.message.delivery import LARGEST_MESSAGE, Attribute, Delivery
from shared.message.pointer import MARK, Pointer, TooLarge, key_of, size
from shared.outcome import Reject, Unavailable
from shared.sqs.payloads import AT_ONCE, S3Payloads
from shared.sqs.queue import SqsQueue
from shared.sqs.sender import Message, NotSent, SqsSender
from tests.aws import Aws
from tests.fakes import delivery
from tests.shared.sqs.s3_server import S3Server, s3_server
from tests.sqs_server.running import SqsServer
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's advice

MOST = 4 * LARGEST_MESSAGE


def payloads(client: object, bucket: str = "payloads", *, prefix: str = "", threshold: int = 100) -> S3Payloads:
    return S3Payloads(client, bucket=bucket, prefix=prefix, threshold=threshold, most=MOST)  # type: ignore[arg-type]  # a client without stubs


@pytest.fixture
async def s3() -> AsyncIterator[S3Server]:
    async with s3_server() as server:
        yield server


def pointing(key: str, size: int, bucket: str = "payloads") -> Delivery:
    pointer = Pointer(bucket, key, size)
    return delivery(pointer.body, attributes={MARK: pointer.mark})


class Emulated:
    """A queue and a bucket on the emulator, with the threshold that the limit of SQS is."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.url, self.bucket = aws.queue("large"), aws.bucket("payloads")

    async def sends(self, *messages: Message) -> None:
        async with self.aws.open("sqs") as sqs, self.aws.open("s3") as s3:
            kept = payloads(s3, self.bucket, threshold=LARGEST_MESSAGE)
            await SqsSender(sqs, name="large", url=self.url, payloads=kept)(messages)

    async def received(self, count: int) -> list[Delivery]:
        """As they came, and whole."""
        found: list[Delivery] = []
        async with self.aws.open("sqs") as sqs:
            queue = SqsQueue(sqs, name="large", url=self.url, dead_letter_url=self.url)

            async def all_of_them() -> list[Delivery]:
                found.extend(await queue.receive(limit=10, wait=0, visibility=30))
                return found if len(found) >= count else []

            return await until(all_of_them, what=f"{count} messages")

    async def opened(self, found: Delivery) -> Delivery:
        async with self.aws.open("s3") as s3:
            return await payloads(s3, self.bucket).unpack(found)

    def objects(self) -> list[str]:
        return [each["Key"] for each in self.aws.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.mark.parametrize("body", ["x" * (LARGEST_MESSAGE + 1), "ż🎈" * (LARGEST_MESSAGE // 6 + 1)])
async def test_a_body_above_the_limit_arrives_through_s3_byte_for_byte(aws: Aws, body: str) -> None:
    emulated = Emulated(aws)
    kind = Attribute("String", "order")
    await emulated.sends(Message(body, attributes={"kind": kind}))
    [found] = await emulated.received(1)
    assert json.loads(found.body)[1] == {"s3BucketName": emulated.bucket, "s3Key": key_of(body.encode(), prefix="")}
    assert found.attributes[MARK] == Attribute("Number", str(len(body.encode())))
    whole = await emulated.opened(found)
    assert (whole.body, whole.attributes) == (body, {"kind": kind})


@pytest.mark.guarantee("C1")
async def test_a_message_exactly_at_the_limit_goes_as_it_is(aws: Aws) -> None:
    emulated = Emulated(aws)
    attributes = {"kind": Attribute("String", "order")}
    body = "x" * (LARGEST_MESSAGE - size("", attributes))
    await emulated.sends(Message(body, attributes=attributes))
    [found] = await emulated.received(1)
    assert (found.body, found.attributes) == (body, attributes)
    assert emulated.objects() == []


async def test_attributes_count_one_byte_of_them_too_many_sends_the_body_through_s3(aws: Aws) -> None:
    emulated = Emulated(aws)
    attributes = {"kind": Attribute("String", "order")}
    await emulated.sends(Message("x" * (LARGEST_MESSAGE - size("", attributes) + 1), attributes=attributes))
    assert len(emulated.objects()) == 1
    [found] = await emulated.received(1)
    assert MARK in found.attributes


@pytest.mark.guarantee("C1")
async def test_of_ten_messages_only_the_large_one_goes_through_s3(aws: Aws) -> None:
    emulated = Emulated(aws)
    bodies = [f"small {number}" for number in range(9)] + ["x" * (2 * LARGEST_MESSAGE)]
    await emulated.sends(*map(Message, bodies))
    found = await emulated.received(10)
    assert len(emulated.objects()) == 1
    whole = [await emulated.opened(each) if MARK in each.attributes else each for each in found]
    assert sorted(each.body for each in whole) == sorted(bodies)


@pytest.mark.guarantee("C2")
async def test_the_same_body_sent_again_leaves_one_object(aws: Aws) -> None:
    emulated = Emulated(aws)
    for _ in range(3):
        await emulated.sends(Message("x" * (LARGEST_MESSAGE + 1)))
    assert len(emulated.objects()) == 1


async def test_without_a_bucket_a_message_above_the_limit_is_refused_before_anything_is_sent(
    server: SqsServer, send: SqsSender
) -> None:
    with pytest.raises(TooLarge, match=r"1048577 bytes .* 1048576: set CLAIM_CHECK_BUCKET_NAME"):
        await send([Message("small"), Message("x" * (LARGEST_MESSAGE + 1))])
    assert server.control.requests() == []


@pytest.mark.guarantee("C2")
async def test_every_body_is_in_s3_before_the_first_message_is_sent(
    s3: S3Server, server: SqsServer, client: Any, url: str
) -> None:
    async with s3.client() as objects:
        s3.fail = lambda method, _key: "InternalError" if method == "PUT" and s3.count("PUT") == 2 else ""
        send = SqsSender(client, name="deliveries", url=url, payloads=payloads(objects))
        with pytest.raises(ClientError):
            await send([Message("x" * 101), Message("y" * 101)])
        assert server.control.requests() == []
        assert len(s3.objects) == 1


async def test_a_send_that_is_cut_between_object_and_message_leaves_an_object_and_its_retry_no_second(
    s3: S3Server, server: SqsServer, client: Any, url: str
) -> None:
    async with s3.client() as objects:
        send = SqsSender(client, name="deliveries", url=url, payloads=payloads(objects))
        server.control.fault("refuse", code="InternalError")
        with pytest.raises(NotSent):
            await send([Message("x" * 101)])
        server.control.heal()
        await send([Message("x" * 101)])
        assert len(s3.objects) == 1


async def test_a_small_threshold_sends_small_bodies_through_s3_and_zero_sends_all(
    s3: S3Server, client: Any, url: str
) -> None:
    async with s3.client() as objects:
        all_of_them = payloads(objects, prefix="claims/", threshold=0)
        await SqsSender(client, name="deliveries", url=url, payloads=all_of_them)([Message("x")])
        assert [key for _, key in s3.objects] == [key_of(b"x", prefix="claims/")]


async def test_what_has_no_room_for_a_mark_and_fits_the_queue_stays_in_the_message(
    s3: S3Server, server: SqsServer, client: Any, url: str
) -> None:
    ten = {f"name-{number}": Attribute("String", "v") for number in range(10)}
    async with s3.client() as objects:
        send = SqsSender(client, name="deliveries", url=url, payloads=payloads(objects, threshold=0))
        await send([Message("x", attributes=ten)])
        assert server.control.batches("SendMessageBatch")[0][0]["MessageBody"] == "x"
        with pytest.raises(TooLarge, match="all 10 are taken"):
            await send([Message("x" * (LARGEST_MESSAGE + 1), attributes=ten)])
        assert s3.calls == []


async def test_a_large_message_carries_its_trace_too(s3: S3Server, server: SqsServer, client: Any, url: str) -> None:
    here = NonRecordingSpan(SpanContext(trace_id=7, span_id=7, is_remote=False))
    async with s3.client() as objects:
        kept = payloads(objects, threshold=LARGEST_MESSAGE)
        with use_span(here):
            await SqsSender(client, name="deliveries", url=url, payloads=kept)([Message("x" * (LARGEST_MESSAGE + 1))])
        assert {"traceparent", MARK} == server.control.batches("SendMessageBatch")[0][0]["MessageAttributes"].keys()


async def test_what_was_damaged_or_cut_on_its_way_is_read_again_another_time(s3: S3Server) -> None:
    s3.objects["payloads", "there"] = b"12345"
    async with s3.client() as client:
        s3.checksum = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        with pytest.raises(Unavailable, match="did not send"):
            await payloads(client).unpack(pointing("there", 5))
        s3.checksum = base64.b64encode(hashlib.sha256(b"12345").digest()).decode()
        assert (await payloads(client).unpack(pointing("there", 5))).body == "12345"
        s3.cut = 3
        with pytest.raises(Unavailable, match="did not send the whole body"):
            await payloads(client).unpack(pointing("there", 5))


async def test_a_missing_object_is_an_expired_payload(s3: S3Server) -> None:
    async with s3.client() as client:
        with pytest.raises(Reject, match="payload expired"):
            await payloads(client).unpack(pointing("gone", 5))


@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "AccessDenied", "NoSuchBucket"])
async def test_trouble_of_s3_is_not_a_verdict_on_the_message(s3: S3Server, code: str) -> None:
    s3.fail = lambda _method, _key: code
    async with s3.client() as client:
        with pytest.raises(ClientError, match=code):
            await payloads(client).unpack(pointing("there", 5))


async def test_a_dead_connection_is_not_a_verdict_on_the_message(s3: S3Server) -> None:
    async with s3.client() as client:
        s3.slow.clear()
        waiting = asyncio.ensure_future(payloads(client).unpack(pointing("there", 5)))
        await until(lambda: s3.open_calls, what="the call")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with S3Server(port=9).client() as client:
        with pytest.raises(EndpointConnectionError):
            await payloads(client).unpack(pointing("there", 5))


@pytest.mark.guarantee("C4")
async def test_another_bucket_is_never_asked(s3: S3Server) -> None:
    s3.objects["salaries", "all"] = b"12345"
    async with s3.client() as client:
        for where in (pointing("all", 5, "salaries"), pointing("../salaries/all", 5), pointing("big", MOST + 1)):
            with pytest.raises(Reject):
                await payloads(client).unpack(where)
    assert s3.calls == []


@pytest.mark.parametrize("size", [4, 6, 0])
async def test_an_object_of_another_size_is_refused_unread(s3: S3Server, size: int) -> None:
    s3.objects["payloads", "there"] = b"12345"
    s3.cut = 0  # who reads on finds nothing
    async with s3.client() as client:
        with pytest.raises(Reject, match=f"has 5 bytes, and ExtendedPayloadSize says {size}"):
            await payloads(client).unpack(pointing("there", size))


async def test_an_object_of_no_bytes_is_an_empty_body(s3: S3Server) -> None:
    s3.objects["payloads", "there"] = b""
    async with s3.client() as client:
        assert (await payloads(client).unpack(pointing("there", 0))).body == ""


@pytest.mark.guarantee("C4")
async def test_an_object_that_was_overwritten_is_refused(s3: S3Server) -> None:
    key = key_of(b"whole", prefix="")
    s3.objects["payloads", key] = b"whale"
    async with s3.client() as client:
        with pytest.raises(Reject, match="SHA-256"):
            await payloads(client).unpack(pointing(key, 5))


async def test_no_more_objects_are_read_at_once_than_one_process_may(s3: S3Server) -> None:
    s3.objects["payloads", "there"] = b"12345"
    async with s3.client() as client:
        kept = payloads(client)
        found = await asyncio.gather(*(kept.unpack(pointing("there", 5)) for _ in range(4 * AT_ONCE)))
    assert {each.body for each in found} == {"12345"}
    assert s3.most_open_calls <= AT_ONCE
