"""The bucket in memory and on the emulator, at the same tests."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.aws.objects import FastObjects
from tests.aws import Aws
from tests.workers.audit_archive.fakes import FakeBucket
from workers.audit_archive.source import InColdStorage
from workers.audit_archive.store.bucket import Bucket, Found, S3Bucket, TooLarge
from workers.audit_archive.store.objects import FENCE

ODD = "table=fleet-sessions-dev/year=2026/month=11/day=21/hour=12/20261121T120000000Z-00000000000000ff.ndjson.gz"


@pytest.fixture(params=["memory", "emulator", "emulator by fast calls"])
async def bucket(request: pytest.FixtureRequest) -> AsyncIterator[Bucket]:
    if request.param == "memory":
        yield FakeBucket()
        return
    aws: Aws = request.getfixturevalue("aws")
    async with aws.open("s3") as client:
        if request.param == "emulator":
            yield S3Bucket(client, name=aws.bucket("audit"))
            return
        fast: Any = FastObjects(client)
        found = S3Bucket(fast, name=aws.bucket("audit"))
        await found.head("nothing")  # the first call is botocore's
        yield found


async def test_what_the_archive_writes_and_looks_for_goes_by_fast_calls(aws: Aws) -> None:
    botocores: list[str] = []

    def count(event_name: str, **_event: Any) -> None:
        botocores.append(event_name)

    async with aws.open("s3") as client:
        client.meta.events.register("before-send.s3", count)
        fast: Any = FastObjects(client)
        bucket = S3Bucket(fast, name=aws.bucket("audit"))
        await bucket.head("nothing")
        botocores.clear()
        assert await bucket.put_new(ODD, b"one", {"rows": "1"})
        assert not await bucket.put_new(ODD, b"two", {})
        assert await bucket.head(ODD) == Found(3, {"rows": "1"})
        await bucket.put_marker("marker")
    assert botocores == []


async def test_an_object_is_written_once(bucket: Bucket) -> None:
    assert await bucket.head(ODD) is None
    assert await bucket.get(ODD) is None
    assert await bucket.put_new(ODD, b"one", {"sha256": "x", "rows": "1"})
    assert not await bucket.put_new(ODD, b"two", {})
    assert not await bucket.put_new(ODD, FENCE.body, FENCE.metadata)
    assert await bucket.get(ODD) == b"one"
    assert await bucket.head(ODD) == Found(3, {"sha256": "x", "rows": "1"})


async def test_of_many_writers_at_once_one_wins(bucket: Bucket) -> None:
    won = await asyncio.gather(*(bucket.put_new(ODD, f"{number}".encode(), {}) for number in range(8)))
    assert won.count(True) == 1
    assert await bucket.get(ODD) == f"{won.index(True)}".encode()


async def test_a_fence_is_read_back_as_what_it_is(bucket: Bucket) -> None:
    await bucket.put_new(ODD, FENCE.body, FENCE.metadata)
    assert await bucket.head(ODD) == Found(len(FENCE.body), FENCE.metadata)


async def test_markers_are_put_again_without_harm_and_deleted_without_harm(bucket: Bucket) -> None:
    for _ in range(2):
        await bucket.put_marker(f"pending/{ODD}")
    assert await bucket.keys("pending/") == [f"pending/{ODD}"]
    for _ in range(2):
        await bucket.delete([f"pending/{ODD}"])
    await bucket.delete([])
    assert await bucket.keys("pending/") == []


@pytest.mark.slow
async def test_keys_are_listed_in_order_all_pages_of_them_and_behind_a_key(bucket: Bucket) -> None:
    numbers = [f"digests/{number:012}.json" for number in range(1, 1102)]
    slots = asyncio.Semaphore(50)

    async def put(key: str) -> None:
        async with slots:
            await bucket.put_marker(key)

    await asyncio.gather(*(put(key) for key in reversed(numbers)))
    await bucket.put_marker("other/x")
    assert await bucket.keys("digests/") == numbers
    assert await bucket.keys("digests/", after=numbers[1098]) == numbers[1099:]
    await bucket.delete(numbers)
    assert await bucket.keys("digests/") == []


class RefusingS3:
    """Answers as S3 does where the emulator never would; the shape of its errors is botocore's own."""

    class exceptions:  # noqa: N801  # as the client spells it
        ClientError = ClientError

    def __init__(self, *codes: str) -> None:
        self.codes = [*codes]
        self.calls = 0

    async def answer(self, **_request: Any) -> dict[str, Any]:
        self.calls += 1
        if self.codes:
            raise ClientError({"Error": {"Code": self.codes.pop(0)}}, "Answer")
        return {"Errors": [{"Key": "k", "Code": "InternalError"}]}

    put_object = get_object = head_object = delete_objects = answer


def refusing(*codes: str) -> S3Bucket:
    return S3Bucket(RefusingS3(*codes), name="b")  # type: ignore[arg-type]  # four of the client's calls


async def test_a_conditional_write_that_met_another_one_is_tried_again() -> None:
    assert await refusing("ConditionalRequestConflict", "ConditionalRequestConflict").put_new("k", b"", {})
    assert not await refusing("ConditionalRequestConflict", "PreconditionFailed").put_new("k", b"", {})


async def test_a_conflict_without_end_is_an_error() -> None:
    with pytest.raises(ClientError, match="ConditionalRequestConflict"):
        await refusing(*["ConditionalRequestConflict"] * 5).put_new("k", b"", {})


async def test_a_refusal_is_never_taken_for_an_answer() -> None:
    with pytest.raises(ClientError):
        await refusing("AccessDenied").put_new("k", b"", {})
    with pytest.raises(ClientError):
        await refusing("403").head("k")
    with pytest.raises(ClientError):
        await refusing("AccessDenied").get("k")


async def test_an_object_in_glacier_is_there_but_cannot_be_read() -> None:
    with pytest.raises(InColdStorage):
        await refusing("InvalidObjectState").get("k")


async def test_a_delete_that_was_refused_for_some_is_an_error() -> None:
    with pytest.raises(OSError, match="1 of 2 objects were not deleted: InternalError"):
        await refusing().delete(["k", "l"])


async def test_what_is_larger_than_anything_a_worker_writes_is_not_read(aws: Aws) -> None:
    async with aws.open("s3") as client:
        bucket = S3Bucket(client, name=aws.bucket("audit"), largest=3)
        for key, body in (("small", b"one"), ("large", b"four")):
            await bucket.put_new(key, body, {})
        assert await bucket.get("small") == b"one"
        with pytest.raises(TooLarge, match="large"):
            await bucket.get("large")
        assert await bucket.get("small") == b"one"
