"""A digest: the objects that are new since the digest before it, that digest's hash, and a signature."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Self

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from workers.audit_archive.chain.merkle import Tree
from workers.audit_archive.rules import OBJECT_KEY, canonical, named_at

SIGNED = b"sqs-worker-fleet audit digest v2\n"
"""Stands before what is signed, so that no signature over something else can be taken for one over a digest."""

_SHA256 = "^[0-9a-f]{64}$"
_KEY = re.compile(r"digests/([0-9]{12})\.json")


class _Document(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class Entry(_Document):
    """One object. `sha256` is of its uncompressed content, `bytes` its size as stored; a fence has 0 rows, no times."""

    key: str = Field(pattern=f"^{OBJECT_KEY}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    oldest_event_time: AwareDatetime | None
    newest_event_time: AwareDatetime | None


@dataclass(frozen=True, slots=True)
class Listed:
    """An object that a digest is about to list, with the leaf hashes of its rows."""

    entry: Entry
    leaves: tuple[bytes, ...]


class Link(_Document):
    """The digest before: its key and the SHA-256 of its bytes."""

    key: str
    sha256: str


class TreeHead(_Document):
    """The Merkle tree over all rows that the chain has listed: how many, its root, and its perfect subtrees (see merkle.py).
    Its leaves are the rows of each digest's objects in their order, digest after digest.
    """

    size: int = Field(ge=0)
    root: str = Field(pattern=_SHA256)
    subtrees: tuple[str, ...]

    @classmethod
    def of(cls, tree: Tree) -> TreeHead:
        return cls(size=tree.size, root=tree.root.hex(), subtrees=tuple(each.hex() for each in tree.subtrees))

    @property
    def tree(self) -> Tree:
        return Tree(self.size, tuple(map(bytes.fromhex, self.subtrees)))

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.tree.root.hex() != self.root:
            raise ValueError("the root is not that of the subtrees")
        return self


class Signature(_Document):
    """`key` is the SHA-256 of the public key's DER in hex, `value` base64."""

    key: str = Field(pattern=_SHA256)
    algorithm: Literal["ed25519", "ecdsa-sha256"]
    value: str


class Digest(_Document):
    """One link of the chain. The first has sequence 1, no previous and no genesis; no objects means: asserted empty.

    `genesis` is the SHA-256 of the first digest. Version 1 had neither genesis, tree nor signature.
    """

    version: Literal[1, 2] = 2
    sequence: int = Field(ge=1)
    previous: Link | None
    genesis: str | None = Field(default=None, pattern=_SHA256)
    created_at: AwareDatetime
    period_start: AwareDatetime
    period_end: AwareDatetime
    objects: tuple[Entry, ...]
    tree: TreeHead | None = None
    signature: Signature | None = None

    @property
    def key(self) -> str:
        return digest_key(self.sequence)

    def to_bytes(self) -> bytes:
        """Canonical JSON: what is stored, and what the next digest hashes."""
        return canonical(self.model_dump(mode="json", by_alias=True))

    def message(self) -> bytes:
        """What is signed: all of it without the signature."""
        return SIGNED + canonical(self.model_dump(mode="json", by_alias=True, exclude={"signature"}))

    def signed(self, signature: Signature) -> Digest:
        return self.model_copy(update={"signature": signature})

    @model_validator(mode="after")
    def _is_of_its_version(self) -> Self:
        fields = (self.tree, self.genesis, self.signature)
        if self.version == 1 and any(each is not None for each in fields):
            raise ValueError("version 1 has neither genesis, tree nor signature")
        if self.version == 2 and (self.tree is None or (self.genesis is None) != (self.sequence == 1)):
            raise ValueError("version 2 has a tree, and a genesis behind the first digest")
        return self


@dataclass(frozen=True, slots=True)
class Head:
    """What an anchor keeps of a digest: number, SHA-256 of its bytes, rows of the tree and its root, and the SHA-256 of the
    first digest; of a digest of version 1 there is neither tree nor genesis.
    """

    sequence: int
    sha256: str
    tree_size: int | None = None
    root: str | None = None
    genesis: str | None = None

    def __str__(self) -> str:
        return f"{self.sequence}:{self.sha256}"


def head_of(sequence: int, body: bytes) -> Head:
    """Of a stored digest."""
    digest, sha256 = parse(body), hash_of(body)
    if digest is None or digest.tree is None:
        return Head(sequence, sha256)
    return Head(sequence, sha256, digest.tree.size, digest.tree.root, digest.genesis or sha256)


def digest_key(sequence: int) -> str:
    """Where a digest is kept: twelve digits, so that text order is their order."""
    return f"digests/{sequence:012}.json"


def sequence_of(key: str) -> int | None:
    """The number in a digest's key; None where it is none."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found else None


def parse(body: bytes) -> Digest | None:
    """The digest in `body`; None where it is none, or of version 2 and not its canonical bytes."""
    try:
        found = Digest.model_validate(orjson.loads(body))
    except ValueError:  # not JSON, or not a digest
        return None
    return found if found.version == 1 or found.to_bytes() == body else None


def hash_of(body: bytes) -> str:
    """SHA-256 in hex, as a link states it."""
    return hashlib.sha256(body).hexdigest()


def next_digest(
    *,
    before: tuple[bytes, Digest | None] | None,
    genesis: str | None,
    entries: Sequence[Listed],
    at: datetime,
    sequence: int,
) -> Digest:
    """The digest after the one `before`, of which there may be bytes alone; unsigned. `genesis` is the first one's hash.

    Time never runs backwards along the chain, even where two makers' clocks differ. The tree goes on from the digest
    before; behind one of version 1, and behind one that cannot be read, it begins anew.
    """
    body, digest = before or (None, None)
    since = digest.period_end if digest else None
    end = at.astimezone(UTC) if since is None or at > since else since
    ordered = sorted(entries, key=lambda listed: listed.entry.key)
    first_named = min((named for listed in ordered if (named := named_at(listed.entry.key))), default=end)
    tree = digest.tree.tree if digest and digest.tree else Tree()
    return Digest(
        sequence=sequence,
        previous=None if body is None else Link(key=digest_key(sequence - 1), sha256=hash_of(body)),
        genesis=genesis,
        created_at=end,
        period_start=since or min(first_named, end),
        period_end=end,
        objects=tuple(listed.entry for listed in ordered),
        tree=TreeHead.of(tree.extended(leaf for listed in ordered for leaf in listed.leaves)),
    )
