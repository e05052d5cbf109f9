"""A worker that dies at any call, before or after its effect: after redelivery each event is in the archive once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

import pytest

from tests.workers.audit_archive.fakes import NO_STREAM, NOON, World, hiding, record
from workers.audit_archive.chain.chain import Chain, Maker
from workers.audit_archive.chain.listing import PATIENCE
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.event import AuditEvent, DigestDue, RowChanged
from workers.audit_archive.handler import handle_batch
from workers.audit_archive.store.claims import LEASE

Result = TypeVar("Result")
Ending = Literal["before", "after"]

BATCH: tuple[AuditEvent, ...] = (
    RowChanged(record("e1")),
    RowChanged(record("e2", "MODIFY")),
    RowChanged(record("e1")),
    RowChanged(record("e3", "REMOVE", created_at=NOON + timedelta(hours=1))),
    DigestDue(NOON),
)


class Crash(BaseException):
    """The process is no more."""


@dataclass
class Mortal:
    """Dies at its `last` call; a dead process calls nothing any more."""

    last: int
    ending: Ending
    calls: int = 0

    async def __call__(self, call: str, key: str, effect: Callable[[], Result]) -> Result:
        self.calls += 1
        if self.calls > self.last or (self.calls == self.last and self.ending == "before"):
            raise Crash
        result = effect()
        if self.calls == self.last:
            raise Crash
        return result

    @property
    def died(self) -> bool:
        return self.calls >= self.last


@dataclass
class Deaf:
    """At its `last` call the answer is lost, or the request: the process lives on with an error."""

    last: int
    ending: Ending
    calls: int = 0

    async def __call__(self, call: str, key: str, effect: Callable[[], Result]) -> Result:
        self.calls += 1
        if self.calls == self.last and self.ending == "before":
            raise ConnectionError(call)
        result = effect()
        if self.calls == self.last:
            raise ConnectionError(call)
        return result

    @property
    def died(self) -> bool:
        return self.calls >= self.last


async def run(world: World, wire: Mortal | Deaf | None) -> bool:
    """One worker takes the batch once. True: all its messages may leave the queue."""
    archive = world.worker(wire) if wire else world.worker()
    chain = Chain(
        maker=Maker(bucket=world.bucket.over(wire) if wire else world.bucket, now=world.clock),
        every=timedelta(minutes=5),
    )
    try:
        results = await handle_batch(
            BATCH,
            hiding=hiding,
            keep=archive.keep,
            stream=NO_STREAM,
            digests=chain,
        )
    except Crash:
        return False
    return results == [None] * len(BATCH)


async def redelivered_until_done(world: World) -> None:
    for _ in range(6):
        world.clock.advance(LEASE + 1)
        if await run(world, None):
            return
    raise AssertionError("the batch is never done")


async def assert_whole(world: World) -> None:
    """Each event once, each object in one digest, nothing waiting."""
    assert sorted(world.archived()) == ["e1", "e2", "e3"]
    world.clock.advance(PATIENCE.total_seconds() + 1)
    assert await run(world, None)
    assert world.listed() == world.table_objects()
    assert world.pending() == []
    verification = await verify(world.bucket)
    assert (verification.findings, verification.notes) == ((), ())


@pytest.mark.parametrize("ending", ["before", "after"])
@pytest.mark.parametrize("kind", [Mortal, Deaf])
async def test_each_event_is_archived_once_whatever_call_is_the_last(
    kind: type[Mortal] | type[Deaf], ending: Ending
) -> None:
    for last in range(1, 100):
        world = World()
        wire = kind(last, ending)
        done = await run(world, wire)
        if done:
            assert sorted(world.archived()) == ["e1", "e2", "e3"]
        else:
            await redelivered_until_done(world)
        await assert_whole(world)
        if not wire.died:
            return
    raise AssertionError("the batch takes more calls than expected")


@pytest.mark.slow
@pytest.mark.parametrize(
    "endings", [("before", "before"), ("before", "after"), ("after", "before"), ("after", "after")]
)
async def test_each_event_is_archived_once_though_the_successor_dies_as_well(endings: tuple[Ending, Ending]) -> None:
    for first in range(1, 14):
        for second in range(1, 100):
            world = World()
            await run(world, Mortal(first, endings[0]))
            world.clock.advance(LEASE + 1)
            successor = Mortal(second, endings[1])
            await run(world, successor)
            await redelivered_until_done(world)
            await assert_whole(world)
            if not successor.died:
                break


async def test_a_batch_of_duplicates_of_one_event_is_one_row() -> None:
    world = World()
    archive = world.worker()
    for _ in range(4):
        results = await handle_batch(
            [RowChanged(record("e1"))] * 4,
            hiding=hiding,
            keep=archive.keep,
            stream=NO_STREAM,
            digests=Chain(maker=Maker(bucket=world.bucket, now=world.clock), every=timedelta(minutes=5)),
        )
        assert results == [None] * 4
    assert world.archived() == ["e1"]
