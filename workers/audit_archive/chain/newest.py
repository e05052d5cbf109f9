"""The end of the chain, which the next digest goes on from: only a worker's own may lend it its tree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from workers.audit_archive.chain.digest import Digest, digest_key, hash_of, parse, sequence_of
from workers.audit_archive.evidence.trust import Keys
from workers.audit_archive.store.archive import each
from workers.audit_archive.store.bucket import Bucket, Stored
from workers.audit_archive.store.seal import Seals

log = structlog.get_logger()

PREFIX = "digests/"
READS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Newest:
    """The end of the chain as one maker saw it. `digest` is None where its bytes are not a digest, or not a worker's; 0 is
    "none yet".
    """

    sequence: int = 0
    body: bytes | None = None
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class Vouching:
    """Tells a worker's digests from those of others, which must never get a signature by being gone on from. A worker's have a seal,
    whichever key signed them; those from before there were such seals, and of a sealing key that is gone, have a signature of
    ours (`keys`); and those from before there were signatures follow nothing that has either.
    """

    seals: Seals
    keys: Callable[[], Awaitable[Keys]]

    async def fits(self, bucket: Bucket, digest: Digest, stored: Stored) -> bool:
        if seal := stored.metadata.get("seal", ""):
            await self.seals.know(seal)
            if self.seals.fits(seal, digest.key, hash_of(stored.body)):
                return True
        elif digest.signature is None:
            return await _is_of_old(bucket, digest.sequence)
        if digest.signature is None:
            return False
        return (await self.keys()).judge(digest.signature, digest.message()) == "valid"


async def _is_of_old(bucket: Bucket, last: int) -> bool:
    """True where nobody sealed or signed a digest before this one: looks at all, once in the life of an archive that gets its first key."""
    for end in range(last, 1, -READS_AT_ONCE):
        numbers = range(max(1, end - READS_AT_ONCE), end)
        for stored in await each(numbers, lambda number: bucket.read(digest_key(number)), at_once=READS_AT_ONCE):
            if isinstance(stored, Exception):
                raise stored
            digest = parse(stored.body) if stored else None
            if stored and ("seal" in stored.metadata or (digest is not None and digest.signature is not None)):
                return False
    return True


async def newest(bucket: Bucket, known: int, vouching: Vouching | None = None) -> Newest:
    """`known` is the number of a digest that was seen before. Without `vouching` every digest is taken for a worker's."""
    after = digest_key(known - 1) if known > 1 else PREFIX
    numbers = _numbers(await bucket.keys(PREFIX, after=after))
    if known and known not in numbers:
        log.error("audit_digest_vanished", sequence=known)  # verification will say what is wrong with the chain
        numbers = _numbers(await bucket.keys(PREFIX))
    if not numbers:
        return Newest()
    number = numbers[-1]
    stored = await bucket.read(digest_key(number))
    if stored is None:
        raise LookupError("the newest digest was listed and is not there")
    digest = parse(stored.body)
    is_there = digest is not None and digest.sequence == number
    if digest is not None and not (is_there and (vouching is None or await vouching.fits(bucket, digest, stored))):
        log.error("audit_digest_foreign", sequence=number)
        digest = None
    return Newest(number, stored.body, digest)


async def genesis(bucket: Bucket, found: Newest) -> str | None:
    """The first digest's hash; None where there is none yet. The digest before repeats it."""
    if found.sequence == 0:
        return None
    if found.digest is not None and found.digest.genesis is not None:
        return found.digest.genesis
    first = found.body if found.sequence == 1 else await bucket.get(digest_key(1))
    if first is None:
        raise LookupError("the first digest is not there: verify the archive")
    return hash_of(first)


def _numbers(keys: Sequence[str]) -> list[int]:
    return [number for key in keys if (number := sequence_of(key)) is not None]
