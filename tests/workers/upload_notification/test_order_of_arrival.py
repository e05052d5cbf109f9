"""Whatever order changes come in, however often and to however many workers at once: the end is the same."""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.outcome import Later
from tests.examples import examples
from tests.virtual_time import virtual
from tests.workers.upload_notification.fakes import FakeSessions, Row, finished, removed, row
from tests.workers.upload_notification.world import World, gone
from workers.upload_notification.event import Change, UploadFinished, instant


async def handled(world: World, change: Change) -> None:
    """As the queue does it: a message comes again, when it asked for, until it is done."""
    for _ in range(20):
        try:
            return await world.handle(change)
        except Later as objection:
            await asyncio.sleep(objection.after)
            world.time += timedelta(seconds=objection.after)
    raise AssertionError("this message would end in the dead-letter queue")


async def handled_by_workers(world: World, changes: Sequence[Change], *, workers: int) -> None:
    queue = list(changes)

    async def worker() -> None:
        while queue:
            await handled(world, queue.pop(0))

    await asyncio.gather(*(worker() for _ in range(workers)))


def history(kinds: Sequence[bool]) -> list[Change]:
    """One key's life, in its true order: at each place a file was created (True) or removed."""
    return [
        finished(f"{place:02x}", at=place, size=place) if created else removed(f"{place:02x}", at=place)
        for place, created in enumerate(kinds, start=1)
    ]


def assert_is_the_state_of(last: Change, found: Row) -> None:
    if isinstance(last, UploadFinished):
        stored = (found["status"], found["size"], found["sequencer"], found["announcedSequencer"])
        assert stored == ("UPLOADED", last.size, last.order, last.order)
    else:
        assert found["status"] == "AWAITING_SCAN"
        assert not {"uploadKey", "size", "etag", "sequencer", "uploadedAt", "announcedSequencer"} & found.keys()


@settings(max_examples=examples(300), deadline=None)
@given(kinds=st.lists(st.booleans(), min_size=1, max_size=6), workers=st.integers(1, 4), data=st.data())
def test_the_greatest_sequencer_of_a_key_decides_whatever_the_order_of_arrival(
    kinds: list[bool], workers: int, data: st.DataObject
) -> None:
    changes = history(kinds)
    repeated = data.draw(st.lists(st.sampled_from(changes), max_size=6))
    arriving = data.draw(st.permutations([*changes, *repeated]))
    world = World(FakeSessions(row(wsConnectionId="browser")))

    virtual(handled_by_workers(world, arriving, workers=workers))

    assert_is_the_state_of(changes[-1], world.store.rows["s1"])
    assert len(world.messages) == world.store.moves, "each state change was announced once"
    sizes = [message["size"] for message in world.messages]
    assert len(sizes) == len(set(sizes)), "no upload was announced twice"


@pytest.mark.slow
@pytest.mark.parametrize("keys", [200, pytest.param(1_000, marks=pytest.mark.long)])
def test_keys_in_twenty_random_orders_with_duplicates_and_removals(keys: int) -> None:
    dice = random.Random(20_261_121)

    async def arrive() -> None:
        for _ in range(keys):
            changes = history([dice.random() < 0.7 for _ in range(dice.randint(1, 4))])
            for _ in range(20):
                arriving = [*changes, *dice.choices(changes, k=2)]
                dice.shuffle(arriving)
                world = World(FakeSessions(row()))
                await world.handle(*arriving)
                assert_is_the_state_of(changes[-1], world.store.rows["s1"])

    with capture_logs():  # nobody reads 80,000 lines
        virtual(arrive())


def roads(change: Change) -> list[Change]:
    """The same change by both roads: a notification tells milliseconds, EventBridge whole seconds."""
    return [change, replace(change, occurred_at=change.occurred_at.replace(microsecond=0))]


def test_two_files_of_one_second_by_both_roads_end_with_the_newer_in_every_order() -> None:
    older, newer = finished("09", name="z", at=0.1, size=1), finished("05", name="a", at=0.9, size=2)

    async def arrive() -> None:
        for arriving in itertools.permutations([*roads(older), *roads(newer)]):
            world = World(FakeSessions(row(wsConnectionId="browser")))
            await world.handle(*arriving)
            found = world.store.rows["s1"]
            assert (found["uploadKey"], found["uploadedAt"]) == (newer.key, instant(newer.occurred_at)), arriving
            assert (found["announcedSequencer"], found["otherFiles"][0]["key"]) == (newer.order, older.key)

    with capture_logs():
        virtual(arrive())


def lives(dice: random.Random) -> tuple[list[Change], UploadFinished | None]:
    """Up to three files of one session within three seconds, each created and removed a few times; and the newest that is left."""
    changes: list[Change] = []
    left: dict[str, UploadFinished] = {}
    for place in sorted(dice.sample(range(3_000), k=dice.randint(1, 6))):
        name, at, order = dice.choice("abc"), place / 1_000, f"{place:04x}"
        if dice.random() < 0.7:
            left[name] = finished(order, name=name, at=at, size=place + 1)
            changes.append(left[name])
        else:
            left.pop(name, None)
            changes.append(removed(order, name=name, at=at))
    return changes, max(left.values(), key=lambda each: each.occurred_at, default=None)


