"""Is the archive what its digests say? Walks the chain from its first digest and names what is broken or missing.

    verification = await verify(S3Bucket(client, name="fleet-audit-dev"))     # or verify(Directory(Path("copy")))
    verification.ok, verification.first, verification.findings, verification.notes

Without keys and anchors it shows that the archive hangs together, and no more: who may write everything in the bucket can
compute another one that does. With the public keys (`keys`) it shows who made each digest; with heads that were kept
elsewhere (`anchors`) that those digests are still the same and that none of them was cut off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from workers.audit_archive.chain.digest import Digest, Entry, Head, TreeHead, digest_key, hash_of, parse, sequence_of
from workers.audit_archive.chain.gaps import Lying, open_gaps
from workers.audit_archive.chain.merkle import Tree
from workers.audit_archive.chain.report import Finding, Kind, Verification
from workers.audit_archive.evidence.ages import Ages
from workers.audit_archive.evidence.trust import Anchors, Keys, Signatures
from workers.audit_archive.rules import marked
from workers.audit_archive.source import InColdStorage, Source
from workers.audit_archive.store.archive import each
from workers.audit_archive.store.objects import Content, read_content

READS_AT_ONCE = 16
DIGESTS_AT_ONCE = 64

Progress = Callable[[int, int], None]
"""Called with the objects checked so far and those expected."""


async def verify(
    source: Source,
    *,
    keys: Keys | None = None,
    anchors: Sequence[Head] = (),
    ages: Ages | None = None,
    lying: Sequence[Lying] | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check every digest and every object. `lying` is what dead-letter queues hold. Safe beside workers that write: the order of the three looks is what makes
    "no digest and no marker names it" true for an object that was there at the first look. Without `ages` nothing is late
    and nothing expires.
    """
    present = await source.keys("table=")
    announced = {key for found in await source.keys("pending/") if (key := marked(found))}
    kept = await source.keys("digests/")
    walk = _Walk(
        source,
        len(present),
        progress or (lambda _checked, _expected: None),
        Signatures(keys),
        Anchors(anchors),
        ages,
    )
    await walk.chain(kept)
    walk.rest(present, announced)
    lacking = await open_gaps(source, walk.whole, lying)
    walk.notes += lacking.notes
    return Verification(
        digests=walk.digests,
        objects=walk.objects,
        rows=walk.rows,
        findings=tuple(walk.findings),
        notes=tuple(walk.notes),
        unseen=replace(lacking.counted, **walk.unseen),
        signed=walk.signatures.newest,
        anchored=walk.anchors.newest,
    )


