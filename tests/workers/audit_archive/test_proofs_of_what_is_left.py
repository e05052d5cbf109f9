"""Rows go to cold storage and expire; what is left can be proven, and each row by its own digest's rows."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.workers.audit_archive.evidence import Evidence, evidence
from tests.workers.audit_archive.test_prove import proven
from workers.audit_archive.chain.digest import digest_key
from workers.audit_archive.chain.merkle import Tree, consistency, inclusion, leaf_hash
from workers.audit_archive.chain.prove import NotProvable, prove
from workers.audit_archive.source import InColdStorage

Result = TypeVar("Result")


def test_of_a_tree_whose_beginning_is_known_by_its_subtrees_alone_all_proofs_are_the_same() -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(34)]
    for size in range(1, 35):
        for known in range(size):
            base, rest = Tree().extended(leaves[:known]), leaves[known:size]
            for index in range(known, size):
                assert inclusion(rest, index, base) == inclusion(leaves[:size], index)
            for first in range(max(1, known), size + 1):
                assert consistency(rest, first, base) == consistency(leaves[:size], first)
            with pytest.raises(IndexError):
                inclusion(rest, known - 1, base)


async def test_rows_that_expired_prevent_no_proof_of_those_behind_them(tmp_path: Path) -> None:
    made = await evidence()
    for number in (1, 2):
        for key in made.objects(number):
            del made.world.bucket.objects[key]
    proof, check = await proven(made, tmp_path, since=2)
    heads = [str(head) for head in await made.anchor.heads()]
    assert check(proof, heads[4], heads[1]) == "row 7 of 15 is in the archive of digest 5, 2026-11-21T12:25:00Z"
    with pytest.raises(
        NotProvable, match=r"digest 1 has no tree that digest 5 continues; not looked at: .* is gone: it expired"
    ):
        await prove(made.world.bucket, "c-1", since=1)
    with pytest.raises(NotProvable, match=r"no row of that event id .* is gone: it expired, .*, and 1 more"):
        await prove(made.world.bucket, "a-1")


async def test_of_rows_in_cold_storage_one_digests_are_enough(tmp_path: Path) -> None:
    made = await evidence()
    restored = made.objects(3)

    async def frozen(call: str, key: str, effect: Callable[[], Result]) -> Result:
        if call == "get" and key.startswith("table=") and key not in restored:
            raise InColdStorage(key)
        return effect()

    world = made.world
    proof = await prove(world.bucket.over(frozen), "c-1")
    assert proof["index"] == 7
    thawed = Evidence(key=made.key, world=world)
    _, check = await proven(thawed, tmp_path)
    assert check(proof) == "row 7 of 9 is in the archive of digest 3, 2026-11-21T12:15:00Z"
    with pytest.raises(NotProvable, match="restore it"):
        await prove(world.bucket.over(frozen), "d-1")


async def test_one_changed_row_prevents_no_proof_of_others(tmp_path: Path) -> None:
    made = await evidence()
    [changed] = made.objects(2)
    made.world.bucket.objects[changed] = made.world.bucket.objects[made.objects(1)[0]]
    _, check = await proven(made, tmp_path)
    assert check().startswith("row 7 of 15")
    with pytest.raises(NotProvable, match=f"{digest_key(2)} is not what its rows make"):
        await prove(made.world.bucket, "b-1")
