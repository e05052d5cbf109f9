"""Digests: one winner of each number, every object in exactly one, whoever dies and whatever comes back late."""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest

from tests.workers.audit_archive.fakes import NOON, World, row
from workers.audit_archive.chain.chain import ASSERT_EMPTY_AFTER, OBJECTS_PER_DIGEST, Chain, Maker
from workers.audit_archive.chain.digest import digest_key, next_digest
from workers.audit_archive.chain.listing import PATIENCE
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.rules import marker, object_key
from workers.audit_archive.store.objects import pack

Result = TypeVar("Result")

ABSENT = object_key(row().partition, at=NOON, token="f" * 16)


async def digest(world: World, **options: object) -> int | None:
    """Make one; its number, or None where none was made."""
    made, *_ = await Maker(bucket=world.bucket, now=world.clock).make(**options)  # type: ignore[arg-type]  # options of make_digest
    return made.sequence if made else None


async def lengthened(world: World, *event_ids: str, seconds: float = 60) -> None:
    """Archive events, a digest for each."""
    for event_id in event_ids:
        await world.worker().keep([row(event_id)])
        world.clock.advance(seconds)
        assert await digest(world)


async def test_nothing_new_makes_no_digest_until_an_hour_is_asserted_empty() -> None:
    world = World()
    assert await digest(world) is None  # there is nothing yet to be silent about
    await lengthened(world, "e1")
    world.clock.advance(ASSERT_EMPTY_AFTER.total_seconds() - 1)
    assert await digest(world) is None
    world.clock.advance(1)
    assert await digest(world) == 2
    assert world.digests()[1]["objects"] == []


async def test_a_digest_is_not_made_while_the_newest_is_young_enough() -> None:
    world = World()
    await lengthened(world, "e1")
    await world.worker().keep([row("e2")])
    assert await digest(world, only_after=timedelta(seconds=60)) is None
    world.clock.advance(60)
    assert await digest(world, only_after=timedelta(seconds=60)) == 2


async def test_of_many_makers_one_wins_each_number_and_each_object_is_listed_once() -> None:
    world = World()
    dice = random.Random(7)

    async def slow(call: str, key: str, effect: Callable[[], Result]) -> Result:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        result = effect()
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        return result

    made: set[tuple[int, bytes]] = set()  # two makers may make the same one at the same time

    async def maker() -> None:
        for _ in range(6):
            digest, *_ = await Maker(bucket=world.bucket.over(slow), now=world.clock).make()
            made.update([(digest.sequence, digest.to_bytes())] if digest else [])
            world.clock.advance(1)

    async def writer(number: int) -> None:
        for place in range(5):
            await world.worker(slow).keep([row(f"e{number}-{place}")])

    for _ in range(20):
        await asyncio.gather(*(maker() for _ in range(4)), *(writer(number) for number in range(3)))
        await digest(world)
    assert len(made) == len({sequence for sequence, _ in made})
    assert world.listed() == world.table_objects()
    assert world.pending() == []
    assert (await verify(world.bucket)).ok


async def test_a_maker_that_died_before_it_deleted_its_markers_does_no_harm() -> None:
    world = World()
    await world.worker().keep([row("e1")])
    markers = {key: world.bucket.objects[key] for key in world.pending()}
    assert await digest(world) == 1
    world.bucket.objects.update(markers)
    assert await digest(world) is None
    assert world.pending() == []


async def test_a_marker_that_comes_back_many_digests_later_does_not_list_its_object_again() -> None:
    world = World()
    await world.worker().keep([row("e1")])
    markers = {key: world.bucket.objects[key] for key in world.pending()}
    await lengthened(world, *(f"x{number}" for number in range(12)), seconds=300)
    world.bucket.objects.update(markers)
    await lengthened(world, "e2")
    assert world.listed() == world.table_objects()
    assert world.pending() == []


async def test_a_name_given_by_a_clock_ahead_of_the_makers_is_still_found_in_an_older_digest() -> None:
    world = World()
    world.clock.advance(600)
    await world.worker().keep([row("e1")])
    markers = {key: world.bucket.objects[key] for key in world.pending()}
    world.clock.advance(-600)
    await digest(world)
    await lengthened(world, "e2", "e3")
    world.bucket.objects.update(markers)
    await digest(world)
    assert world.listed() == world.table_objects()


async def test_an_object_that_is_still_to_come_waits_for_the_next_digest() -> None:
    world = World()
    world.bucket.objects[marker(ABSENT)] = (b"", {})
    world.clock.advance(PATIENCE.total_seconds() - 1)
    await world.worker().keep([row("e1")])
    assert await digest(world) == 1
    assert world.pending() == [marker(ABSENT)]
    packed = pack([row("e9")])
    world.bucket.objects[ABSENT] = (packed.body, packed.metadata)
    assert await digest(world) == 2
    assert world.listed() == world.table_objects()


async def test_an_object_that_never_came_is_fenced_and_listed_as_empty() -> None:
    world = World()
    world.bucket.objects[marker(ABSENT)] = (b"", {})
    world.clock.advance(PATIENCE.total_seconds())
    assert await digest(world) == 1
    (entry,) = world.digests()[0]["objects"]
    assert (entry["key"], entry["rows"], entry["oldestEventTime"]) == (ABSENT, 0, None)
    assert (await verify(world.bucket)).ok