@dataclass(slots=True)
class _Walk:
    source: Source
    expected: int
    progress: Progress
    signatures: Signatures
    anchors: Anchors
    ages: Ages | None
    digests: int = 0
    objects: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    before: tuple[int, bytes | None, Digest | None] = (0, None, None)
    newest: Digest | None = None
    unseen: Counter[str] = field(default_factory=Counter)

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
        """What is missing behind the chain, and what lies in the archive and in no digest."""
        self.findings += [*self.signatures.rest(), *self.anchors.rest()]
        if self.ages is not None:
            self.findings += self.ages.silence(self.newest)
            self.findings += self.ages.waiting(sorted(announced - self.listed))
        for key in present:
            if key in self.listed:
                continue
            if key in announced:
                self.unseen["pending_objects"] += 1
                self._note("pending", key, "waits for the next digest")
            elif self.unseen["cold_digests"]:
                self._note("cold storage", key, "a digest in cold storage may list it")
            else:
                self._found("unlisted object", key, "no digest lists it and no marker announces it")

    async def _digest(self, number: int, body: bytes | Exception | None) -> None:
        key = digest_key(number)
        if isinstance(body, InColdStorage):
            self._note("cold storage", key, "restore it to check it and what it lists")
            self.before, self.newest = (number, None, None), None
            self.anchors.pass_by(number)
            self.unseen["cold_digests"] += 1
            return
        if isinstance(body, Exception):
            raise body
        if body is None:
            return  # gone since it was listed: a gap
        self.digests += 1
        digest, fault = parse(body), None
        self._gap(number, digest)
        self.findings += self.anchors.see(number, body, digest)
        if digest is None:
            self._found("invalid format", key, "not a digest")
        elif digest.sequence != number:
            self._found("moved", key, f"holds digest {digest.sequence}")
        else:
            self._link(digest)
            if fault := self.signatures.see(digest):
                self.findings.append(fault)
            if not digest.objects:
                self._note("asserted empty", key, _period(digest, digest))
        in_place = digest if digest is not None and digest.sequence == number else None
        if digest is not None:
            await self._objects(digest, moved=in_place is None)
        self.before = (number, body if in_place else None, in_place if fault is None else None)
        self.newest = in_place or self.newest

    def _gap(self, number: int, digest: Digest | None) -> None:
        last, _, before = self.before
        if number == last + 1:
            return
        missing = digest_key(last + 1) if number == last + 2 else f"{digest_key(last + 1)} to {digest_key(number - 1)}"
        self._found("missing digest", missing, _period(before, digest))
        self.before = (number - 1, None, None)

    def _link(self, digest: Digest) -> None:
        """Does it follow the one before? Not asked where that one is missing or broken: the fault has a name already."""
        last, body, before = self.before
        if digest.sequence == 1:
            if digest.previous is not None:
                self._found("chain broken", digest.key, "the first digest names one before it")
        elif digest.previous is None or digest.previous.key != digest_key(last):
            self._found("chain broken", digest.key, f"does not name {digest_key(last)} as the one before it")
        elif body is not None and digest.previous.sha256 != hash_of(body):
            self._found("chain broken", digest.key, f"{digest_key(last)} is not the one that it follows")
        elif before is not None and digest.created_at < before.created_at:
            self._found("chain broken", digest.key, "made before the one that it follows")

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
        leaves: list[bytes] = []
        are_whole = len(fresh) == len(digest.objects)
        for found in await each(fresh, self._object, at_once=READS_AT_ONCE):
            match found:
                case Exception():
                    raise found
                case Content():
                    leaves += found.leaves
                case Finding(kind="cold storage" | "expired"):
                    self.notes.append(found)
                    are_whole = False
                case Finding():
                    self.findings.append(found)
                    are_whole = False
        if are_whole and not moved:
            self._tree(digest, leaves)

    def _tree(self, digest: Digest, leaves: Sequence[bytes]) -> None:
        """Is the tree that of the digest before and of these rows? Not asked where that one is missing or broken."""
        last, _, before = self.before
        if digest.tree is None or (before is None and last > 0):
            return
        tree = before.tree.tree if before is not None and before.tree is not None else Tree()
        if TreeHead.of(tree.extended(leaves)) != digest.tree:
            self._found("wrong tree", digest.key, f"its rows make {tree.size + len(leaves)} leaves of another root")

    async def _object(self, entry: Entry) -> Content | Finding:
        try:
            body = await self.source.get(entry.key)
        except InColdStorage:
            self._did_not_see("cold", entry)
            return Finding("cold storage", entry.key, "restore it to check it")
        if body is None and self.ages is not None and self.ages.is_expired(entry.key):
            self._did_not_see("expired", entry)
            return Finding("expired", entry.key, "older than the retention")
        self.objects += 1
        self.progress(self.objects, max(self.objects, self.expected))
        if body is None:
            return Finding("missing object", entry.key)
        content = await read_content(body, rows=entry.rows)
        if content is None or content.sha256 != entry.sha256:
            return Finding("hash mismatch", entry.key)
        self.rows += entry.rows
        self.whole.append(entry.key)
        return content

    def _did_not_see(self, why: str, entry: Entry) -> None:
        self.unseen[f"{why}_objects"] += 1
        self.unseen[f"{why}_rows"] += entry.rows

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
