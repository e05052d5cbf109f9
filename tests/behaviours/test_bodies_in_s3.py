"""Bodies that no queue takes go through S3, and come back behind both doors: C1 to C6."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.clients import Clients
from shared.message.pointer import MARK, Pointer, key_of
from shared.outcome import Reject
from shared.sqs.sender import Message
from tests.behaviours.doors import Door, LambdaDoor
from tests.behaviours.stage import Stage, failing
from tests.behaviours.test_retries import MEBIBYTE, reason
from tests.made import together
from tests.shared.sqs.s3_server import S3Server, s3_server
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's advice

BUCKET = "payloads"
LARGE = "large".ljust(MEBIBYTE + 1, ".")


@pytest.fixture
async def s3(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3Server]:
    async with s3_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        stage.more["CLAIM_CHECK_BUCKET_NAME"] = BUCKET
        yield server


async def sends(stage: Stage, *bodies: str, queue: str = "uploads") -> None:
    async with Clients(stage.environment) as clients:
        send = await clients.sender(queue)
        await send([Message(body) for body in bodies])


def points(stage: Stage, key: str, *, size: int, bucket: str = BUCKET) -> str:
    """A pointer, sent as a stranger may send it; answers its body."""
    pointer = Pointer(bucket, key, size)
    stage.send(pointer.body, MessageAttributes={MARK: {"DataType": "Number", "StringValue": str(size)}})
    return pointer.body


def only_letter(stage: Stage) -> dict[str, Any]:
    [letter] = stage.buried()
    return letter


@pytest.mark.guarantee("C1")
async def test_a_body_above_the_limit_reaches_its_handler_whole(stage: Stage, door: Door, s3: S3Server) -> None:
    stage.queues()
    await sends(stage, "small", LARGE, "smaller")
    await door.opens(stage.worker())
    await stage.empty()
    assert sorted(stage.ended) == sorted(["small", LARGE, "smaller"])
    assert s3.count("PUT") == 1
    assert list(s3.objects) == [(BUCKET, key_of(LARGE.encode(), prefix=""))]


@pytest.mark.guarantee("C1")
async def test_bodies_reach_a_batch_handler_whole(stage: Stage, door: Door, s3: S3Server) -> None:
    stage.queues()
    seen: list[str] = []

    async def handle_batch(events: Any) -> list[None]:
        seen.extend(each.body for each in events)
        return [None] * len(events)

    await sends(stage, "small", LARGE)
    points(stage, "gone", size=5)
    await door.opens(stage.worker(handle_batch=handle_batch, batch=together(seconds=0.5)))
    await stage.empty(seconds=20)
    assert sorted(seen) == sorted(["small", LARGE])
    assert "payload expired" in reason(only_letter(stage))["message"]


@pytest.mark.slow
@pytest.mark.guarantee("C3")
async def test_trouble_of_s3_is_tried_again_with_backoff_and_costs_no_other_message(
    stage: Stage, door: Door, s3: S3Server
) -> None:
    stage.queues()
    await sends(stage, LARGE, "small")
    s3.fail = lambda method, _key: "SlowDown" if method == "GET" else ""
    await door.opens(stage.worker())
    await stage.seen("extend", seconds=30)
    await until(lambda: stage.ended == ["small"], what="the other message")
    s3.fail = lambda _method, _key: ""
    if isinstance(door, LambdaDoor):  # there it is hidden; in a container it waits in hand, with its lease kept
        stage.control.advance(60)
    await stage.empty()
    assert stage.ended == ["small", LARGE]
    assert stage.buried() == []


@pytest.mark.guarantee("C4")
@pytest.mark.parametrize(
    ("where", "why"),
    [
        ({"key": "gone", "size": 5}, "payload expired"),
        ({"key": "there", "size": 5, "bucket": "salaries"}, "the bucket salaries, and only CLAIM_CHECK_BUCKET_NAME"),
        ({"key": "there", "size": 4}, "has 5 bytes, and ExtendedPayloadSize says 4"),
        ({"key": "there", "size": 10**12}, "above CLAIM_CHECK_MAX_BYTES"),
        ({"key": "../salaries/all", "size": 5}, "spelt as none of ours"),
    ],
)
async def test_a_pointer_that_will_never_be_followed_is_buried_at_once_as_it_came(
    stage: Stage, door: Door, s3: S3Server, where: dict[str, Any], why: str
) -> None:
    stage.queues()
    s3.objects[BUCKET, "there"] = b"whole"
    s3.objects["salaries", "there"] = b"whole"
    body = points(stage, **where)
    await door.opens(stage.worker())
    await stage.empty()
    letter = only_letter(stage)
    assert (letter["body"], letter["attributes"][MARK]["StringValue"]) == (body, str(where["size"]))
    assert why in reason(letter)["message"]
    assert reason(letter)["attempts"] == 1
    assert stage.started == []
    assert all(key != "../salaries/all" for _, key in s3.calls)


@pytest.mark.guarantee("C5")
async def test_where_it_is_off_a_pointer_is_buried_and_the_reason_names_the_setting(stage: Stage, door: Door) -> None:
    stage.queues()
    body = points(stage, "there", size=5)
    await door.opens(stage.worker(decode=json_object))
    await stage.empty()
    assert only_letter(stage)["body"] == body
    assert "CLAIM_CHECK_BUCKET_NAME is not set" in reason(only_letter(stage))["message"]


@pytest.mark.guarantee("C6")
async def test_a_dead_letter_keeps_the_pointer_and_a_full_one_gives_its_body_for_its_reason(
    stage: Stage, door: Door, s3: S3Server
) -> None:
    stage.queues()
    full = "full".ljust(MEBIBYTE, ".")
    stage.otherwise = failing(Reject("no such session"))
    await sends(stage, LARGE, full)
    await door.opens(stage.worker())
    await stage.empty()
    for letter in stage.buried():
        assert "no such session" in reason(letter)["message"]
        assert "stack" in reason(letter)
    keys = {json.loads(letter["body"])[1]["s3Key"] for letter in stage.buried()}
    assert keys == {key_of(each.encode(), prefix="") for each in (LARGE, full)} == {key for _, key in s3.objects}


@pytest.mark.guarantee("C2")
async def test_a_crash_between_object_and_message_leaves_an_object_and_nothing_in_the_queue(
    stage: Stage, door: Door, s3: S3Server
) -> None:
    stage.queues()
    stage.control.fault("denied", "SendMessageBatch")
    with pytest.raises(Exception, match="AccessDenied"):
        await sends(stage, LARGE)
    assert (len(s3.objects), stage.left()) == (1, [])
    stage.control.heal()
    await sends(stage, LARGE)
    await door.opens(stage.worker())
    await stage.empty()
    assert stage.ended == [LARGE]
    assert len(s3.objects) == 1


def json_object(delivery: Any) -> Any:
    found = json.loads(delivery.body)
    if not isinstance(found, dict):
        raise TypeError("not what this worker reads")
    return delivery
