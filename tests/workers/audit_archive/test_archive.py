"""The write-once protocol, step by step: claims, leases, fences, and answers that were lost."""

import asyncio
import hashlib
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import TypeVar

import pytest

from shared.outcome import Later
from tests.workers.audit_archive.fakes import NOON, SEALS, World, contents, event_of, row
from workers.audit_archive.rules import Row, marker, object_key
from workers.audit_archive.store.archive import CLAIMS_AT_ONCE, Archive, is_fence
from workers.audit_archive.store.claims import LEASE, Claim
from workers.audit_archive.store.objects import FENCE, pack

Result = TypeVar("Result")

ALIVE = object_key(row().partition, at=NOON - timedelta(seconds=LEASE - 20), token="f" * 16)
"""An object whose owner has twenty seconds of lease left."""

FORMER = object_key(row().partition, at=NOON - timedelta(seconds=LEASE + 1), token="f" * 16)
"""An object whose owner has none."""


async def kept(archive: Archive, rows: Collection[Row]) -> dict[str, Exception | None]:
    """The results by event id."""
    return {event_of(name): result for name, result in (await archive.keep(rows)).items()}


async def claimed_elsewhere(world: World, *event_ids: str, key: str = FORMER) -> None:
    claims = {row(event_id).identity: Claim(key, 0.0, SEALS.claim(row(event_id).fingerprint)) for event_id in event_ids}
    await world.claims().put(claims, page=row().page)


async def standing(world: World, event_id: str) -> Claim:
    """The event's claim; a claim by the test, where it had none."""
    wanted = {
        row(event_id).identity: Claim(
            object_key(row().partition, at=NOON, token="a" * 16), 0.0, SEALS.claim(row().fingerprint)
        )
    }
    return (await world.claims().put(wanted, page=row().page))[row(event_id).identity]


async def test_a_batch_becomes_one_object_for_each_table_and_hour() -> None:
    world = World()
    rows = [
        row("e1"),
        row("e2", created_at=NOON + timedelta(hours=1)),
        row("e3", table="fleet-webhooks-dev"),
        row("e4"),
    ]
    results = await kept(world.worker(), rows)
    assert results == {"e1": None, "e2": None, "e3": None, "e4": None}
    assert sorted(world.archived()) == ["e1", "e2", "e3", "e4"]
    assert [key.rsplit("/", 1)[0] for key in world.table_objects()] == sorted({row.partition for row in rows})


async def test_an_object_is_marked_before_it_is_written() -> None:
    world = World()
    calls: list[str] = []

    async def listening(call: str, key: str, effect: Callable[[], Result]) -> Result:
        calls.append(call)
        return effect()

    await kept(world.worker(listening), [row()])
    assert calls == ["add", "put_marker", "put_new"]
    assert world.pending() == [marker(key) for key in world.table_objects()]


async def test_an_object_is_sorted_gzip_that_says_what_it_holds() -> None:
    world = World()
    await kept(world.worker(), [row("e1", sequence_number="1" + "0" * 21), row("e2", sequence_number="9" * 21)])
    (key,) = world.table_objects()
    metadata = world.bucket.objects[key][1]
    assert world.archived() == ["e2", "e1"]
    assert metadata == {
        "sha256": hashlib.sha256(contents(world.bucket, key)).hexdigest(), "rows": "2", "oldest": "2026-11-21T12:00:00+00:00", "newest": "2026-11-21T12:00:00+00:00",
        "seal": SEALS.seal(key, metadata["sha256"]),
    }  # fmt: skip
    assert contents(world.bucket, key).endswith(b"}\n")


async def test_what_is_archived_is_done_and_not_written_again() -> None:
    world = World()
    await kept(world.worker(), [row("e1")])
    for _ in range(3):
        assert await kept(world.worker(), [row("e1"), row("e2")]) == {"e1": None, "e2": None}
    assert sorted(world.archived()) == ["e1", "e2"]


async def test_while_a_claims_owner_may_write_its_event_waits_for_the_lease() -> None:
    world = World()
    await claimed_elsewhere(world, "e1", key=ALIVE)
    results = await kept(world.worker(), [row("e1"), row("e2")])
    assert isinstance(results["e1"], Later)
    assert results["e1"].after == 21
    assert world.archived() == ["e2"]


async def test_a_dead_owners_name_is_fenced_marked_and_its_events_are_taken_over() -> None:
    world = World()
    await claimed_elsewhere(world, "e1", "e2")
    assert await kept(world.worker(), [row("e1"), row("e2")]) == {"e1": None, "e2": None}
    assert sorted(world.archived()) == ["e1", "e2"]
    assert is_fence(world.bucket.objects[FORMER][1])
    assert marker(FORMER) in world.pending()