def lives_of_versions(dice: random.Random) -> tuple[list[Change], UploadFinished | None]:
    """The same in a bucket with versions: a key is hidden by a marker, or its current version is removed by its id and takes the key back."""
    changes, left = list[Change](), dict[str, UploadFinished]()
    for place in sorted(dice.sample(range(3_000), k=dice.randint(1, 6))):
        name, at, order = dice.choice("ab"), place / 1_000, f"{place:04x}"
        if dice.random() < 0.65 or name not in left:
            left[name] = finished(order, name=name, at=at, size=place + 1, version=f"v{place}")
            changes.append(left[name])
        else:
            gone = left.pop(name).version
            changes.append(removed(order, name=name, at=at, version=gone if dice.random() < 0.7 else ""))
    return changes, max(left.values(), key=lambda each: each.occurred_at, default=None)


Lives = Callable[[random.Random], tuple[list[Change], UploadFinished | None]]


async def arrive_in_any_order(objects: int, dice: random.Random, *, of: Lives = lives, orders: int = 20) -> None:
    for _ in range(objects):
        changes, newest = of(dice)
        by_roads = [each for change in changes for each in roads(change)]
        for _ in range(orders):
            arriving = [*by_roads, *dice.choices(by_roads, k=2)]
            dice.shuffle(arriving)
            world = World(FakeSessions(row()))
            await world.handle(*arriving)
            found = world.store.rows["s1"]
            assert found["status"] == ("UPLOADED" if newest else "AWAITING_SCAN"), changes
            current = (newest.key, newest.order, newest.order) if newest else (None, None, None)
            assert (found.get("uploadKey"), found.get("sequencer"), found.get("announcedSequencer")) == current, changes
            assert {event["id"] for event in world.events} >= ({newest.id} if newest else set())


def test_the_newest_file_that_is_left_decides_whatever_comes_by_which_road_in_which_order() -> None:
    with capture_logs():
        virtual(arrive_in_any_order(12, random.Random(20_261_127)))


def test_a_version_that_is_removed_before_its_creation_is_told_takes_its_key_back_in_every_order() -> None:
    older, newer = finished("05", version="v1", size=1), finished("06", version="v2", size=2, at=1)
    told: list[Change] = [older, newer, removed("07", version="v2", at=2)]

    async def arrive() -> None:
        for arriving in itertools.permutations([*told, newer]):
            world = World(FakeSessions(row()))
            await world.handle(*arriving)
            assert world.store.rows["s1"]["status"] == "AWAITING_SCAN", arriving

    with capture_logs():
        virtual(arrive())


def test_the_newest_file_that_is_left_decides_in_a_bucket_with_versions_too() -> None:
    with capture_logs():
        virtual(arrive_in_any_order(4, random.Random(20_261_129), of=lives_of_versions))


@pytest.mark.long
def test_a_thousand_sessions_of_versions_in_twenty_orders() -> None:
    with capture_logs():
        virtual(arrive_in_any_order(1_000, random.Random(20_261_130), of=lives_of_versions))


@pytest.mark.slow
@pytest.mark.parametrize("sessions", [200, pytest.param(1_000, marks=pytest.mark.long)])
def test_sessions_of_several_files_by_both_roads_in_twenty_orders(sessions: int) -> None:
    with capture_logs():
        virtual(arrive_in_any_order(sessions, random.Random(20_261_128)))


@settings(max_examples=examples(100), deadline=None)
@given(seed=st.integers(0, 2**32), workers=st.integers(2, 4))
def test_several_workers_at_once_end_as_one_does(seed: int, workers: int) -> None:
    dice = random.Random(seed)
    changes, newest = lives(dice)
    arriving = [each for change in changes for each in roads(change)]
    dice.shuffle(arriving)
    world = World(FakeSessions(row(wsConnectionId="browser")))

    virtual(handled_by_workers(world, arriving, workers=workers))

    assert world.store.rows["s1"].get("uploadKey") == (newest.key if newest else None)


def test_five_copies_of_a_message_at_four_workers_change_the_state_once_and_tell_the_browser_once() -> None:
    for _ in range(50):
        world = World(FakeSessions(row(wsConnectionId="browser")))
        virtual(handled_by_workers(world, [finished()] * 5, workers=4))

        assert (world.store.moves, len(world.messages), len(world.events)) == (1, 1, 1)


@pytest.mark.slow
def test_a_browser_that_reconnects_while_its_old_connection_is_gone_keeps_its_new_one() -> None:
    dice = random.Random(410)

    async def race() -> None:
        store = FakeSessions(row(wsConnectionId="old"))
        world = World(store, answers=gone("old"))

        async def reconnect() -> None:
            for _ in range(dice.randrange(8)):
                await asyncio.sleep(0)
            store.rows["s1"]["wsConnectionId"] = "new"

        await asyncio.gather(world.handle(finished()), reconnect())
        assert store.rows["s1"]["wsConnectionId"] == "new"
        assert [connection for connection, _ in world.posts].count("old") <= 1

    async def races() -> None:
        for _ in range(10_000):
            await race()

    with capture_logs():
        virtual(races())
