"""The real ledger on the soak's table."""

from collections.abc import AsyncIterator
from typing import Any

import aioboto3
import pytest

from shared.road.ledger import AlreadyDone, Busy, Claimed, DynamoDbLedger
from tests.soak.services import served
from tests.soak.table import Table


@pytest.fixture
async def opened() -> AsyncIterator[tuple[Table, DynamoDbLedger]]:
    async with served() as services:
        session = aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
        client: Any
        async with session.client("dynamodb", endpoint_url=services.endpoint) as client:
            yield services.table, DynamoDbLedger(client, table="ledger")


async def test_a_claim_is_refused_while_it_is_held_and_granted_when_it_is_over(
    opened: tuple[Table, DynamoDbLedger],
) -> None:
    _, ledger = opened
    assert await ledger.claim("once#k", owner="a", now=100.0, lease=10.0, fingerprint="f") == Claimed()
    assert await ledger.claim("once#k", owner="b", now=104.0, lease=10.0, fingerprint="f") == Busy(6.0)
    assert await ledger.claim("once#k", owner="b", now=111.0, lease=10.0, fingerprint="f") == Claimed()
    assert not await ledger.complete("once#k", owner="a", now=112.0, keep=1_000.0)


async def test_what_is_completed_is_counted_once_and_never_granted_again(opened: tuple[Table, DynamoDbLedger]) -> None:
    table, ledger = opened
    await ledger.claim("once#k", owner="a", now=100.0, lease=10.0, fingerprint="f")
    assert await ledger.complete("once#k", owner="a", now=101.0, keep=1_000.0)
    assert await ledger.claim("once#k", owner="b", now=200.0, lease=10.0, fingerprint="f") == AlreadyDone()
    assert table.completed == {"k": 1}


async def test_what_is_released_is_free_at_once(opened: tuple[Table, DynamoDbLedger]) -> None:
    _, ledger = opened
    await ledger.claim("once#k", owner="a", now=100.0, lease=10.0, fingerprint="f")
    await ledger.release("once#k", owner="a")
    assert await ledger.claim("once#k", owner="b", now=100.0, lease=10.0, fingerprint="f") == Claimed()


async def test_runs_are_counted(opened: tuple[Table, DynamoDbLedger]) -> None:
    _, ledger = opened
    counted = [await ledger.count("runs#q#m", by=by, now=100.0, keep=10.0) for by in (2, 1, -1)]
    assert counted == [2, 3, 2]