async def test_an_owner_faster_than_that_fence_is_listed_with_its_rows() -> None:
    world = World()
    world.bucket.objects[marker(ABSENT)] = (b"", {})
    world.clock.advance(PATIENCE.total_seconds())
    packed = pack([row("e9")])

    async def owner_writes_first(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "put_new" and key == ABSENT:
            world.bucket.objects[ABSENT] = (packed.body, packed.metadata)
        return effect()

    await Maker(bucket=world.bucket.over(owner_writes_first), now=world.clock).make()
    assert world.digests()[0]["objects"][0]["rows"] == 1


async def test_a_strangers_object_is_left_out_and_left_to_verification() -> None:
    world = World()
    world.bucket.objects[marker(ABSENT)] = (b"", {})
    world.bucket.objects[ABSENT] = (b"anything", {})
    world.bucket.objects["pending/readme.txt"] = (b"", {})
    await lengthened(world, "e1")
    assert ABSENT not in world.listed()
    found = await verify(world.bucket)
    assert [(finding.kind, finding.where) for finding in found.findings] == [("unlisted object", ABSENT)]


async def test_a_repeated_write_of_a_digest_that_had_succeeded_is_a_win() -> None:
    world = World()
    await world.worker().keep([row("e1")])

    async def the_client_tries_twice(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "put_new":
            effect()
        return effect()

    made, newest, _ = await Maker(bucket=world.bucket.over(the_client_tries_twice), now=world.clock).make()
    assert made is not None
    assert newest == 1
    assert world.pending() == []


async def test_the_loser_of_a_race_deletes_no_marker() -> None:
    world = World()
    await world.worker().keep([row("e1")])

    async def another_is_faster(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "put_new":
            body = next_digest(sequence=1, before=None, genesis=None, entries=(), at=NOON).to_bytes()
            world.bucket.objects[digest_key(1)] = (body, {})
        return effect()

    assert await Maker(bucket=world.bucket.over(another_is_faster), now=world.clock).make() == (None, 1, None)
    assert len(world.pending()) == 1
    assert await digest(world) == 2


async def test_time_does_not_run_backwards_along_the_chain() -> None:
    world = World()
    await lengthened(world, "e1")
    world.clock.advance(-300)
    await lengthened(world, "e2")
    first, second = world.digests()
    assert second["createdAt"] == first["createdAt"]


async def test_a_broken_digest_does_not_end_the_chain_and_hides_no_older_one() -> None:
    world = World()
    await world.worker().keep([row("e1")])
    markers = {key: world.bucket.objects[key] for key in world.pending()}
    await lengthened(world, "x1", "x2")
    world.bucket.objects[digest_key(2)] = (b"{}", {})
    world.bucket.objects.update(markers)
    await world.worker().keep([row("e2")])
    assert await digest(world) == 3
    assert len(world.digests()[2]["objects"]) == 1
    found = await verify(world.bucket)
    assert found.first is not None
    assert (found.first.kind, found.first.where) == ("invalid format", digest_key(2))


async def test_a_digest_that_was_seen_and_is_gone_is_replaced_by_none_of_the_same_bytes() -> None:
    world = World()
    chain = Chain(maker=Maker(bucket=world.bucket, now=world.clock), every=timedelta(seconds=60))
    await world.worker().keep([row("e1")])
    await chain.lengthen(asked=True)
    del world.bucket.objects[digest_key(1)]
    await world.worker().keep([row("e2")])
    await chain.lengthen(asked=True)
    found = await verify(world.bucket)
    assert [finding.kind for finding in found.findings] == ["unlisted object"]


async def test_a_newest_digest_that_vanishes_while_it_is_read_makes_no_other() -> None:
    world = World()
    await lengthened(world, "e1")

    async def vanishing(call: str, key: str, effect: Callable[[], Result]) -> Result:
        result = effect()
        if call == "keys":
            world.bucket.objects.pop(digest_key(1), None)
        return result

    with pytest.raises(LookupError):
        await Maker(bucket=world.bucket.over(vanishing), now=world.clock).make()


async def test_a_process_searches_on_from_what_it_remembers() -> None:
    world = World()
    asked: list[int] = []

    async def counting(call: str, key: str, effect: Callable[[], Result]) -> Result:
        result = effect()
        if call == "keys" and key == "digests/":
            asked.append(len(result))  # type: ignore[arg-type]  # the answer of `keys`
        return result

    chain = Chain(maker=Maker(bucket=world.bucket.over(counting), now=world.clock), every=timedelta(seconds=60))
    assert chain.is_due()
    for number in range(6):
        await world.worker().keep([row(f"e{number}")])
        await chain.lengthen(asked=True)
        assert not chain.is_due()
        world.clock.advance(60)
        assert chain.is_due()
    assert asked == [0, 1, 1, 1, 1, 1]


async def test_an_unasked_digest_waits_until_the_newest_is_old_enough_whoever_made_it() -> None:
    world = World()
    await lengthened(world, "e1")
    await world.worker().keep([row("e2")])
    chain = Chain(maker=Maker(bucket=world.bucket, now=world.clock), every=timedelta(seconds=60))
    assert await chain.lengthen(asked=False) is None
    assert await chain.lengthen(asked=True) is not None


@pytest.mark.slow
async def test_more_objects_than_one_run_can_look_at_are_listed_by_several() -> None:
    world = World()
    packed = pack([row()])
    for number in range(OBJECTS_PER_DIGEST + 1):
        key = object_key(row().partition, at=NOON, token=f"{number:016x}")
        world.bucket.objects |= {key: (packed.body, packed.metadata), marker(key): (b"", {})}
    assert [await digest(world) for _ in range(3)] == [1, 2, None]
    assert world.listed() == world.table_objects()
