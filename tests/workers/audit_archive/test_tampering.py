"""Every change to an archive is found, and the first broken or missing thing is named."""

import gzip
import zlib

import pytest

from tests.workers.audit_archive.fakes import NOON, contents, row
from tests.workers.audit_archive.tampering import archive, kinds, listed_in, replace
from workers.audit_archive.chain.digest import digest_key, hash_of
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.rules import canonical, object_key
from workers.audit_archive.store.objects import pack

STRANGE = object_key(row().partition, at=NOON, token="e" * 16)


async def test_a_flipped_byte_is_found_wherever_it_changes_the_content() -> None:
    world = await archive()
    key = listed_in(world, 3)[0]
    body = world.bucket.objects[key][0]
    for place in range(len(body)):
        flipped = bytes([*body[:place], body[place] ^ 1, *body[place + 1 :]])
        replace(world, key, flipped)
        try:
            same = gzip.decompress(flipped) == gzip.decompress(body)  # a flipped time stamp of the gzip header
        except (OSError, EOFError, ValueError, zlib.error):
            same = False
        found = await verify(world.bucket)
        assert kinds(found) == ([] if same else [("hash mismatch", key)])


async def test_an_edited_row_is_found_though_its_metadata_was_edited_too() -> None:
    world = await archive()
    key = listed_in(world, 2)[0]
    edited = gzip.compress(contents(world.bucket, key).replace(b"UPLOADED", b"REJECTED", 1), mtime=0)
    replace(world, key, edited)
    found = await verify(world.bucket)
    assert kinds(found) == [("hash mismatch", key)]
    assert found.rows == 55 - 10


async def test_a_row_added_to_an_object_is_found() -> None:
    world = await archive()
    key = listed_in(world, 2)[1]
    replace(world, key, world.bucket.objects[key][0] + gzip.compress(b"{}\n"))
    assert kinds(await verify(world.bucket)) == [("hash mismatch", key)]


async def test_a_deleted_object_is_found() -> None:
    world = await archive()
    key = listed_in(world, 4)[0]
    del world.bucket.objects[key]
    assert kinds(await verify(world.bucket)) == [("missing object", key)]


async def test_an_object_under_anothers_name_is_found() -> None:
    world = await archive()
    one, other = listed_in(world, 1)[0], listed_in(world, 5)[0]
    bodies = world.bucket.objects[one][0], world.bucket.objects[other][0]
    replace(world, one, bodies[1])
    replace(world, other, bodies[0])
    assert kinds(await verify(world.bucket)) == [("hash mismatch", one), ("hash mismatch", other)]


async def test_a_deleted_digest_is_found_and_so_are_the_objects_it_listed() -> None:
    world = await archive()
    orphans = listed_in(world, 3)
    del world.bucket.objects[digest_key(3)]
    found = await verify(world.bucket)
    assert kinds(found) == [("missing digest", digest_key(3)), *(("unlisted object", key) for key in orphans)]
    assert found.findings[0].detail == "2026-11-21T12:10:00+00:00 to 2026-11-21T12:15:00+00:00"


async def test_deleted_digests_in_a_row_are_one_finding_with_the_whole_time() -> None:
    world = await archive()
    for sequence in (2, 3, 4):
        del world.bucket.objects[digest_key(sequence)]
    first = (await verify(world.bucket)).first
    assert first is not None
    assert (first.kind, first.where) == ("missing digest", f"{digest_key(2)} to {digest_key(4)}")
    assert first.detail == "2026-11-21T12:05:00+00:00 to 2026-11-21T12:20:00+00:00"


async def test_a_deleted_first_digest_is_found() -> None:
    world = await archive()
    del world.bucket.objects[digest_key(1)]
    first = (await verify(world.bucket)).first
    assert first is not None
    assert (first.kind, first.where) == ("missing digest", digest_key(1))
    assert first.detail.startswith("the beginning to")


