"""A Merkle tree over the rows of the archive, as RFC 6962 (section 2.1) and RFC 9162 (section 2.1) define it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def leaf_hash(row: bytes) -> bytes:
    """Of one row: its line without the line feed. 32 bytes."""
    return hashlib.sha256(b"\x00" + row).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two subtrees' hashes. 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of `size` leaves, of which only the roots of its perfect subtrees are kept, the largest first: as many as
    `size` has binary ones. That is enough to add leaves and to tell the root.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if len(self.subtrees) != self.size.bit_count():
            raise ValueError("a tree has as many perfect subtrees as its size has binary ones")

    def extended(self, leaves: Iterable[bytes]) -> Tree:
        """With further leaf hashes at its end."""
        size, stack = self.size, [*self.subtrees]
        for leaf in leaves:
            node, full = leaf, size
            while full & 1:
                node = node_hash(stack.pop(), node)
                full >>= 1
            stack.append(node)
            size += 1
        return Tree(size, tuple(stack))

    @property
    def root(self) -> bytes:
        """The Merkle tree hash; that of no leaves is the SHA-256 of nothing."""
        return joined(self.subtrees)


def joined(subtrees: Sequence[bytes]) -> bytes:
    """The root over neighbouring perfect subtrees, the largest first."""
    if not subtrees:
        return hashlib.sha256(b"").digest()
    node = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        node = node_hash(left, node)
    return node


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of the leaf `index`, the nearest first (RFC 9162, section 2.1.3.1); of leaf hashes. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*inclusion(leaves[:half], index), _root(leaves[half:])]
    return [*inclusion(leaves[half:], index - half), _root(leaves[:half])]


def consistency(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The proof that the tree of the `first` leaves is the beginning of the tree of all (RFC 9162, section 2.1.4.1); of leaf
    hashes. Empty where both are one tree. Raises IndexError.
    """
    if not 0 < first <= len(leaves):
        raise IndexError(first)
    return _subproof(leaves, first, is_whole=True)


def _subproof(leaves: Sequence[bytes], first: int, *, is_whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if is_whole else [_root(leaves)]
    half = _half(len(leaves))
    if first <= half:
        return [*_subproof(leaves[:half], first, is_whole=is_whole), _root(leaves[half:])]
    return [*_subproof(leaves[half:], first - half, is_whole=False), _root(leaves[:half])]


def _half(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _root(leaves: Sequence[bytes]) -> bytes:
    return Tree().extended(leaves).root
