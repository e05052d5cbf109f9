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

**What one run can look at.** The walk back takes half of `seconds`: markers of names so old that it did not come to them
wait, and hold up no others. The objects are read, for their rows' hashes, oldest first and for at most `seconds`; what is left
waits for the next digest, and so does an object that cannot be read while others can.

**Hours without changes.** When the newest digest is an hour old, an empty one follows: it asserts that nothing was
archived. Before the first object there is no digest at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

import structlog

from shared import code_of
from workers.audit_archive.chain.digest import (
    Digest,
    Head,
    Listed,
    Signature,
    digest_key,
    hash_of,
    head_of,
    next_digest,
    parse,
)
from workers.audit_archive.chain.listing import look_at
from workers.audit_archive.chain.newest import Newest, Vouching, genesis, newest
from workers.audit_archive.evidence.anchors import Anchor
from workers.audit_archive.rules import marked, marker, named_at
from workers.audit_archive.source import InColdStorage
from workers.audit_archive.store.archive import each
from workers.audit_archive.store.bucket import Bucket
from workers.audit_archive.store.seal import Seals

log = structlog.get_logger()

CLOCKS_DIFFER = timedelta(minutes=15)
ASSERT_EMPTY_AFTER = timedelta(hours=1)
OBJECTS_AT_ONCE = 16
DIGESTS_AT_ONCE = 64
OBJECTS_PER_DIGEST = 5000
LOOK_SECONDS = 10.0
"""Half of what a handler waits for a digest: the other half is for the listing before and the writing behind."""

_NEVER, _ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

Sign = Callable[[bytes], Awaitable[Signature]]
Result = TypeVar("Result")


class Unsigned(Exception):
    """There is no key to sign with, and a digest without a signature would break a signed chain."""


