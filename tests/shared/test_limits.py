import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.limits import Budget, memory
from shared.message.delivery import Attribute
from tests.fakes import delivery

MEBIBYTE = 1_048_576


class Reader:
    """Reads a body until it is told to end."""

    def __init__(self, budget: Budget, size: int) -> None:
        self.reads = False
        self._budget, self._size = budget, size
        self._end = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Reader"]:
        task = asyncio.create_task(self._run())
        await settled()
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ends(self) -> None:
        self._end.set()
        await settled()

    async def _run(self) -> None:
        async with self._budget.read(self._size):
            self.reads = True
            await self._end.wait()
        self.reads = False


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_bodies_that_fit_together_are_read_together() -> None:
    budget = Budget(10)
    async with Reader(budget, 4).running() as first, Reader(budget, 6).running() as second:
        assert (first.reads, second.reads, budget.room) == (True, True, 0)


async def test_a_body_that_does_not_fit_is_read_when_another_ends() -> None:
    budget = Budget(10)
    async with Reader(budget, 4).running() as first, Reader(budget, 7).running() as second:
        assert [first.reads, second.reads] == [True, False]
        await first.ends()
        assert [first.reads, second.reads] == [False, True]
    assert budget.room == 10


async def test_a_body_larger_than_the_whole_budget_is_read_alone() -> None:
    budget = Budget(10)
    budget.take(9)  # what came with its message is in hand, and does not keep it waiting for ever
    readers = Reader(budget, 30), Reader(budget, 30), Reader(budget, 1)
    first, second, small = readers
    async with first.running(), second.running(), small.running():
        assert [each.reads for each in readers] == [True, False, False]
        await first.ends()
        assert [each.reads for each in readers] == [False, True, False]
        await second.ends()
        assert small.reads


async def test_who_waits_is_not_passed_by_smaller_ones() -> None:
    budget = Budget(10)
    async with Reader(budget, 5).running(), Reader(budget, 6).running() as large, Reader(budget, 1).running() as small:
        assert (large.reads, small.reads) == (False, False)


async def test_who_reads_nothing_out_of_s3_waits_for_nobody() -> None:
    budget = Budget(10)
    async with Reader(budget, 30).running(), Reader(budget, 30).running(), Reader(budget, 0).running() as other:
        assert other.reads


async def test_who_is_cut_while_it_waits_leaves_the_turn_to_the_next() -> None:
    budget = Budget(10)
    async with Reader(budget, 10).running() as first:
        async with Reader(budget, 10).running(), Reader(budget, 10).running():
            pass
        async with Reader(budget, 10).running() as last:
            await first.ends()
            assert last.reads
    assert budget.room == 10


async def test_intake_waits_until_something_is_given_back() -> None:
    budget = Budget(10)
    await budget.some_room()
    budget.take(12)
    waiting = asyncio.create_task(budget.some_room())
    await settled()
    budget.give(1)
    await settled()
    assert not waiting.done()
    budget.give(2)
    async with asyncio.timeout(1):
        await waiting


@pytest.mark.guarantee("M1")
def test_attributes_count_as_the_body_does() -> None:
    attributes = {"a": Attribute("String", "a" * MEBIBYTE), "b": Attribute("Binary", binary=b"b" * MEBIBYTE)}
    assert 2 * MEBIBYTE < memory(delivery("", attributes=attributes)) < 2 * MEBIBYTE + 300


def test_a_text_counts_with_the_memory_that_it_takes() -> None:
    assert MEBIBYTE < memory(delivery("a" * MEBIBYTE)) < MEBIBYTE + 100
    assert 4 * MEBIBYTE < memory(delivery("a" * MEBIBYTE + "\N{PARTY POPPER}")) < 4 * MEBIBYTE + 100
