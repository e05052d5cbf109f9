"""The tree of RFC 6962, by its published vectors and against its definition."""

import hashlib

import pytest

from workers.audit_archive.chain.merkle import Tree, leaf_hash, node_hash

LEAVES = [bytes.fromhex(text) for text in
          ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""Vectors of the certificate-transparency project."""


def defined(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word; of leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(defined(leaves[:half]), defined(leaves[half:]))


def test_the_roots_are_those_of_the_published_vectors() -> None:
    assert {size: Tree().extended(map(leaf_hash, LEAVES[:size])).root.hex() for size in ROOTS} == ROOTS


def test_a_tree_that_grew_in_any_steps_is_the_defined_one() -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(70)]
    for size in range(70):
        for step in (1, 3, 64):
            tree = Tree()
            for start in range(0, size, step):
                tree = tree.extended(leaves[start : min(start + step, size)])
            assert (tree.size, tree.root) == (size, defined(leaves[:size]))


def test_a_tree_without_its_subtrees_is_none() -> None:
    with pytest.raises(ValueError, match="binary ones"):
        Tree(3, (b"",))
