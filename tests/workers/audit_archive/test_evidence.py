"""What signatures and anchors show that the chain alone cannot: whoever may write all of the bucket is found out."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.workers.audit_archive.evidence import Evidence, evidence, ring
from tests.workers.audit_archive.fakes import World, row
from tests.workers.audit_archive.tampering import archive, kinds, replace
from workers.audit_archive.chain.chain import Maker, Unsigned
from workers.audit_archive.chain.digest import Head, digest_key, hash_of
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.anchors import InBucket
from workers.audit_archive.evidence.signing import FileKey
from workers.audit_archive.rules import canonical

STRANGER = FileKey.new()


async def test_a_signed_and_anchored_archive_says_up_to_where_it_is() -> None:
    made = await evidence()
    found = await made.verified()
    assert (found.findings, found.notes) == ((), ())
    assert found.signed is not None
    assert found.signed == found.anchored
    assert (found.signed.sequence, found.signed.until) == (5, made.world.clock())
    assert [str(head) for head in await made.anchor.heads()] == [
        f"{number}:{hash_of(made.world.bucket.objects[digest_key(number)][0])}" for number in range(1, 6)
    ]


def edited(_key: str, lines: list[bytes]) -> list[bytes]:
    return [line.replace(b"UPLOADED", b"REJECTED") for line in lines]


async def edit(made: Evidence) -> None:
    made.rebuild(3, lines=lambda key, lines: edited(key, lines) if key in made.objects(3) else lines)


async def delete(made: Evidence) -> None:
    made.rebuild(2, lines=lambda key, lines: lines[1:] if key in made.objects(2) else lines)


async def insert(made: Evidence) -> None:
    made.rebuild(4, lines=lambda key, lines: [*lines, b'{"forged":1}'] if key in made.objects(4) else lines)


async def reorder(made: Evidence) -> None:
    made.rebuild(2, lines=lambda key, lines: lines[::-1] if key in made.objects(2) else lines)


async def swap(made: Evidence) -> None:
    objects = made.world.bucket.objects
    objects[digest_key(2)], objects[digest_key(4)] = objects[digest_key(4)], objects[digest_key(2)]


async def truncate(made: Evidence) -> None:
    for number in (5, 4):
        for key in made.objects(number):
            del made.world.bucket.objects[key]
        del made.world.bucket.objects[digest_key(number)]


async def delete_two(made: Evidence) -> None:
    for number in (3, 2):
        del made.world.bucket.objects[digest_key(number)]


async def replay(made: Evidence) -> None:
    made.world.bucket.objects[digest_key(4)] = made.world.bucket.objects[digest_key(2)]


async def sign_again(made: Evidence) -> None:
    message = made.document(3).message()
    made.rebuild(3, signature=await STRANGER.sign(message))


async def move(made: Evidence) -> None:
    objects, one, other = made.world.bucket.objects, made.objects(2)[0], made.objects(4)[0]
    objects[one], objects[other] = objects[other], objects[one]


async def replace_genesis(made: Evidence) -> None:
    made.rebuild(1, lines=lambda key, lines: edited(key, lines) if key in made.objects(1) else lines)


async def set_the_clock(made: Evidence) -> None:
    old = made.document(3)
    made.rebuild(3, created_at=old.created_at - timedelta(days=1))


MUTATIONS: dict[Callable[[Evidence], object], tuple[str, str]] = {
    edit: ("rewritten", digest_key(3)),
    delete: ("rewritten", digest_key(2)),
    insert: ("rewritten", digest_key(4)),
    reorder: ("rewritten", digest_key(2)),
    swap: ("rewritten", digest_key(2)),
    truncate: ("truncated", f"{digest_key(4)} to {digest_key(5)}"),
    delete_two: ("missing digest", f"{digest_key(2)} to {digest_key(3)}"),
    replay: ("rewritten", digest_key(4)),
    sign_again: ("rewritten", digest_key(3)),
    move: ("hash mismatch", "2"),
    replace_genesis: ("replaced genesis", digest_key(1)),
    set_the_clock: ("rewritten", digest_key(3)),
}


async def test_twelve_mutations_by_an_owner_of_the_bucket_are_found_at_their_first_place() -> None:
    made = await evidence()
    untouched = {**made.world.bucket.objects}
    for mutate, (kind, where) in MUTATIONS.items():
        made.world.bucket.objects = {**untouched}
        place = made.objects(2)[0] if mutate is move else where
        await mutate(made)  # type: ignore[misc]  # each is a coroutine function
        for keys in ((made.key,), ()):
            found = await verify(
                made.world.bucket, keys=ring(*keys) if keys else None, anchors=await made.anchor.heads()
            )
            assert found.first is not None, mutate
            assert (found.first.kind, found.first.where) == (kind, place), mutate


@pytest.mark.long
async def test_a_thousand_untouched_archives_raise_no_alarm() -> None:
    for number in range(1000):
        made = await evidence([f"{number}-{digest}" for digest in range(1 + number % 6)])
        found = await made.verified()
        assert (found.ok, found.digests) == (True, 1 + number % 6)


async def test_signatures_alone_find_what_is_not_cut_off() -> None:
    signatures = {"bad signature", "moved", "missing digest", "unknown key", "hash mismatch", "chain broken"}
    made = await evidence()
    untouched = {**made.world.bucket.objects}
    for mutate in MUTATIONS:
        made.world.bucket.objects = {**untouched}
        await mutate(made)  # type: ignore[misc]  # each is a coroutine function
        found = await made.verified(is_anchored=False)
        assert found.ok is (mutate is truncate), mutate  # what no signature can show
        assert found.first is None or found.first.kind in signatures, (mutate, found.first)


async def test_a_truncated_archive_tells_the_last_proven_time() -> None:
    made = await evidence()
    await truncate(made)
    (found,) = (await made.verified()).findings
    assert found.detail == "anchored and gone; last anchored as it stands: digest 3, to 2026-11-21T12:15:00+00:00"


async def test_a_chain_that_a_worker_began_anew_is_named_though_its_key_is_right() -> None:
    made = await evidence()
    for key in [*made.world.bucket.objects]:
        del made.world.bucket.objects[key]
    await made.lengthened("again")
    found = await made.verified()
    assert kinds(found) == [
        ("replaced genesis", digest_key(1)),
        ("truncated", f"{digest_key(2)} to {digest_key(5)}"),
    ]


async def test_a_genesis_that_later_digests_do_not_name_is_found_without_any_anchor() -> None:
    made, other = await evidence(), await evidence()
    for key, kept in other.world.bucket.objects.items():
        if key == digest_key(1) or key in other.objects(1):
            made.world.bucket.objects[key] = kept
    found = await made.verified(made.key, other.key, is_anchored=False)
    assert ("replaced genesis", digest_key(1)) in kinds(found)


async def test_both_halves_of_a_rotated_chain_verify_and_a_key_that_is_not_given_is_named() -> None:
    made, later = await evidence(("a", "b")), FileKey.new()
    await made.lengthened("c", "d", key=later)
    assert (await made.verified(made.key, later)).ok
    found = await made.verified(made.key)
    assert kinds(found) == [("unknown key", digest_key(3)), ("unknown key", digest_key(4))]
    assert found.signed is not None
    assert found.signed.sequence == 2


async def test_an_unsigned_digest_stands_only_before_the_first_signed_one() -> None:
    made = Evidence(world=await archive())
    assert kinds(await made.verified(is_anchored=False)) == [("unsigned", digest_key(6))]
    await made.lengthened("signed")
    assert (await made.verified(is_anchored=False)).ok
    made.rebuild(7, signature=None)
    assert kinds(await made.verified(is_anchored=False)) == [("unsigned", digest_key(7))]


async def test_without_a_key_nothing_is_added_to_a_signed_chain() -> None:
    made = await evidence(("a",))
    await made.world.worker().keep([row("b")])
    with pytest.raises(Unsigned):
        await Maker(bucket=made.world.bucket, now=made.world.clock).make()


async def test_a_chain_of_version_1_goes_on_signed_and_with_a_tree_that_begins_there() -> None:
    world = await archive()
    for number in range(1, 7):
        document = {key: kept for key, kept in world.digests()[number - 1].items()
                    if key not in {"genesis", "tree", "signature"}}  # fmt: skip
        if number > 1:
            document["previous"]["sha256"] = hash_of(world.bucket.objects[digest_key(number - 1)][0])
        replace(world, digest_key(number), canonical(document | {"version": 1}))
    assert (await verify(world.bucket)).ok
    made = Evidence(world=world)
    await made.lengthened("signed")
    assert (await made.verified(is_anchored=False)).ok
    assert made.document(7).genesis == hash_of(world.bucket.objects[digest_key(1)][0])
    assert made.document(7).tree.size == 3  # type: ignore[union-attr]  # version 2 has one


async def test_an_anchor_that_fails_is_written_with_the_next_look_though_nothing_is_new() -> None:
    made = Evidence()
    await made.world.worker().keep([row("e1")])
    chain, failing = made.chain(), True

    async def faulty(call: str, key: str, effect: Callable[[], bool]) -> bool:
        if failing:
            raise ConnectionError(key)
        return effect()

    other = InBucket(made.anchor.bucket.over(faulty), "other/", name="s3://elsewhere/other")  # type: ignore[attr-defined]  # a fake
    chain.anchors = [other, made.anchor]
    assert await chain.lengthen(asked=True)
    assert len(await made.anchor.heads()) == 1
    failing = False
    assert await chain.lengthen(asked=True) is None
    assert await other.heads() == await made.anchor.heads()


async def test_two_histories_in_one_anchor_are_named_though_one_of_them_stands() -> None:
    made = await evidence()
    await made.anchor.keep(Head(3, "0" * 64))
    assert kinds(await made.verified()) == [("rewritten", digest_key(3))]


async def test_a_tree_that_is_not_of_its_rows_is_named_without_a_key() -> None:
    world: World = await archive()
    other = await archive()
    tree = other.digests()[3]["tree"]
    replace(world, digest_key(3), canonical(world.digests()[2] | {"tree": tree}))
    assert kinds(await verify(world.bucket))[0] == ("wrong tree", digest_key(3))
