"""Is the archive what its digests say? Walks the chain from its first digest and names what is broken or missing.

    verification = await verify(S3Bucket(client, name="fleet-audit-dev"))     # or verify(Directory(Path("copy")))
    verification.ok, verification.first, verification.findings, verification.notes

What it cannot see without a signature or an anchor kept outside the bucket: the newest digest rewritten together with
what it lists, or the newest digests deleted together with everything they list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from workers.audit_archive.chain.digest import Digest, Entry, digest_key, hash_of, parse, sequence_of
from workers.audit_archive.rules import marked
from workers.audit_archive.source import InColdStorage, Source
from workers.audit_archive.store.archive import each
from workers.audit_archive.store.objects import content_hash

READS_AT_ONCE = 16
DIGESTS_AT_ONCE = 64

Kind = Literal[
    "hash mismatch",  # an object's content is not what its digest says
    "missing object",  # listed and gone
    "missing digest",  # a gap in the numbers
    "invalid format",  # a digest that cannot be read
    "moved",  # a digest that stands at another's key
    "chain broken",  # a digest that does not follow the one before it
    "listed twice",  # an object in two digests
    "unlisted object",  # an object that no digest lists and no marker announces
    "asserted empty",  # a note: a digest says that nothing was archived in its period
    "pending",  # a note: an object that waits for the next digest
    "cold storage",  # a note: an object or digest that must be restored before it can be read
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation; `where` is the key of an object or digest."""

    kind: Kind
    where: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome: findings in the order of the chain, notes that are not faults, and what was looked at; `rows` are
    those of valid objects.
    """

    digests: int
    objects: int
    rows: int
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The first broken or missing object or digest."""
        return self.findings[0] if self.findings else None


Progress = Callable[[int, int], None]
"""Called with the objects checked so far and those expected."""


async def verify(source: Source, *, progress: Progress | None = None) -> Verification:
    """Check every digest and every object. Safe beside workers that write: the order of the three looks is what makes
    "no digest and no marker names it" true for an object that was there at the first look.
    """
    present = await source.keys("table=")
    announced = {key for found in await source.keys("pending/") if (key := marked(found))}
    kept = await source.keys("digests/")
    walk = _Walk(source, len(present), progress or (lambda _checked, _expected: None))
    await walk.chain(kept)
    walk.rest(present, announced)
    return Verification(walk.digests, walk.objects, walk.rows, tuple(walk.findings), tuple(walk.notes))


@dataclass(slots=True)
class _Walk:
    source: Source
    expected: int
    progress: Progress
    digests: int = 0
    objects: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    before: tuple[int, bytes | None, Digest | None] = (0, None, None)
    some_are_cold: bool = False

    async def chain(self, keys: Sequence[str]) -> None:
        numbers = []
        for key in keys:
            number = sequence_of(key)
            if number:
                numbers.append(number)
            else:
                self._found("invalid format", key, "not the name of a digest")
        for start in range(0, len(numbers), DIGESTS_AT_ONCE):
            some = numbers[start : start + DIGESTS_AT_ONCE]
            bodies = await each(some, lambda number: self.source.get(digest_key(number)), at_once=READS_AT_ONCE)
            for number, body in zip(some, bodies, strict=True):
                await self._digest(number, body)

    def rest(self, present: Sequence[str], announced: set[str]) -> None:
        """What lies in the archive and in no digest."""
        for key in present:
            if key in self.listed:
                continue
            if key in announced:
                self._note("pending", key, "waits for the next digest")
            elif self.some_are_cold:
                self._note("cold storage", key, "a digest in cold storage may list it")
            else:
                self._found("unlisted object", key, "no digest lists it and no marker announces it")

    async def _digest(self, number: int, body: bytes | Exception | None) -> None:
        key = digest_key(number)
        if isinstance(body, InColdStorage):
            self._note("cold storage", key, "restore it to check it and what it lists")
            self.before, self.some_are_cold = (number, None, None), True
            return
        if isinstance(body, Exception):
            raise body
        if body is None:
            return  # gone since it was listed: a gap
        self.digests += 1
        digest = parse(body)
        self._gap(number, digest)
        if digest is None:
            self._found("invalid format", key, "not a digest")
        elif digest.sequence != number:
            self._found("moved", key, f"holds digest {digest.sequence}")
        else:
            self._link(digest)
            if not digest.objects:
                self._note("asserted empty", key, _period(digest, digest))
        in_place = digest if digest is not None and digest.sequence == number else None
        if digest is not None:
            await self._objects(digest, moved=in_place is None)
        self.before = (number, body if in_place else None, in_place)

    def _gap(self, number: int, digest: Digest | None) -> None:
        last, _, before = self.before
        if number == last + 1:
            return
        missing = digest_key(last + 1) if number == last + 2 else f"{digest_key(last + 1)} to {digest_key(number - 1)}"
        self._found("missing digest", missing, _period(before, digest))
        self.before = (number - 1, None, None)

    def _link(self, digest: Digest) -> None:
        """Does it follow the one before? Not asked where that one is missing or broken: the fault has a name already."""
        last, body, _ = self.before
        if digest.sequence == 1:
            if digest.previous is not None:
                self._found("chain broken", digest.key, "the first digest names one before it")
        elif digest.previous is None or digest.previous.key != digest_key(last):
            self._found("chain broken", digest.key, f"does not name {digest_key(last)} as the one before it")
        elif body is not None and digest.previous.sha256 != hash_of(body):
            self._found("chain broken", digest.key, f"{digest_key(last)} is not the one that it follows")

    async def _objects(self, digest: Digest, *, moved: bool) -> None:
        fresh = []
        for entry in digest.objects:
            if entry.key in self.listed and moved:
                pass  # a digest that was copied to another key lists nothing new
            elif entry.key in self.listed:
                self._found("listed twice", entry.key, f"also in {digest.key}")
            else:
                self.listed.add(entry.key)
                fresh.append(entry)
        for found in await each(fresh, self._object, at_once=READS_AT_ONCE):
            if isinstance(found, Exception):
                raise found
            if found is not None:
                (self.notes if found.kind == "cold storage" else self.findings).append(found)

    async def _object(self, entry: Entry) -> Finding | None:
        try:
            body = await self.source.get(entry.key)
        except InColdStorage:
            return Finding("cold storage", entry.key, "restore it to check it")
        self.objects += 1
        self.progress(self.objects, max(self.objects, self.expected))
        if body is None:
            return Finding("missing object", entry.key)
        if await asyncio.to_thread(content_hash, body) != entry.sha256:
            return Finding("hash mismatch", entry.key)
        self.rows += entry.rows
        return None

    def _found(self, kind: Kind, where: str, detail: str) -> None:
        self.findings.append(Finding(kind, where, detail))

    def _note(self, kind: Kind, where: str, detail: str) -> None:
        self.notes.append(Finding(kind, where, detail))


def _period(first: Digest | None, last: Digest | None) -> str:
    """From the end of one digest's period to the start of another's, as far as they are known; one digest: its own."""
    if first is not None and first is last:
        return f"{first.period_start.isoformat()} to {first.period_end.isoformat()}"
    start = first.period_end.isoformat() if first else "the beginning"
    end = last.period_start.isoformat() if last else "an unknown time"
    return f"{start} to {end}"
