"""Proofs of single rows and of growth, by the published vectors, and checked by a program that has nothing of this project."""

import base64
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from tests.workers.audit_archive.evidence import Evidence, evidence
from tests.workers.audit_archive.fakes import World, row
from tests.workers.audit_archive.tampering import archive, replace
from tests.workers.audit_archive.test_merkle import LEAVES, ROOTS
from workers.audit_archive.chain.digest import digest_key, parse
from workers.audit_archive.chain.merkle import Tree, consistency, inclusion, leaf_hash
from workers.audit_archive.chain.prove import NotProvable, prove

OUTSIDE = runpy.run_path(str(Path(__file__).parents[3] / "examples" / "verify_proof.py"))
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
NODES = {
    "b": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "cd": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "efgh": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "e": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "gh": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "abcd": "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "ef": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
}
"""Of the certificate-transparency project's proofs."""


def named(path: list[bytes]) -> list[str]:
    names = {node: name for name, node in NODES.items()}
    return [names[each.hex()] for each in path]


def test_proofs_are_those_of_the_published_vectors() -> None:
    assert named(inclusion(HASHES, 0)) == ["b", "cd", "efgh"]
    assert named(inclusion(HASHES, 5)) == ["e", "gh", "abcd"]
    assert named(consistency(HASHES, 1)) == ["b", "cd", "efgh"]
    assert named(consistency(HASHES, 6)) == ["ef", "gh", "abcd"]
    assert consistency(HASHES, 8) == []
    for wrong in (-1, 8):
        with pytest.raises(IndexError):
            inclusion(HASHES, wrong)
    for wrong in (0, 9):
        with pytest.raises(IndexError):
            consistency(HASHES, wrong)


def test_an_outside_program_agrees_about_every_proof_and_refuses_all_others() -> None:
    rows = [str(number).encode() for number in range(34)]
    hashes = list(map(leaf_hash, rows))
    roots = [Tree().extended(hashes[:size]).root for size in range(35)]
    assert {size: roots[size] for size in (0,)} == {0: bytes.fromhex(ROOTS[0])}
    for size in range(1, 35):
        for index in range(size):
            path = inclusion(hashes[:size], index)
            assert OUTSIDE["includes"](rows[index], index, size, path, roots[size])
            assert not OUTSIDE["includes"](rows[index], (index + 1) % 35, size, path, roots[size])
            assert not OUTSIDE["includes"](b"forged", index, size, path, roots[size])
        for first in range(1, size + 1):
            path = consistency(hashes[:size], first)
            assert OUTSIDE["continues"](first, roots[first], size, roots[size], path)
            assert not OUTSIDE["continues"](first, roots[first - 1], size, roots[size], path)
            assert not OUTSIDE["continues"](first, roots[first], size, roots[size], [*path, b"0" * 32])


async def proven(made: Evidence, tmp_path: Path, **options: Any) -> tuple[dict[str, Any], Callable[..., str]]:
    proof = await prove(made.world.bucket, "c-1", **options)
    (tmp_path / "keys.pem").write_text(made.key.public_pem())

    def check(document: Any = proof, *anchors: str) -> str:
        (tmp_path / "proof.json").write_text(json.dumps(document))
        said: str = OUTSIDE["main"](str(tmp_path / "proof.json"), str(tmp_path / "keys.pem"), *anchors)
        return said

    return proof, check


async def test_a_proof_is_accepted_outside_and_a_tampered_copy_refused(tmp_path: Path) -> None:
    made = await evidence()
    proof, check = await proven(made, tmp_path, since=2)
    heads = [str(head) for head in await made.anchor.heads()]
    assert check(proof, heads[4], heads[1]) == "row 7 of 15 is in the archive of digest 5, 2026-11-21T12:25:00Z"
    other = Evidence()
    await other.lengthened("a")
    foreign = base64.b64encode(other.world.bucket.objects[digest_key(1)][0]).decode()
    for changed in (
        {"row": proof["row"].replace("UPLOADED", "REJECTED")},
        {"index": 8},
        {"path": proof["path"][1:]},
        {"path": [*proof["path"], "00" * 32]},
        {"digest": foreign},
        {"consistency": {**proof["consistency"], "path": proof["consistency"]["path"][1:]}},
        {"consistency": {**proof["consistency"], "digest": foreign}},
    ):
        with pytest.raises(ValueError, match=r"not in the tree|not continue|no key of yours"):
            check(proof | changed)
    body = base64.b64decode(proof["digest"]).replace(b'"sequence":5', b'"sequence":6')
    with pytest.raises(InvalidSignature):
        check(proof | {"digest": base64.b64encode(body).decode()})
    with pytest.raises(ValueError, match="an anchor names another digest"):
        check(proof, heads[2])


async def test_what_cannot_be_proven_says_why() -> None:
    made = await evidence(("a", "b"))
    await made.world.worker().keep([row("a-1", table="fleet-webhooks-dev"), row("late")])
    made.world.clock.advance(60)
    await made.chain().lengthen(asked=True)
    await made.world.worker().keep([row("pending")])
    bucket = made.world.bucket
    for event_id, options, why in (
        ("pending", {}, "no row of that event id"),
        ("a-1", {}, "more than one row"),
        ("late", {"since": 9}, "digest 9 has no tree"),
    ):
        with pytest.raises(NotProvable, match=why):
            await prove(bucket, event_id, **options)  # type: ignore[arg-type]  # options of prove
    assert (await prove(bucket, "a-1", table="fleet-webhooks-dev"))["index"] >= 6
    replace(made.world, made.objects(1)[0], b"nothing")
    with pytest.raises(NotProvable, match="cannot be read: verify the archive"):
        await prove(bucket, "a-2")
    with pytest.raises(NotProvable, match="no digest with a tree"):
        await prove(World().bucket, "late")


async def test_a_tree_that_began_anew_is_proven_from_there_and_a_broken_one_where_it_hangs_together() -> None:
    world = await archive()
    replace(world, digest_key(6), b"{}")
    made = Evidence(world=world)
    await made.lengthened("new")
    assert (await prove(world.bucket, "new-2"))["index"] == 2
    assert parse(base64.b64decode((await prove(world.bucket, "e0-1"))["digest"])).sequence == 5  # type: ignore[union-attr]
    replace(world, digest_key(2), b"{}")
    del world.bucket.objects[digest_key(6)]
    assert (await prove(world.bucket, "new-2"))["index"] == 2
    with pytest.raises(NotProvable, match="is not what its rows make"):
        await prove(world.bucket, "e2-1")
