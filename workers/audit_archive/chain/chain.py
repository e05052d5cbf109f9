"""Digest after digest: every object of the archive in exactly one of them, though any worker may make the next.

Before an object is written, a marker names it (`pending/`). A maker lists the markers, looks at their objects, writes
`digests/{n+1}` with `If-None-Match: *`, so that of several makers one wins, and then deletes the markers it covered.
It may die between any two steps.

**No object is left out.** A marker is deleted only after a digest lists its object, and it was put before the object.
A marker whose object has not come within `PATIENCE` is fenced (see archive.py) and listed as the empty object it then
is; a younger one waits for the next digest.

**No object is listed twice.** Markers may outlive their digest (the maker died before it deleted them) or come back (a
slow owner or a fence puts its own late). So a maker that has read digest n leaves out what digests n, n-1, ... list,
back to the first one that is older than the oldest name among its markers: an object cannot have been listed before it
had its name. `CLOCKS_DIFFER` is the allowance for the clocks of those who gave the name and made the digest. If n is no
longer the newest, the write of n+1 fails, and what was left out or in does not matter.

**Hours without changes.** When the newest digest is an hour old, an empty one follows: it asserts that nothing was
archived. Before the first object there is no digest at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from workers.audit_archive.chain.digest import Digest, Entry, digest_key, next_digest, parse, sequence_of
from workers.audit_archive.rules import marked, marker, named_at
from workers.audit_archive.store.archive import each, fence
from workers.audit_archive.store.bucket import Bucket
from workers.audit_archive.store.objects import summary

log = structlog.get_logger()

PATIENCE = timedelta(minutes=15)
CLOCKS_DIFFER = timedelta(minutes=15)
ASSERT_EMPTY_AFTER = timedelta(hours=1)
OBJECTS_AT_ONCE = 16
OBJECTS_PER_DIGEST = 5000
"""What one run can look at before a handler's time is over; the rest goes into the next digest, oldest first."""

_PREFIX = "digests/"


@dataclass(frozen=True, slots=True)
class Newest:
    """The end of the chain as one maker saw it. `digest` is None where its bytes are not a digest; 0 is "none yet"."""

    sequence: int = 0
    body: bytes | None = None
    digest: Digest | None = None


async def make_digest(
    bucket: Bucket, *, now: Callable[[], datetime], known: int = 0, only_after: timedelta = timedelta(0)
) -> tuple[Digest | None, int]:
    """Make the next digest, if there is something to put in it.

        digest, newest = await make_digest(S3Bucket(s3, name="fleet-audit-dev"), now=lambda: datetime.now(UTC))

    `known` is the number of a digest that was seen before: the search starts there. Nothing is made while the newest
    digest is younger than `only_after`. Answers with the digest made, None where none was needed or another maker was
    faster, and with the number of the newest digest that was seen.
    """
    newest = await _newest(bucket, known)
    at = now()
    age = at - newest.digest.created_at if newest.digest else None
    if only_after and age is not None and age < only_after:
        return None, newest.sequence
    entries = await _new_entries(bucket, newest, at)
    if not entries and (newest.sequence == 0 or (age is not None and age < ASSERT_EMPTY_AFTER)):
        return None, newest.sequence
    digest = next_digest(
        sequence=newest.sequence + 1,
        previous=newest.body,
        entries=entries,
        at=at,
        since=newest.digest.period_end if newest.digest else None,
    )
    body = digest.to_bytes()
    if not await bucket.put_new(digest.key, body, {}) and await bucket.get(digest.key) != body:
        log.info("audit_digest_lost_race", sequence=digest.sequence)
        return None, digest.sequence
    await bucket.delete([marker(entry.key) for entry in entries])
    log.info("audit_digest_made", sequence=digest.sequence, objects=len(entries))
    return digest, digest.sequence