async def test_deleted_newest_digests_leave_their_objects_unlisted() -> None:
    world = await archive()
    orphans = listed_in(world, 5)
    del world.bucket.objects[digest_key(5)], world.bucket.objects[digest_key(6)]
    assert kinds(await verify(world.bucket)) == [("unlisted object", key) for key in orphans]


async def test_all_digests_deleted_leave_every_object_unlisted() -> None:
    world = await archive()
    for sequence in range(1, 7):
        del world.bucket.objects[digest_key(sequence)]
    assert {kind for kind, _ in kinds(await verify(world.bucket))} == {"unlisted object"}


async def test_swapped_digests_are_found_at_the_first_of_them() -> None:
    world = await archive()
    objects = world.bucket.objects
    objects[digest_key(2)], objects[digest_key(4)] = objects[digest_key(4)], objects[digest_key(2)]
    found = await verify(world.bucket)
    assert kinds(found) == [("moved", digest_key(2)), ("moved", digest_key(4))]
    assert found.first == found.findings[0]


async def test_an_old_digest_replayed_at_a_later_number_is_found() -> None:
    world = await archive()
    orphans = listed_in(world, 4)
    world.bucket.objects[digest_key(4)] = world.bucket.objects[digest_key(2)]
    found = kinds(await verify(world.bucket))
    assert found == [("moved", digest_key(4)), *(("unlisted object", key) for key in orphans)]


async def test_a_digest_rewritten_with_its_object_breaks_the_chain() -> None:
    world = await archive()
    key = listed_in(world, 3)[0]
    edited = contents(world.bucket, key).replace(b"UPLOADED", b"REJECTED")
    replace(world, key, gzip.compress(edited))
    digest = world.digests()[2]
    digest["objects"][0]["sha256"] = hash_of(edited)
    replace(world, digest_key(3), canonical(digest))
    found = kinds(await verify(world.bucket))
    assert found == [("wrong tree", digest_key(3)), ("chain broken", digest_key(4))]


async def test_an_object_slipped_in_is_found_however_young_its_name() -> None:
    world = await archive()
    packed = pack([row("forged")])
    for key in (STRANGE, object_key(row().partition, at=world.clock(), token="d" * 16), f"{row().partition}/x.gz"):
        world.bucket.objects[key] = (packed.body, packed.metadata)
        assert kinds(await verify(world.bucket)) == [("unlisted object", key)]
        del world.bucket.objects[key]


async def test_an_object_listed_twice_is_found() -> None:
    world = await archive()
    digest = world.digests()[5]
    digest["objects"] = world.digests()[0]["objects"]
    replace(world, digest_key(6), canonical(digest))
    assert kinds(await verify(world.bucket)) == [("listed twice", key) for key in listed_in(world, 1)]


@pytest.mark.parametrize(
    ("sequence", "previous"),
    [
        (1, {"key": "digests/000000000000.json", "sha256": "0" * 64}),
        (3, None),
        (3, {"key": digest_key(1), "sha256": "0" * 64}),
    ],
)
async def test_a_link_that_leads_elsewhere_is_found(sequence: int, previous: object) -> None:
    world = await archive()
    digest = world.digests()[sequence - 1] | {"previous": previous}
    replace(world, digest_key(sequence), canonical(digest))
    first = (await verify(world.bucket)).first
    assert first is not None
    assert (first.kind, first.where) == ("chain broken", digest_key(sequence))


async def test_a_digest_that_cannot_be_read_is_found_and_the_walk_goes_on() -> None:
    world = await archive()
    lost = listed_in(world, 2)
    bad = listed_in(world, 5)[0]
    replace(world, digest_key(2), b"{")
    del world.bucket.objects[bad]
    world.bucket.objects["digests/notes.txt"] = (b"", {})
    assert kinds(await verify(world.bucket)) == [
        ("invalid format", "digests/notes.txt"),
        ("invalid format", digest_key(2)),
        ("missing object", bad),
        *(("unlisted object", key) for key in lost),
    ]
