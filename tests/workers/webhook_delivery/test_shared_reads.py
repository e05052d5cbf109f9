"""Reads that deliveries and fan-outs share: fewer of them, and never an answer that the table would not give."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.virtual_time import clock, virtual
from tests.workers.webhook_delivery.fakes import endpoint
from workers.webhook_delivery.rules import Endpoint, Page, Subscription
from workers.webhook_delivery.store.shared_reads import (
    FRESH,
    MOST,
    MOST_SUBSCRIPTIONS,
    PATIENCE,
    SharedReads,
    recent_endpoints,
    recent_pages,
)

SECONDS = 0.02
"""Of a read."""


class Table:
    """Its reads take 20 ms, or for ever; what they find is decided when they begin."""

    def __init__(self, *found: Endpoint | Page | Exception | None) -> None:
        self.found = list(found)
        self.began: list[float] = []
        self.hangs = 0

    async def read(self, _tenant_id: str, _endpoint_id: str) -> Any:
        self.began.append(clock())
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if self.hangs:
            self.hangs -= 1
            await asyncio.Event().wait()
        await asyncio.sleep(SECONDS)
        if isinstance(found, Exception):
            raise found
        return found


async def at_times(ask: Any, *times: float) -> list[Any]:
    """What comes of asking for the same at these times."""

    async def later(seconds: float) -> Any:
        await asyncio.sleep(seconds)
        return await ask("tenant-1", "endpoint-1")

    return await asyncio.gather(*map(later, times), return_exceptions=True)


def asked(table: Table, *times: float, fresh: float = FRESH) -> list[Any]:
    async def story() -> list[Any]:
        return await at_times(recent_endpoints(table.read, fresh=fresh), *times)

    return virtual(story())


OLD, NEW = endpoint(), endpoint(url="https://customer.example/new")


def test_an_endpoint_that_takes_deliveries_is_read_once_in_five_seconds() -> None:
    table = Table(OLD, NEW)
    assert asked(table, 0, 1, FRESH - 0.001, FRESH, FRESH + 1) == [OLD, OLD, OLD, NEW, NEW]


@pytest.mark.parametrize("other", [None, endpoint(enabled=False), endpoint(fault="enabled")])
def test_what_takes_nothing_is_read_again_each_time(other: Endpoint | None) -> None:
    assert asked(Table(other, other, OLD), 0, 1, 2) == [other, other, OLD]
    assert asked(Table(OLD, other, NEW), 0, FRESH, FRESH + 1) == [OLD, other, NEW]


def test_a_read_that_fails_is_remembered_by_nobody() -> None:
    error = OSError("down")
    assert asked(Table(error, OLD), 0, 1) == [error, OLD]


def test_an_endpoint_that_is_forgotten_is_read_again() -> None:
    async def story() -> list[Any]:
        recent = recent_endpoints(Table(OLD, NEW).read, fresh=FRESH)
        first = await recent("tenant-1", "endpoint-1")
        recent.forget("tenant-1", "endpoint-1")
        return [first, await recent("tenant-1", "endpoint-1")]

    assert virtual(story()) == [OLD, NEW]


def test_without_time_to_be_fresh_each_is_read() -> None:
    table = Table(OLD)
    asked(table, 0, 1, 2, fresh=0)
    assert len(table.began) == 3


def test_as_many_are_remembered_as_may_be() -> None:
    table = Table(OLD)

    async def story() -> None:
        recent = recent_endpoints(table.read, fresh=1_000_000)
        for number in [*range(MOST + 1), MOST, 0]:
            await recent("tenant-1", f"{number}")

    virtual(story())
    assert len(table.began) == MOST + 2


def shared(table: Table, *times: float) -> list[Any]:
    async def story() -> list[Any]:
        return await at_times(SharedReads(table.read), *times)

    return virtual(story())


def test_who_asks_while_a_read_is_under_way_gets_the_next_one() -> None:
    """The read under way may have missed what was written before he asked."""
    table = Table(OLD, NEW)
    assert shared(table, 0, 0.001, 0.002, 0.01) == [OLD, NEW, NEW, NEW]
    assert [round(each - table.began[0], 6) for each in table.began] == [0, SECONDS]


def test_who_asks_at_the_same_moment_shares_one_read_also_its_error() -> None:
    error = OSError("down")
    table = Table(error, OLD)
    assert shared(table, 0, 0, 0, 1) == [error, error, error, OLD]


def test_a_silent_read_holds_nobody_up_for_long() -> None:
    table = Table(OLD, NEW)
    table.hangs = 1

    async def story() -> Any:
        read = SharedReads(table.read)
        first = asyncio.create_task(read("tenant-1", "endpoint-1"))
        await asyncio.sleep(0.001)
        found = await read("tenant-1", "endpoint-1")
        first.cancel()
        return found

    assert virtual(story()) == NEW
    assert round(table.began[1] - table.began[0], 3) == PATIENCE + 0.001


def test_who_is_cancelled_leaves_the_others_their_answer() -> None:
    async def story() -> list[Any]:
        read = SharedReads(Table(OLD).read)
        asking: list[Coroutine[Any, Any, Any]] = [read("tenant-1", "endpoint-1") for _ in range(2)]
        first, second = map(asyncio.create_task, asking)
        await asyncio.sleep(0.001)
        first.cancel()
        return [*await asyncio.gather(first, second, return_exceptions=True)]

    [first, second] = virtual(story())
    assert isinstance(first, asyncio.CancelledError)
    assert second == OLD


NOBODY, SOME = Page(()), Page((Subscription("ep-1", ("*",), enabled=True),))


@pytest.mark.parametrize("first", [NOBODY, SOME])
def test_who_gets_a_tenants_events_is_read_once_in_five_seconds_also_where_nobody_does(first: Page) -> None:
    table = Table(first, SOME)

    async def story() -> list[Any]:
        return await at_times(recent_pages(table.read, fresh=FRESH), 0, 1, FRESH - 0.001, FRESH + 1)

    assert virtual(story()) == [first, first, first, SOME]
    assert len(table.began) == 2


def test_pages_are_remembered_by_what_they_hold() -> None:
    """Of a few tenants with many endpoints as of many with none."""
    full = Page(SOME.subscriptions * 499)

    async def reads(found: Page, tenants: int) -> int:
        table = Table(found)
        recent = recent_pages(table.read, fresh=1_000_000)
        for number in [*range(tenants), tenants - 1, 0]:
            await recent(f"tenant-{number}", "")
        return len(table.began)

    for found, held in ((full, MOST_SUBSCRIPTIONS // 500), (NOBODY, MOST_SUBSCRIPTIONS)):
        assert virtual(reads(found, held)) == held
        assert virtual(reads(found, held + 1)) == held + 2
    assert virtual(reads(Page(SOME.subscriptions * 30_000), 2)) == 3, "the last one is kept, however large"
