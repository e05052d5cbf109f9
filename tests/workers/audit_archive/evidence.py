"""A signed and anchored archive, and what somebody can do who may write all of its bucket and has no key."""

import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.workers.audit_archive.fakes import SEALS, FakeBucket, World, row
from tests.workers.audit_archive.tampering import replace
from workers.audit_archive.chain.chain import Chain, Maker
from workers.audit_archive.chain.digest import Digest, Entry, Listed, digest_key, hash_of, next_digest, parse
from workers.audit_archive.chain.merkle import leaf_hash
from workers.audit_archive.chain.newest import Vouching
from workers.audit_archive.chain.report import Verification
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.anchors import InBucket
from workers.audit_archive.evidence.signing import FileKey, KeyRing

Lines = Callable[[str, list[bytes]], list[bytes]]


def ring(*keys: FileKey) -> KeyRing:
    return KeyRing.read("".join(key.public_pem() for key in keys).encode())


@dataclass
class Evidence:
    """Five digests of a signed archive; each head is anchored in another bucket."""

    key: FileKey = field(default_factory=FileKey.new)
    world: World = field(default_factory=World)
    anchor: InBucket = field(default_factory=lambda: InBucket(FakeBucket(), "heads/", name="s3://elsewhere/heads"))

    def chain(self, key: FileKey | None = None) -> Chain:
        maker = Maker(
            bucket=self.world.bucket,
            now=self.world.clock,
            sign=(key or self.key).sign,
            seals=SEALS,
            vouching=self.vouching(key or self.key),
        )
        return Chain(maker=maker, every=timedelta(minutes=5), anchors=[self.anchor])

    def vouching(self, key: FileKey) -> Vouching:
        async def own() -> KeyRing:
            return ring(key)

        return Vouching(SEALS, own)

    async def lengthened(self, *event_ids: str, key: FileKey | None = None) -> None:
        for event_id in event_ids:
            await self.world.worker().keep([row(f"{event_id}-{place}") for place in range(3)])
            self.world.clock.advance(300)
            assert await self.chain(key).lengthen(asked=True)

    async def verified(self, *keys: FileKey, is_anchored: bool = True) -> Verification:
        heads = await self.anchor.heads() if is_anchored else []
        return await verify(self.world.bucket, keys=ring(*(keys or (self.key,))), anchors=heads)

    def document(self, number: int) -> Digest:
        found = parse(self.world.bucket.objects[digest_key(number)][0])
        assert found is not None
        return found

    def objects(self, number: int) -> list[str]:
        return [entry.key for entry in self.document(number).objects]

    def rebuild(self, first: int, *, lines: Lines = lambda _key, lines: lines, **changes: Any) -> None:
        """Write digests anew from `first` on, as consistent as one can without the key: rows by `lines`, then `changes` to the
        digest `first`; every hash, link, tree and metadata fits.
        """
        numbers = [number for number in range(first, 100) if digest_key(number) in self.world.bucket.objects]
        before = None if first == 1 else self._stored(first - 1)
        for number in numbers:
            old = self.document(number)
            entries = [self._rewritten(entry, lines) for entry in old.objects]
            genesis = None if number == 1 else hash_of(self.world.bucket.objects[digest_key(1)][0])
            made = next_digest(sequence=number, before=before, genesis=genesis, entries=entries, at=old.created_at)
            made = made.model_copy(update={"signature": old.signature} | (changes if number == first else {}))
            replace(self.world, digest_key(number), made.to_bytes())
            before = self._stored(number)

    def _stored(self, number: int) -> tuple[bytes, Digest]:
        return self.world.bucket.objects[digest_key(number)][0], self.document(number)

    def _rewritten(self, entry: Entry, lines: Lines) -> Listed:
        kept = lines(entry.key, gzip.decompress(self.world.bucket.objects[entry.key][0]).splitlines())
        content = b"".join(line + b"\n" for line in kept)
        body = gzip.compress(content, mtime=0)
        metadata = {**self.world.bucket.objects[entry.key][1], "sha256": hash_of(content), "rows": str(len(kept))}
        self.world.bucket.objects[entry.key] = (body, metadata)
        changed = entry.model_copy(update={"sha256": hash_of(content), "rows": len(kept), "bytes": len(body)})
        return Listed(changed, tuple(map(leaf_hash, kept)))


async def evidence(digests: Iterable[str] = ("a", "b", "c", "d", "e")) -> Evidence:
    made = Evidence()
    await made.lengthened(*digests)
    return made
