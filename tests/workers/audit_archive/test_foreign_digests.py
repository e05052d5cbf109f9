"""A digest of somebody who may write in the bucket and has no key: no worker's signature comes to stand over what it lists."""

import base64
from pathlib import Path

import pytest

from tests.workers.audit_archive.evidence import Evidence, evidence, ring
from tests.workers.audit_archive.fakes import SEALS, World, row
from tests.workers.audit_archive.tampering import kinds
from tests.workers.audit_archive.test_prove import proven
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.chain.digest import (
    Digest,
    Entry,
    Listed,
    TreeHead,
    digest_key,
    hash_of,
    next_digest,
    parse,
)
from workers.audit_archive.chain.merkle import Tree, leaf_hash
from workers.audit_archive.chain.prove import NotProvable, prove
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.signing import FileKey
from workers.audit_archive.rules import marker, object_key
from workers.audit_archive.store.objects import pack

STRANGER = FileKey.new()


async def forged(made: Evidence, number: int, key: FileKey | None = None) -> Digest:
    """The digest of this number, as good as one can make it without a key; it lists one row that no table had."""
    invented, world = row("invented"), made.world
    packed = pack([invented])
    name = object_key(invented.partition, at=world.clock(), token="f" * 16)
    world.bucket.objects[name] = (packed.body, packed.metadata)
    entry = Entry(
        key=name,
        sha256=packed.metadata["sha256"],
        rows=1,
        bytes=len(packed.body),
        oldest_event_time=invented.event_time,
        newest_event_time=invented.event_time,
    )
    body = world.bucket.objects[digest_key(number - 1)][0]
    digest = next_digest(
        sequence=number,
        before=(body, parse(body)),
        genesis=hash_of(world.bucket.objects[digest_key(1)][0]),
        entries=[Listed(entry, (leaf_hash(invented.line),))],
        at=world.clock(),
    )
    return digest if key is None else digest.signed(await key.sign(digest.message()))


@pytest.mark.parametrize("key", [None, STRANGER])
async def test_what_a_foreign_digest_lists_is_proven_by_nobody_and_all_else_still_is(
    key: FileKey | None, tmp_path: Path
) -> None:
    made = await evidence()
    foreign = await forged(made, 6, key)
    old = made.world.bucket.objects[digest_key(3)][1]
    made.world.bucket.objects[foreign.key] = (foreign.to_bytes(), old)  # with a seal, but of another digest
    await made.lengthened("g", "h")
    trusted = ring(made.key)
    with pytest.raises(NotProvable, match="was signed by no key that counts"):
        await prove(made.world.bucket, "invented", keys=trusted)
    assert made.document(7).tree == TreeHead.of(
        Tree().extended(leaf_hash(row(f"g-{place}").line) for place in range(3))
    )
    _, check = await proven(made, tmp_path, keys=trusted)
    assert check().startswith("row 7 of 15 is in the archive of digest 5,")
    assert check(await prove(made.world.bucket, "g-1", keys=trusted)).startswith("row 1 of 6 is in the archive of")
    found = await made.verified()
    assert kinds(found) == [("unsigned" if key is None else "unknown key", foreign.key)]


async def test_a_foreign_digest_hides_no_object_that_waits_and_takes_in_none_without_a_seal() -> None:
    """Also one of the version that knew neither seals nor signatures."""
    made = await evidence(("a", "b"))
    await made.world.worker().keep([row("waits")])
    [waiting] = made.world.pending()
    foreign = await forged(made, 3)
    [unsealed] = [entry.key for entry in foreign.objects]
    objects = made.world.bucket.objects
    listing = foreign.model_copy(
        update={"objects": (foreign.objects[0].model_copy(update={"key": waiting.removeprefix("pending/")}),)}
    )
    old = listing.model_copy(update={"version": 1, "tree": None, "genesis": None})
    objects[marker(unsealed)] = (b"", {})
    objects[listing.key] = (old.to_bytes(), {})
    made.world.clock.advance(300)
    assert await made.chain().lengthen(asked=True) is not None
    assert made.objects(4) == [waiting.removeprefix("pending/")]


async def test_an_old_digest_in_the_place_of_the_newest_takes_no_row_out_of_the_tree() -> None:
    made = await evidence()
    made.world.bucket.objects[digest_key(6)] = made.world.bucket.objects[digest_key(3)]
    await made.lengthened("g")
    tree = made.document(7).tree
    assert tree is not None
    assert tree.size == 3  # anew, and not on from digest 3


async def test_behind_digests_that_are_sealed_and_not_signed_another_without_a_seal_is_foreign() -> None:
    made = Evidence()
    for event_id in ("a", "b"):
        await made.world.worker().keep([row(event_id)])
        made.world.clock.advance(300)
        await Maker(bucket=made.world.bucket, now=made.world.clock, seals=SEALS).make()
    foreign = await forged(made, 3)
    made.world.bucket.objects[foreign.key] = (foreign.to_bytes(), {})
    await made.lengthened("c")
    tree = made.document(4).tree
    assert tree is not None
    assert tree.size == 3


async def test_a_chain_is_gone_on_from_over_another_key_and_from_before_there_were_seals_or_signatures() -> None:
    made = await evidence(("a", "b"))
    await made.lengthened("c", key=STRANGER)  # the key was replaced
    for number in (1, 2, 3):
        key = digest_key(number)
        made.world.bucket.objects[key] = (made.world.bucket.objects[key][0], {})
    await made.lengthened("d", key=STRANGER)
    assert (await made.verified(made.key, STRANGER)).findings == ()
    unsigned = Evidence(world=World())
    for event_id in ("a", "b"):
        await unsigned.world.worker().keep([row(event_id)])
        unsigned.world.clock.advance(300)
        await Maker(bucket=unsigned.world.bucket, now=unsigned.world.clock).make()
    await unsigned.lengthened("c")
    assert (await unsigned.verified()).findings == ()
    assert (await verify(unsigned.world.bucket)).rows == 5
    assert base64.b64decode((await prove(unsigned.world.bucket, "a"))["digest"]).startswith(b'{"createdAt"')
    assert SEALS.fits(unsigned.world.bucket.objects[digest_key(3)][1]["seal"], digest_key(3), _sha256(unsigned, 3))


def _sha256(made: Evidence, number: int) -> str:
    return hash_of(made.world.bucket.objects[digest_key(number)][0])
