"""A sense of time: what is late, what has expired, what was not looked at, and what nobody but a worker may bring in."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from tests.workers.audit_archive.evidence import Evidence, evidence
from tests.workers.audit_archive.fakes import NOON, SEALS, World, row
from tests.workers.audit_archive.tampering import archive, kinds, listed_in, replace
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.chain.digest import digest_key, hash_of
from workers.audit_archive.chain.report import Unseen
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.ages import Ages
from workers.audit_archive.redaction.keys import HashKey
from workers.audit_archive.rules import canonical, marker, object_key
from workers.audit_archive.source import InColdStorage
from workers.audit_archive.store.objects import pack
from workers.audit_archive.store.seal import Seals

Result = TypeVar("Result")

FORGED = object_key(row().partition, at=NOON, token="e" * 16)


def ages(world: World, **later: float) -> Ages:
    return Ages(now=world.clock() + timedelta(**later))


async def test_an_object_that_no_digest_has_listed_in_time_is_a_finding() -> None:
    world = await archive()
    await world.worker().keep([row("new")])
    left_behind = listed_in(world, 1)[0]
    world.bucket.objects[marker(left_behind)] = (b"", {})  # its maker died: the next one deletes it
    (waiting,) = {key.removeprefix("pending/") for key in world.pending()} - {left_behind}
    found = await verify(world.bucket, ages=ages(world, minutes=15))
    assert (found.findings, found.unseen) == ((), Unseen(pending_objects=1))
    found = await verify(world.bucket, ages=ages(world, minutes=15, seconds=1))
    assert kinds(found) == [("stale marker", waiting)]
    assert found.findings[0].detail.startswith("waits for a digest since 2026-11-21T13:25:00")


async def test_a_chain_that_is_silent_for_three_hours_is_a_finding() -> None:
    world = await archive()
    assert (await verify(world.bucket, ages=ages(world, hours=3))).ok
    found = await verify(world.bucket, ages=ages(world, days=6))
    assert kinds(found) == [("stale chain", digest_key(6))]


async def test_rows_that_are_gone_after_their_retention_are_notes_and_before_it_missing() -> None:
    world = await archive()
    gone = [*listed_in(world, 1), *listed_in(world, 2)]
    for key in gone:
        del world.bucket.objects[key]
    year = Ages(now=NOON + timedelta(days=395, minutes=4), waits=timedelta(days=999))
    found = await verify(world.bucket, ages=year)
    assert kinds(found) == [*(("missing object", key) for key in listed_in(world, 2)), ("stale chain", digest_key(6))]
    assert {note.where for note in found.notes if note.kind == "expired"} == set(listed_in(world, 1))
    assert (found.unseen, found.rows) == (Unseen(expired_objects=2, expired_rows=11), 33)


async def test_what_is_in_cold_storage_is_counted_as_not_looked_at() -> None:
    world = await archive()
    cold = {listed_in(world, 1)[0], digest_key(2)}

    async def frozen(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "get" and key in cold:
            raise InColdStorage(key)
        return effect()

    found = await verify(world.bucket.over(frozen), ages=ages(world))
    assert found.ok
    assert found.unseen == Unseen(cold_objects=1, cold_rows=10, cold_digests=1)
    assert (found.digests, found.objects, found.rows) == (5, 7, 34)
    cold = {digest_key(6)}
    newest = await Maker(bucket=world.bucket, now=world.clock).head()
    assert newest is not None
    assert (await verify(world.bucket.over(frozen), anchors=[newest], ages=ages(world, days=1))).ok


async def test_an_object_that_no_worker_sealed_is_listed_by_no_digest_however_old_its_marker() -> None:
    for seal in ("", "k1:00", "k9:00", Seals([HashKey("k1", b"x" * 32)]).seal(FORGED, "0" * 64)):
        made: Evidence = await evidence(("a", "b"))
        packed = pack([row("forged")])
        made.world.bucket.objects |= {
            FORGED: (packed.body, {**packed.metadata, "seal": seal}),
            marker(FORGED): (b"", {}),
        }
        await made.lengthened("c")
        assert kinds(await made.verified()) == [("unlisted object", FORGED)]


async def test_a_seal_is_of_its_name_and_content_and_of_any_key_that_is_known() -> None:
    older = HashKey("k0", b"0" * 32)
    rotated = Seals([HashKey("k1", b"1" * 32), older])
    seal = Seals([older]).seal("a", "0" * 64)
    assert rotated.fits(seal, "a", "0" * 64)
    assert not rotated.fits(seal, "b", "0" * 64)
    assert not rotated.fits(seal, "a", "1" * 64)
    assert not Seals([HashKey("k1", b"1" * 32)]).fits(seal, "a", "0" * 64)
    assert rotated.seal("a", "0" * 64).startswith("k1:")


async def test_what_was_written_before_there_were_seals_is_taken_by_the_first_digest_of_version_2_alone() -> None:
    world = World()
    await world.worker().keep([row("e1")])
    await Maker(bucket=world.bucket, now=world.clock).make()
    document = {name: kept for name, kept in world.digests()[0].items() if name not in {"genesis", "tree", "signature"}}
    replace(world, digest_key(1), canonical(document | {"version": 1}))
    packed = pack([row("old")])
    for number, listed in ((2, 1), (3, 0)):
        key = object_key(row().partition, at=NOON, token=f"{number:016x}".replace("0", "e"))
        world.bucket.objects |= {key: (packed.body, packed.metadata), marker(key): (b"", {})}
        world.clock.advance(3600)
        await Maker(bucket=world.bucket, now=world.clock, seals=SEALS).make()
        assert len(listed_in(world, number)) == listed
    assert world.digests()[1]["genesis"] == hash_of(world.bucket.objects[digest_key(1)][0])


async def test_an_archive_that_grows_is_never_late() -> None:
    made = Evidence()
    for number in range(24):
        await made.lengthened(f"e{number}")
        if number % 8 == 7:
            heads = await made.anchor.heads()
            assert (await verify(made.world.bucket, anchors=heads, ages=ages(made.world, minutes=59))).findings == ()
