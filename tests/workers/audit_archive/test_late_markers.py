"""What is odd among the markers holds up no digest of the others: names of long ago, of no time, and what cannot be read."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.workers.audit_archive.fakes import SEALS, World, row
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.ages import Ages
from workers.audit_archive.rules import marker, object_key
from workers.audit_archive.source import InColdStorage

Result = TypeVar("Result")


async def chain_of(world: World, digests: int) -> None:
    for number in range(digests):
        await world.worker().keep([row(f"e{number}")])
        world.clock.advance(300)
        await Maker(bucket=world.bucket, now=world.clock).make()


async def test_the_walk_back_to_a_name_of_days_ago_reads_many_digests_at_once() -> None:
    world = World()
    await world.worker().keep([row("e")])
    markers = {key: world.bucket.objects[key] for key in world.pending()}
    await chain_of(world, 150)
    world.bucket.objects.update(markers)
    await world.worker().keep([row("new")])
    asked = most = 0

    async def counting(call: str, key: str, effect: Callable[[], Result]) -> Result:
        nonlocal asked, most
        asked, most = asked + 1, max(most, asked + 1)
        await asyncio.sleep(0)
        asked -= 1
        return effect()

    assert (await Maker(bucket=world.bucket.over(counting), now=world.clock).make()).digest is not None
    assert most > 32  # one by one, a week of them takes longer than a digest may
    assert world.listed() == world.table_objects()


async def test_a_marker_of_a_name_too_old_to_walk_to_waits_and_holds_up_no_others() -> None:
    world = World()
    old = object_key(row().partition, at=world.clock(), token="f" * 16)
    await chain_of(world, 30)
    world.bucket.objects[marker(old)] = (b"", {})
    world.clock.advance(1800)
    await world.worker().keep([row("new")])
    assert (await Maker(bucket=world.bucket, now=world.clock, seconds=0).make()).digest is not None
    assert [key for key in world.table_objects() if key not in world.listed()] == []
    assert world.pending() == [marker(old)]
    found = await verify(world.bucket, ages=Ages(now=world.clock()))
    assert [(each.kind, each.where) for each in found.findings] == [("stale marker", old)]
    assert (await Maker(bucket=world.bucket, now=world.clock).make()).digest is not None  # with time for the walk
    assert (await verify(world.bucket, ages=Ages(now=world.clock()))).ok


@pytest.mark.parametrize("named", ["00010101T000000000Z", "99991231T235959999Z"])
async def test_a_name_of_no_time_stops_no_digest(named: str) -> None:
    world = World()
    await world.worker().keep([row("e1")])
    world.bucket.objects[f"pending/{row().partition}/{named}-{'f' * 16}.ndjson.gz"] = (b"", {})
    made = await Maker(bucket=world.bucket, now=world.clock).make()
    assert made.digest is not None
    assert len(made.digest.objects) == 1


@pytest.mark.parametrize("error", [InColdStorage("restore it"), PermissionError("denied")])
async def test_an_object_that_cannot_be_read_waits_and_the_others_are_listed(error: Exception) -> None:
    world = World()
    await world.worker().keep([row("e1")])
    [shut] = world.data_objects()
    await world.worker().keep([row("e2", table="fleet-webhooks-dev")])

    async def refusing(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "get" and key == shut:
            raise error
        return effect()

    made = await Maker(bucket=world.bucket.over(refusing), now=world.clock, seals=SEALS).make()
    assert made.digest is not None
    assert [entry.key for entry in made.digest.objects] == [key for key in world.data_objects() if key != shut]
    world.clock.advance(60)
    assert (await Maker(bucket=world.bucket, now=world.clock, seals=SEALS).make()).digest is not None
    assert world.listed() == world.table_objects()


async def test_where_nothing_can_be_read_there_is_no_digest_and_it_is_raised_why() -> None:
    world = World()
    await world.worker().keep([row("e1")])

    async def down(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "get":
            raise TimeoutError
        return effect()

    with pytest.raises(TimeoutError):
        await Maker(bucket=world.bucket.over(down), now=world.clock).make()
    assert world.digests() == []