@dataclass(slots=True, kw_only=True)
class Chain:
    """What one process remembers of the chain: its newest number, and when it last tried to lengthen it."""

    bucket: Bucket
    now: Callable[[], datetime]
    every: timedelta
    _known: int = field(default=0, init=False)
    _tried_at: datetime | None = field(default=None, init=False)

    def is_due(self) -> bool:
        """True where this process has not tried for `every`."""
        return self._tried_at is None or self.now() - self._tried_at >= self.every

    async def lengthen(self, *, asked: bool) -> Digest | None:
        """Make a digest: whenever there is something new if `asked` for, else only if the newest is older than `every`."""
        self._tried_at = self.now()
        only_after = timedelta(0) if asked else self.every
        digest, self._known = await make_digest(self.bucket, now=self.now, known=self._known, only_after=only_after)
        return digest


async def _newest(bucket: Bucket, known: int) -> Newest:
    after = digest_key(known - 1) if known > 1 else _PREFIX
    numbers = _numbers(await bucket.keys(_PREFIX, after=after))
    if known and known not in numbers:
        log.error("audit_digest_vanished", sequence=known)  # verification will say what is wrong with the chain
        numbers = _numbers(await bucket.keys(_PREFIX))
    if not numbers:
        return Newest()
    body = await bucket.get(digest_key(numbers[-1]))
    if body is None:
        raise LookupError("the newest digest was listed and is not there")
    return Newest(numbers[-1], body, parse(body))


async def _new_entries(bucket: Bucket, newest: Newest, at: datetime) -> tuple[Entry, ...]:
    """The objects no digest lists yet; markers left behind by earlier digests are deleted on the way."""
    keys = sorted((key for found in await bucket.keys("pending/") if (key := marked(found))), key=_named)
    keys = keys[:OBJECTS_PER_DIGEST]
    if not keys:
        return ()
    listed = await _listed(bucket, newest, since=_named(keys[0]) - CLOCKS_DIFFER)
    await bucket.delete([marker(key) for key in keys if key in listed])
    fresh = [key for key in keys if key not in listed]
    entries = await each(fresh, lambda key: _entry(bucket, key, at), at_once=OBJECTS_AT_ONCE)
    return tuple(entry for entry in _or_raise(entries) if entry is not None)


async def _listed(bucket: Bucket, newest: Newest, *, since: datetime) -> set[str]:
    """Every object listed by a digest that was made after `since`."""
    listed: set[str] = set()
    sequence, digest = newest.sequence, newest.digest
    while sequence > 0:
        if digest is not None:  # a broken one tells nothing, not even its age: go on behind it
            listed |= {entry.key for entry in digest.objects}
            if digest.created_at < since:
                break
        sequence -= 1
        body = await bucket.get(digest_key(sequence)) if sequence else None
        digest = parse(body) if body else None
    return listed


async def _entry(bucket: Bucket, key: str, at: datetime) -> Entry | None:
    """An object as a digest states it; None where it is still to come, or was not written by this worker."""
    found = await bucket.head(key)
    if found is None:
        if at - _named(key) < PATIENCE:
            return None
        await fence(bucket, key)
        found = await bucket.head(key)
    stated = summary(found.metadata) if found else None
    if found is None or stated is None:
        log.error("audit_object_foreign", object=key)
        await bucket.delete([marker(key)])  # no digest will list it, and without a marker verification names it
        return None
    return Entry(
        key=key,
        sha256=stated.sha256,
        rows=stated.rows,
        bytes=found.size,
        oldest_event_time=stated.oldest,
        newest_event_time=stated.newest,
    )


def _numbers(keys: Sequence[str]) -> list[int]:
    return [number for key in keys if (number := sequence_of(key)) is not None]


def _named(key: str) -> datetime:
    named = named_at(key)
    assert named is not None, "markers of other names were left out"
    return named


def _or_raise(results: Sequence[Entry | Exception | None]) -> list[Entry | None]:
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [result for result in results if not isinstance(result, Exception)]