async def test_an_owner_that_wakes_after_the_fence_writes_nothing_and_is_told_to_come_again() -> None:
    world = World()

    async def sleeps_before_writing(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "put_new":
            world.clock.advance(LEASE + 1)
            assert await kept(world.worker(), [row("e1")]) == {"e1": None}
        return effect()

    results = await kept(world.worker(sleeps_before_writing), [row("e1"), row("e2")])
    assert {event_id: type(result) for event_id, result in results.items()} == {"e1": Later, "e2": Later}
    assert world.archived() == ["e1"]
    assert await kept(world.worker(), [row("e1"), row("e2")]) == {"e1": None, "e2": None}
    assert sorted(world.archived()) == ["e1", "e2"]


async def test_a_fence_left_by_one_that_died_is_not_a_reason_to_wait() -> None:
    world = World()
    await claimed_elsewhere(world, "e1", key=ALIVE)
    world.bucket.objects[ALIVE] = (FENCE.body, FENCE.metadata)
    assert await kept(world.worker(), [row("e1")]) == {"e1": None}
    assert world.archived() == ["e1"]


async def test_an_owner_that_was_faster_than_the_fence_has_archived_the_event() -> None:
    world = World()
    await claimed_elsewhere(world, "e1")
    packed = pack([row("e1")])

    async def owner_writes_before_the_fence(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "put_new":
            world.bucket.objects.setdefault(FORMER, (packed.body, packed.metadata))
        return effect()

    assert await kept(world.worker(owner_writes_before_the_fence), [row("e1")]) == {"e1": None}
    assert world.archived() == ["e1"]


async def test_a_repeated_claim_that_had_succeeded_is_ours() -> None:
    world = World()

    async def the_client_tries_twice(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call in {"add", "swap"}:
            effect()
        return effect()

    await claimed_elsewhere(world, "e2")
    archive = world.worker(the_client_tries_twice)
    assert await kept(archive, [row("e1"), row("e2")]) == {"e1": None, "e2": None}
    assert sorted(world.archived()) == ["e1", "e2"]


async def test_a_repeated_write_that_had_succeeded_is_done() -> None:
    world = World()

    async def the_client_tries_twice(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "put_new":
            effect()
        return effect()

    assert await kept(world.worker(the_client_tries_twice), [row("e1")]) == {"e1": None}


@pytest.mark.parametrize("lost", ["add", "swap"])
async def test_an_object_with_an_unanswered_claim_is_given_up_and_its_events_come_back(lost: str) -> None:
    world = World()
    await claimed_elsewhere(world, "e1")

    async def losing_answers(call: str, key: str, effect: Callable[[], Result]) -> Result:
        result = effect()
        if call == lost and row().page in key:
            raise ConnectionError(call)
        return result

    results = await kept(world.worker(losing_answers), [row("e1"), row("e2"), row("e3", table="fleet-webhooks-dev")])
    assert isinstance(results["e1"], ConnectionError)
    assert isinstance(results["e2"], Later if lost == "swap" else ConnectionError)
    assert results["e3"] is None
    assert world.archived() == ["e3"]
    world.clock.advance(LEASE + 1)
    assert await kept(world.worker(), [row("e1"), row("e2")]) == {"e1": None, "e2": None}
    assert sorted(world.archived()) == ["e1", "e2", "e3"]


@pytest.mark.parametrize("failing", ["head", "put_marker", "put_new"])
async def test_an_event_whose_former_object_cannot_be_settled_does_not_hold_up_the_others(failing: str) -> None:
    world = World()
    await claimed_elsewhere(world, "e1")

    async def failing_there(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == failing and key.endswith(FORMER):
            raise ConnectionError(call)
        return effect()

    results = await kept(world.worker(failing_there), [row("e1"), row("e2")])
    assert isinstance(results["e1"], ConnectionError)
    assert results["e2"] is None


async def test_a_failed_write_fails_its_rows_and_no_others() -> None:
    world = World()

    async def failing_sessions(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "put_new" and "sessions" in key:
            raise ConnectionError(call)
        return effect()

    results = await kept(world.worker(failing_sessions), [row("e1"), row("e2", table="fleet-webhooks-dev")])
    assert isinstance(results["e1"], ConnectionError)
    assert results["e2"] is None


async def test_an_event_that_another_worker_took_over_meanwhile_is_left_to_it() -> None:
    world = World()
    await claimed_elsewhere(world, "e1")
    theirs = Claim(object_key(row().partition, at=NOON, token="e" * 16), 0.0, SEALS.claim(row().fingerprint))

    async def another_is_faster(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "swap":
            former = await standing(world, "e1")
            one = row("e1").identity
            await world.claims().replace({one: theirs}, instead_of={one: former}, place=former.place)
        return effect()

    results = await kept(world.worker(another_is_faster), [row("e1"), row("e2")])
    assert isinstance(results["e1"], Later)
    assert results["e2"] is None
    assert (await standing(world, "e1")).object == theirs.object


@pytest.mark.parametrize("lying", ["add", "swap"])
async def test_a_store_that_contradicts_itself_is_not_believed(lying: str) -> None:
    world = World()
    if lying == "swap":
        await claimed_elsewhere(world, "e1")

    async def contradicting(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == lying:  # refused, though nothing stands there that could be the reason
            return world.items._item(key)  # type: ignore[return-value]  # the answer of both calls
        return effect()

    results = await kept(world.worker(contradicting), [row("e1")])
    assert isinstance(results["e1"], LookupError)
    assert world.archived() == []


async def test_an_object_that_vanishes_under_a_fence_is_not_taken_for_one() -> None:
    world = World()
    await claimed_elsewhere(world, "e1")

    async def vanishing(call: str, key: str, effect: Callable[[], Result]) -> Result:
        return False if call == "put_new" and key == FORMER else effect()  # type: ignore[return-value]  # put_new's answer

    results = await kept(world.worker(vanishing), [row("e1")])
    assert isinstance(results["e1"], LookupError)


async def test_no_more_claims_are_made_at_once_than_allowed() -> None:
    world = World()
    now, most = 0, 0

    async def counting(call: str, key: str, effect: Callable[[], Result]) -> Result:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return effect()

    seconds = [row(f"e{number}", created_at=NOON + timedelta(seconds=number)) for number in range(500)]
    await kept(world.worker(counting), seconds)
    assert most == CLAIMS_AT_ONCE
    assert len(world.archived()) == 500


async def test_a_batch_that_is_cut_off_raises_and_answers_nothing() -> None:
    world = World()

    async def never(call: str, key: str, effect: Callable[[], Result]) -> Result:
        await asyncio.Event().wait()
        return effect()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await kept(world.worker(never), [row()])
