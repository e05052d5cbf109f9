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


EMPTY = Tree()


def joined(subtrees: Sequence[bytes]) -> bytes:
    """The root over neighbouring perfect subtrees, the largest first."""
    if not subtrees:
        return hashlib.sha256(b"").digest()
    node = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        node = node_hash(left, node)
    return node


@dataclass(frozen=True, slots=True)
class _Known:
    """The leaf hashes of a tree from `base.size` on; of the leaves before, the roots of their perfect subtrees alone."""

    base: Tree
    leaves: Sequence[bytes]

    def root(self, start: int, end: int) -> bytes:
        """Of the leaves from `start` up to `end`, which are a node's of the whole tree; before `base.size` one of its subtrees."""
        first = self.base.size
        if start >= first:
            return Tree().extended(self.leaves[start - first : end - first]).root
        if end <= first:
            return self._subtree(start)
        middle = start + _half(end - start)
        return node_hash(self.root(start, middle), self.root(middle, end))

    def _subtree(self, start: int) -> bytes:
        """The one that begins there: `start` is the sum of the larger ones, the binary ones of the size that stand before it."""
        return self.base.subtrees[start.bit_count()]


def inclusion(leaves: Sequence[bytes], index: int, base: Tree = EMPTY) -> list[bytes]:
    """The audit path of the leaf `index`, the nearest first (RFC 9162, section 2.1.3.1). `leaves` are the leaf hashes behind the
    tree `base`, and the leaf is one of them. Raises IndexError.
    """
    start, end = 0, base.size + len(leaves)
    if not base.size <= index < end:
        raise IndexError(index)
    known, path = _Known(base, leaves), list[bytes]()
    while end - start > 1:
        middle = start + _half(end - start)
        if index < middle:
            path.append(known.root(middle, end))
            end = middle
        else:
            path.append(known.root(start, middle))
            start = middle
    return path[::-1]


def consistency(leaves: Sequence[bytes], first: int, base: Tree = EMPTY) -> list[bytes]:
    """The proof that the tree of the `first` leaves, `base` or a later one, is the beginning of the tree of all (RFC 9162, section
    2.1.4.1). Empty where both are one tree. Raises IndexError.
    """
    start, end = 0, base.size + len(leaves)
    if not max(base.size, 1) <= first <= end:
        raise IndexError(first)
    known, path = _Known(base, leaves), list[bytes]()
    while first != end:
        middle = start + _half(end - start)
        if first <= middle:
            path.append(known.root(middle, end))
            end = middle
        else:
            path.append(known.root(start, middle))
            start = middle
    return [*([known.root(start, end)] if start else []), *path[::-1]]


def _half(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
