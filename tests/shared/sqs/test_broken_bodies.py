"""A body that S3 does not send whole fails apart from its call, which was answered: the breaker of the process hears of both."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import pytest

from shared.clients import Clients
from shared.message.pointer import MARK, Pointer
from shared.outcome import Unavailable
from shared.road.failure.breakers import OPENS_AT, Breakers, Met, met_in_run
from tests.fakes import delivery
from tests.shared.sqs.s3_server import S3Server, s3_server

Reads = Callable[[], Awaitable[bool]]
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
async def s3() -> AsyncIterator[S3Server]:
    async with s3_server() as server:
        yield server


@asynccontextmanager
async def reading(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Breakers, Reads]]:
    """The breakers of a process and what reads the body of another message each time: whether it came whole."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3.url}.items():
        monkeypatch.setenv(name, value)
    s3.objects["payloads", "there"] = b"12345"
    pointer, numbers = Pointer("payloads", "there", 5), count()
    async with Clients({"CLAIM_CHECK_BUCKET_NAME": "payloads"}) as clients:
        payloads = await clients.payloads()
        assert payloads is not None

        async def reads() -> bool:
            met_in_run.set(met := Met())
            met.message = str(next(numbers))
            try:
                await payloads.unpack(delivery(pointer.body, attributes={MARK: pointer.mark}))
            except Unavailable:
                return False
            return True

        yield clients.breakers, reads


async def test_bodies_that_break_off_are_an_outage_of_s3_though_each_call_was_answered(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(s3, monkeypatch) as (breakers, reads):
        s3.cut = 3
        assert [await reads() for _ in range(OPENS_AT)] == [False] * OPENS_AT
        assert "s3" in breakers.open
        s3.cut = None
        assert await reads()
        assert not breakers.open


async def test_bodies_that_break_off_beside_others_that_come_are_no_outage(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(s3, monkeypatch) as (breakers, reads):
        for number in range(2 * OPENS_AT):
            s3.cut = 3 if number % 2 else None
            assert await reads() == (s3.cut is None)
        assert not breakers.open
