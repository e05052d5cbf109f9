"""The document that a digest is: its fields, its links, and what it may name."""

import hashlib
from datetime import timedelta

import orjson
import pytest

from tests.workers.audit_archive.fakes import NOON, World, contents, row
from workers.audit_archive.chain.chain import OBJECTS_AT_ONCE, Maker
from workers.audit_archive.chain.digest import digest_key, next_digest, parse, sequence_of
from workers.audit_archive.chain.merkle import Tree, leaf_hash
from workers.audit_archive.rules import marker, object_key
from workers.audit_archive.store.objects import pack


async def test_the_first_digest_names_its_objects_and_no_predecessor() -> None:
    world = World()
    await world.worker().keep([row("e1"), row("e2", created_at=NOON + timedelta(minutes=5))])
    world.clock.advance(30)
    await Maker(bucket=world.bucket, now=world.clock).make()
    (written,) = world.digests()
    (key,) = world.table_objects()
    body, metadata = world.bucket.objects[key]
    tree = Tree().extended(map(leaf_hash, contents(world.bucket, key).splitlines()))
    assert written == {
        "version": 2,
        "sequence": 1,
        "previous": None,
        "genesis": None,
        "createdAt": "2026-11-21T12:00:30Z",
        "periodStart": "2026-11-21T12:00:00Z",
        "periodEnd": "2026-11-21T12:00:30Z",
        "objects": [
            {
                "key": key,
                "sha256": metadata["sha256"],
                "rows": 2,
                "bytes": len(body),
                "oldestEventTime": "2026-11-21T12:00:00Z",
                "newestEventTime": "2026-11-21T12:05:00Z",
            }
        ],
        "tree": {"size": 2, "root": tree.root.hex(), "subtrees": [tree.root.hex()]},
        "signature": None,
    }
    assert world.pending() == []


async def test_each_digest_states_the_hash_of_the_one_before_and_begins_where_it_ended() -> None:
    world = World()
    for event_id in ("e1", "e2", "e3"):
        await world.worker().keep([row(event_id)])
        world.clock.advance(60)
        await Maker(bucket=world.bucket, now=world.clock).make()
    first, second, third = world.digests()
    for before, after in ((first, second), (second, third)):
        body = world.bucket.objects[digest_key(before["sequence"])][0]
        assert after["previous"] == {
            "key": digest_key(before["sequence"]), "sha256": hashlib.sha256(body).hexdigest(),
        }  # fmt: skip
        assert after["periodStart"] == before["periodEnd"]


def test_a_digest_is_canonical_json_and_read_back_as_it_was() -> None:
    made = next_digest(sequence=1, before=None, genesis=None, entries=(), at=NOON)
    body = made.to_bytes()
    assert parse(body) == made
    assert body == orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"version":2}', b"\xff"])
def test_what_is_not_a_digest_is_read_as_none(body: bytes) -> None:
    assert parse(body) is None


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "digests/000000000001.json", "table=t/year=2026/month=11/day=21/hour=12/x.ndjson.gz"]
)
def test_a_digest_cannot_name_what_no_object_can_be_called(key: str) -> None:
    made = orjson.loads(next_digest(sequence=1, before=None, genesis=None, entries=(), at=NOON).to_bytes())
    entry = {"key": key, "sha256": "0" * 64, "rows": 0, "bytes": 0, "oldestEventTime": None, "newestEventTime": None}
    assert parse(orjson.dumps(made | {"objects": [entry]})) is None


def test_a_key_that_names_another_thing_than_a_digest_has_no_number() -> None:
    assert sequence_of("digests/readme.txt") is None
    assert sequence_of(digest_key(42)) == 42


async def test_what_does_not_fit_in_the_time_waits_for_the_next_digest() -> None:
    world = World()
    packed = pack([row()])
    for number in range(2 * OBJECTS_AT_ONCE + 1):
        key = object_key(row().partition, at=NOON, token=f"{number:016x}")
        world.bucket.objects |= {key: (packed.body, packed.metadata), marker(key): (b"", {})}
    maker = Maker(bucket=world.bucket, now=world.clock, seconds=0)
    assert [(await maker.make()).newest for _ in range(4)] == [1, 2, 3, 3]
    assert [len(digest["objects"]) for digest in world.digests()] == [OBJECTS_AT_ONCE, OBJECTS_AT_ONCE, 1]
    assert world.listed() == world.table_objects()
