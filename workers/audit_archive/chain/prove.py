"""That a row is in the archive, and that the archive of then is the beginning of the archive of now: for who has neither."""

from __future__ import annotations

import gzip
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import orjson

from workers.audit_archive.chain.digest import Digest, digest_key, parse, sequence_of
from workers.audit_archive.chain.merkle import Tree, consistency, inclusion, leaf_hash
from workers.audit_archive.source import InColdStorage, Source


class NotProvable(Exception):
    """There is no such row in the tree, or the archive is not what its digests say."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """The newest tree: its digests as they are stored, and the leaf hashes of all rows, with the lines that were looked for."""

    digests: dict[int, bytes]
    hashes: list[bytes]
    found: list[tuple[int, bytes]]


async def prove(source: Source, event_id: str, *, table: str | None = None, since: int | None = None) -> dict[str, Any]:
    """A proof as one document (docs/archive.md): the row's line, its audit path, the signed digest whose tree it is in, and with
    `since` the proof that the tree of that digest is this one's beginning. Reads every row. Raises NotProvable.
    """
    leaves = await _leaves(source, event_id, table)
    if not leaves.found:
        raise NotProvable("no row of that event id is in the tree of the newest digest")
    if len(leaves.found) > 1:
        raise NotProvable("more than one row has that event id: name its table")
    (index, line), number = leaves.found[0], max(leaves.digests)
    return {
        "version": 1,
        "row": line.decode(),
        "index": index,
        "path": _hex(inclusion(leaves.hashes, index)),
        "digest": b64encode(leaves.digests[number]).decode(),
        "consistency": None if since is None else _since(leaves, since),
    }


def _since(leaves: Leaves, number: int) -> dict[str, Any]:
    body = leaves.digests.get(number)
    size = _size(body) if body is not None else 0
    if body is None or not size:
        raise NotProvable(f"digest {number} has no tree that the newest one continues")
    return {"digest": b64encode(body).decode(), "path": _hex(consistency(leaves.hashes, size))}


async def _leaves(source: Source, event_id: str, table: str | None) -> Leaves:
    """Digest by digest; where a tree begins anew, what came before does not belong to it."""
    needle = b'"event_id":' + orjson.dumps(event_id)
    leaves = Leaves({}, [], [])
    tree = Tree()
    for key in await source.keys("digests/"):
        number = sequence_of(key)
        body = await source.get(key) if number else None
        digest = parse(body) if body else None
        if digest is None or digest.tree is None or number is None or body is None:
            leaves, tree = Leaves({}, [], []), Tree()
            continue
        rows = await _rows(source, digest)
        if digest.tree.size == len(rows):
            leaves, tree = Leaves({}, [], []), Tree()
        for line in rows:
            if needle in line and _is(line, event_id, table):
                leaves.found.append((len(leaves.hashes), line))
            leaves.hashes.append(leaf_hash(line))
        tree = tree.extended(leaves.hashes[tree.size :])
        if tree.root.hex() != digest.tree.root:
            raise NotProvable(f"{digest_key(number)} is not what its rows make: verify the archive")
        leaves.digests[number] = body
    if not leaves.digests:
        raise NotProvable("there is no digest with a tree")
    return leaves


async def _rows(source: Source, digest: Digest) -> list[bytes]:
    rows: list[bytes] = []
    for entry in digest.objects:
        try:
            body = await source.get(entry.key)
            rows += gzip.decompress(body).splitlines() if body is not None else []
        except InColdStorage as error:
            raise NotProvable(f"{entry.key} is in cold storage: restore it") from error
        except (OSError, EOFError) as error:
            raise NotProvable(f"{entry.key} cannot be read: verify the archive") from error
    return rows


def _is(line: bytes, event_id: str, table: str | None) -> bool:
    row = orjson.loads(line)
    return row.get("event_id") == event_id and row.get("activity") != "gap" and table in {None, row.get("table")}


def _size(body: bytes) -> int:
    digest = parse(body)
    return digest.tree.size if digest is not None and digest.tree is not None else 0


def _hex(path: list[bytes]) -> list[str]:
    return [node.hex() for node in path]