class Made(NamedTuple):
    """The digest that was made, None where none was needed or another maker was faster; the newest number that was seen;
    and the newest digest's head, None where there is no digest or another maker's was not read.
    """

    digest: Digest | None
    newest: int
    head: Head | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes digests.

        made = await Maker(bucket=S3Bucket(s3, name="fleet-audit-dev"), now=lambda: datetime.now(UTC)).make()

    Without `sign` a digest says nothing of who made it, without `seals` an object is listed whoever wrote it, and without `vouching` the
    newest digest is gone on from whoever wrote it. `seconds`: see above.
    """

    bucket: Bucket
    now: Callable[[], datetime]
    sign: Sign | None = None
    seals: Seals | None = None
    vouching: Vouching | None = None
    seconds: float = LOOK_SECONDS

    async def make(self, *, known: int = 0, only_after: timedelta = timedelta(0)) -> Made:
        """Make the next digest, if there is something to put in it.

        `known` is the number of a digest that was seen before: the search starts there. Nothing is made while the newest
        digest is younger than `only_after`. Raises Unsigned.
        """
        found = await newest(self.bucket, known, self.vouching)
        head = _head(found)
        at = self.now()
        age = at - found.digest.created_at if found.digest else None
        if only_after and age is not None and age < only_after:
            return Made(None, found.sequence, head)
        if self.sign is None and found.digest is not None and found.digest.signature is not None:
            raise Unsigned("the chain is signed and AUDIT_SIGNING_KEY names no key")
        entries = await self._new_entries(found, at)
        if not entries and (found.sequence == 0 or (age is not None and age < ASSERT_EMPTY_AFTER)):
            return Made(None, found.sequence, head)
        digest = await self._next(found, entries, at)
        body = digest.to_bytes()
        if (
            not await self.bucket.put_new(digest.key, body, self._seal(digest.key, body))
            and await self.bucket.get(digest.key) != body
        ):
            log.info("audit_digest_lost_race", sequence=digest.sequence)
            return Made(None, digest.sequence, None)
        await self.bucket.delete([marker(listed.entry.key) for listed in entries])
        log.info("audit_digest_made", sequence=digest.sequence, objects=len(entries), is_signed=self.sign is not None)
        return Made(digest, digest.sequence, head_of(digest.sequence, body))

    async def head(self) -> Head | None:
        """The newest digest's; None where there is none."""
        return _head(await newest(self.bucket, 0))

    async def _next(self, found: Newest, entries: Sequence[Listed], at: datetime) -> Digest:
        digest = next_digest(
            sequence=found.sequence + 1,
            before=None if found.body is None else (found.body, found.digest),
            genesis=await genesis(self.bucket, found),
            entries=entries,
            at=at,
        )
        return digest if self.sign is None else digest.signed(await self.sign(digest.message()))

    def _seal(self, key: str, body: bytes) -> dict[str, str]:
        """By it a worker knows later that a worker made this digest."""
        return {} if self.seals is None else {"seal": self.seals.seal(key, hash_of(body))}

    async def _new_entries(self, found: Newest, at: datetime) -> tuple[Listed, ...]:
        """The objects no digest lists yet; markers left behind by earlier digests are deleted on the way."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.seconds
        keys = sorted((key for one in await self.bucket.keys("pending/") if (key := marked(one))), key=_named)
        keys = keys[:OBJECTS_PER_DIGEST]
        if not keys:
            return ()
        oldest = _named(keys[0]) - CLOCKS_DIFFER
        listed, since = await _listed(self.bucket, found, since=oldest, until=until - self.seconds / 2)
        await self.bucket.delete([marker(key) for key in keys if key in listed])
        unlisted = [key for key in keys if key not in listed]
        fresh = [key for key in unlisted if _named(key) - CLOCKS_DIFFER > since]
        if len(fresh) < len(unlisted):
            log.warning("audit_digest_full", left=len(unlisted) - len(fresh))
        # What was written before there were seals has none; the first digest of version 2 still takes it.
        seals = None if found.digest is not None and found.digest.version == 1 else self.seals
        entries: list[Listed] = []
        for start in range(0, len(fresh), OBJECTS_AT_ONCE):
            if start and clock() >= until:
                log.warning("audit_digest_full", left=len(fresh) - start)
                break
            some = fresh[start : start + OBJECTS_AT_ONCE]
            looks = await each(some, lambda key: look_at(self.bucket, key, at, seals), at_once=OBJECTS_AT_ONCE)
            entries += _readable(some, looks, is_first=not entries)
        return tuple(entries)


@dataclass(slots=True, kw_only=True)
class Chain:
    """What one process remembers of the chain: its newest number, what was anchored, and when it last tried to lengthen it."""

    maker: Maker
    every: timedelta
    anchors: Sequence[Anchor] = ()
    _known: int = field(default=0, init=False)
    _tried_at: datetime | None = field(default=None, init=False)
    _anchored: dict[int, Head] = field(default_factory=dict, init=False)

    def is_due(self) -> bool:
        """True where this process has not tried for `every`."""
        return self._tried_at is None or self.maker.now() - self._tried_at >= self.every

    async def lengthen(self, *, asked: bool) -> Digest | None:
        """Make a digest: whenever there is something new if `asked` for, else only if the newest is older than `every`.
        Then anchor the newest head, whoever made it: its maker may have died before it did.
        """
        self._tried_at = self.maker.now()
        made = await self.maker.make(known=self._known, only_after=timedelta(0) if asked else self.every)
        self._known = made.newest
        if made.head is not None:
            await self._anchor(made.head)
        return made.digest

    async def _anchor(self, head: Head) -> None:
        """Each anchor by itself; one that fails is tried again with the next digest, which says as much and more."""
        due = [place for place, _ in enumerate(self.anchors) if self._anchored.get(place) != head]
        outcomes = await each(due, lambda place: self.anchors[place].keep(head), at_once=len(due) or 1)
        for place, outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, Exception):
                kind = type(outcome).__name__
                log.error(
                    "audit_anchor_failed", anchor=self.anchors[place].name, sequence=head.sequence, error_type=kind
                )
            else:
                self._anchored[place] = head


def _head(found: Newest) -> Head | None:
    return None if found.body is None else head_of(found.sequence, found.body)


async def _listed(bucket: Bucket, newest: Newest, *, since: datetime, until: float) -> tuple[set[str], datetime]:
    """Every object listed by a digest that was made after `since`, or, where that takes beyond `until` (the loop's clock), after the
    time that comes with them.
    """
    listed: set[str] = set()
    reached, sequence, at_once = _ALWAYS, newest.sequence, 4
    digests = [newest.digest]
    while sequence > 0:
        for digest in filter(None, digests):  # a broken one tells nothing, not even its age: go on behind it
            listed |= {entry.key for entry in digest.objects}
            reached = digest.created_at
        sequence -= len(digests)
        if reached < since or (asyncio.get_running_loop().time() >= until and len(digests) > 1):
            return listed, reached
        numbers = range(sequence, max(0, sequence - at_once), -1)
        bodies = await each(numbers, lambda number: bucket.get(digest_key(number)), at_once=at_once)
        digests = [parse(body) if body else None for body in _or_raise(bodies)]
        at_once = min(2 * at_once, DIGESTS_AT_ONCE)
    return listed, _NEVER


def _named(key: str) -> datetime:
    named = named_at(key)
    assert named is not None, "markers of other names were left out"
    return named


def _readable(keys: Sequence[str], results: Sequence[Listed | Exception | None], *, is_first: bool) -> list[Listed]:
    """What is to be listed. One object that cannot be read waits, and stops no other; where none can, it is raised why."""
    failed = {key: result for key, result in zip(keys, results, strict=True) if isinstance(result, Exception)}
    if is_first and len(failed) == len(keys) and not all(isinstance(each, InColdStorage) for each in failed.values()):
        raise next(iter(failed.values()))
    for key, error in failed.items():
        log.error("audit_object_unreadable", object=key, error_type=code_of(error))
    return [result for result in results if isinstance(result, Listed)]


def _or_raise(results: Sequence[Result | Exception]) -> list[Result]:
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [result for result in results if not isinstance(result, Exception)]
