"""That a row is in the archive, and that the archive of then is the beginning of the archive of now: for who has neither."""

from __future__ import annotations

import gzip
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from workers.audit_archive.chain.digest import Digest, TreeHead, parse, sequence_of
from workers.audit_archive.chain.merkle import EMPTY, Tree, consistency, inclusion, leaf_hash
from workers.audit_archive.evidence.trust import Keys
from workers.audit_archive.source import InColdStorage, Source
from workers.audit_archive.store.archive import each

DIGESTS_AT_ONCE = 64
READS_AT_ONCE = 16


class NotProvable(Exception):
    """There is no such row in a tree, or what would prove it cannot be read."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """For which row."""

    event_id: str
    table: str | None

    def among(self, rows: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """Places and lines."""
        needle = b'"event_id":' + orjson.dumps(self.event_id)
        return [(place, line) for place, line in enumerate(rows) if needle in line and self._is(orjson.loads(line))]

    def _is(self, row: Mapping[str, Any]) -> bool:
        is_it = row.get("event_id") == self.event_id and row.get("activity") != "gap"
        return is_it and self.table in {None, row.get("table")}


@dataclass(slots=True)
class _Run:
    """Digests one behind the other, all of whose rows can be read: as they are stored, and their rows' leaf hashes. Of what came
    before, the tree `base` is enough for a proof.
    """

    base: Tree = EMPTY
    tree: Tree = EMPTY
    digests: dict[int, bytes] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    found: list[tuple[int, bytes]] = field(default_factory=list)

    def goes_on(self, digest: Digest, body: bytes, rows: Sequence[bytes], looked: _Looked) -> bool:
        """False where the digest's tree is not this one with its rows."""
        leaves = [leaf_hash(line) for line in rows]
        tree = self.tree.extended(leaves)
        if TreeHead.of(tree) != digest.tree:
            return False
        self.found += [(self.tree.size + place, line) for place, line in looked.among(rows)]
        self.leaves += leaves
        self.tree, self.digests[digest.sequence] = tree, body
        return True


@dataclass(slots=True)
class _Trusted:
    """What nobody signed is no part of a signed chain; with `keys` nor is what somebody else did."""

    keys: Keys | None
    is_signed: bool = False

    def has(self, digest: Digest) -> bool:
        if digest.signature is None:
            return not self.is_signed
        if self.keys is not None and self.keys.judge(digest.signature, digest.message()) != "valid":
            return False
        self.is_signed = True
        return True


async def prove(
    source: Source, event_id: str, *, table: str | None = None, since: int | None = None, keys: Keys | None = None
) -> dict[str, Any]:
    """A proof as one document (docs/archive.md): the row's line, its audit path, the signed digest whose tree it is in, and with
    `since` the proof that the tree of that digest is this one's beginning. The digest is the newest one up to which all rows can be
    read, from the row's on, and that one of the `keys` signed, where they are given. Raises NotProvable.
    """
    runs, unread = await _runs(source, _Looked(event_id, table), _Trusted(keys))
    found = [(run, index, line) for run in runs for index, line in run.found]
    if len(found) > 1:
        raise NotProvable("more than one row has that event id: name its table")
    if not found:
        there = any(run.digests for run in runs)
        raise NotProvable(
            f"no row of that event id is in {'the tree of the newest digest' if there else 'a digest: there is no digest with a tree'}{_but(unread)}"
        )
    run, index, line = found[0]
    return {
        "version": 1,
        "row": line.decode(),
        "index": index,
        "path": _hex(inclusion(run.leaves, index, run.base)),
        "digest": b64encode(run.digests[max(run.digests)]).decode(),
        "consistency": None if since is None else _since(run, since, unread),
    }


def _since(run: _Run, number: int, unread: Sequence[str]) -> dict[str, Any]:
    body = run.digests.get(number)
    digest = parse(body) if body is not None else None
    size = digest.tree.size if digest is not None and digest.tree is not None else 0
    if body is None or not size:
        raise NotProvable(f"digest {number} has no tree that digest {max(run.digests)} continues{_but(unread)}")
    return {"digest": b64encode(body).decode(), "path": _hex(consistency(run.leaves, size, run.base))}


async def _runs(source: Source, looked: _Looked, trusted: _Trusted) -> tuple[list[_Run], list[str]]:
    """Those that hold the row, and the last one; and why rows of others cannot be read."""
    runs, unread = [_Run()], list[str]()
    keys = [key for key in await source.keys("digests/") if sequence_of(key)]
    for start in range(0, len(keys), DIGESTS_AT_ONCE):
        bodies = await _read(source, keys[start : start + DIGESTS_AT_ONCE])
        digests = {key: _digest(key, body, trusted, unread) for key, body in bodies.items()}
        objects = await _read(source, [entry.key for each in digests.values() if each for entry in each.objects])
        for key, digest in digests.items():
            body = bodies[key]
            if digest is None or digest.tree is None or not isinstance(body, bytes):
                runs = [*_holding(runs), _Run()]  # the next tree begins anew
                continue
            rows = _rows(digest, objects, unread)
            if rows is not None and digest.tree.size == len(rows):
                runs = [*_holding(runs), _Run()]  # a tree that begins anew
            if rows is not None and runs[-1].goes_on(digest, body, rows, looked):
                continue
            if rows is not None:
                unread.append(f"{key} is not what its rows make: verify the archive")
            tree = digest.tree.tree
            runs = [*_holding(runs), _Run(base=tree, tree=tree, digests={digest.sequence: body})]
    return runs, unread


def _holding(runs: Sequence[_Run]) -> list[_Run]:
    return [run for run in runs if run.found]


async def _read(source: Source, keys: Sequence[str]) -> dict[str, bytes | Exception | None]:
    return dict(zip(keys, await each(keys, source.get, at_once=READS_AT_ONCE), strict=True))


def _digest(key: str, body: bytes | Exception | None, trusted: _Trusted, unread: list[str]) -> Digest | None:
    if not isinstance(body, bytes):
        unread.append(_absent(key, body))
        return None
    found = parse(body)
    if found is None or found.key != key:
        return None
    if not trusted.has(found):
        unread.append(f"{key} was signed by no key that counts: verify the archive")
        return None
    return found


def _rows(digest: Digest, objects: Mapping[str, bytes | Exception | None], unread: list[str]) -> list[bytes] | None:
    """None where one of its objects cannot be read."""
    rows: list[bytes] = []
    for entry in digest.objects:
        body = objects[entry.key]
        if not isinstance(body, bytes):
            unread.append(_absent(entry.key, body))
            return None
        try:
            rows += gzip.decompress(body).splitlines()
        except (OSError, EOFError, zlib.error):
            unread.append(f"{entry.key} cannot be read: verify the archive")
            return None
    return rows


def _absent(key: str, found: Exception | None) -> str:
    if found is not None and not isinstance(found, InColdStorage):
        raise found
    why = "is gone: it expired, else verify the archive" if found is None else "is in cold storage: restore it"
    return f"{key} {why}"


def _but(unread: Sequence[str]) -> str:
    others = f", and {len(unread) - 1} more" if len(unread) > 1 else ""
    return f"; not looked at: {unread[0]}{others}" if unread else ""


def _hex(path: list[bytes]) -> list[str]:
    return [node.hex() for node in path]
