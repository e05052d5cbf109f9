"""Each event into exactly one object, whatever crashes, repeats or races.

The rows of a batch are sorted by table and hour; each such group is to become one object under a name that nobody had
before. Then, with everything conditional and nothing locked:

1. **Claim.** For each event an entry in the ledger says which object it is going to (`attribute_not_exists`). The events of
   one second of a table have their entries in one item, so that one call claims a hundred of them, or none.
2. **Mark, then write.** A marker names the object for the digest to come; then the object is written with
   `If-None-Match: *`, holding exactly the events whose claims name it.
3. **Done.** Only now the messages are deleted.

An event that is claimed already, for another object:

- the object is there and holds rows: the event is archived. Done.
- nothing is there, and the claim's lease lives: its owner is at work. Later.
- nothing is there, and the lease is over: an empty object, a **fence**, is written at the old name with
  `If-None-Match: *`. Refused with 412: the owner made it after all. Done. Accepted: the owner never can.
- a fence is there: the claim is taken over, on condition that it still names the fenced object.

Why an event is in one object and not in two:

(a) Only the owner of a name writes rows there, once, and only rows whose claims it holds for that name: the name is
    new and random, and a claim for it was answered with "yours".
(b) A claim leaves a name only when a fence stands there, and what stands at a name never changes. So of all names that
    an event was ever claimed for, all but the last are fences, which hold nothing.

Why it is in one and not in none: a message is deleted only after its event's claim was seen to name an object that
holds rows, and the owner put every event with a claim for that name into it. This needs the owner to know its claims:
where the answer to a claim was lost, the claim may stand or not, so the object is given up, never written, and its
events come back, to be fenced and taken over as after a crash. For the same reason a refused claim counts as ours where what
stands there names our object: the client may have repeated a request that had succeeded.

Clocks and leases decide only how soon work is taken over, never whether it is right: an owner that wakes after a day
finds a fence or writes what nobody else did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, assert_never

import structlog

from shared import Contended, KeyReused, Later
from workers.audit_archive.rules import Row, marker, object_key
from workers.audit_archive.store.bucket import Bucket
from workers.audit_archive.store.claims import LEASE, Claim, Claims
from workers.audit_archive.store.objects import FENCE, pack, summary
from workers.audit_archive.store.seal import Seals

log = structlog.get_logger()

CLAIMS_AT_ONCE = 32
OBJECTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Ours:
    """The claim names our object: the row goes in."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Another object holds the row already."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The row is surely not ours to write, for now."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Doubtful:
    """Nobody told us whether the claim names our object: it must never be written."""

    error: Exception


Answer = Ours | Kept | Refused | Doubtful

Subject = TypeVar("Subject")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Keeps rows. `now` is the wall clock, `token` gives 16 hex digits that never come twice; `seals` tell digests that an
    object is of a worker.
    """

    claims: Claims
    bucket: Bucket
    now: Callable[[], datetime]
    token: Callable[[], str]
    seals: Seals
    lease: float = LEASE

    async def keep(self, rows: Collection[Row]) -> dict[str, Exception | None]:
        """Write rows of different events. For each identity: None where it is archived, else why it is not."""
        drafts = self._drafts(rows)
        goal = {row.identity: key for key, group in drafts.items() for row in group}
        answers = await self._claim(rows, goal)
        results: dict[str, Exception | None] = {}
        ours: dict[str, list[Row]] = {}
        given_up = {goal[identity] for identity, answer in answers.items() if isinstance(answer, Doubtful)}
        for row in rows:
            key = goal[row.identity]
            match answers[row.identity]:
                case Kept():
                    results[row.identity] = None
                case Refused(error) | Doubtful(error):
                    results[row.identity] = error
                case Ours() if key in given_up:
                    results[row.identity] = Later("a claim beside it went unanswered", after=self.lease)
                case Ours():
                    ours.setdefault(key, []).append(row)
                case other:
                    assert_never(other)
        written = await each(ours.items(), lambda draft: self._write(*draft), at_once=OBJECTS_AT_ONCE)
        for group, outcome in zip(ours.values(), written, strict=True):
            results |= {row.identity: outcome if isinstance(outcome, Exception) else None for row in group}
        return results

    def _drafts(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        """The groups, by the name of the object that each is going to be."""
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.partition, []).append(row)
        at = self.now()
        return {object_key(partition, at=at, token=self.token()): group for partition, group in groups.items()}

    async def _claim(self, rows: Iterable[Row], goal: Mapping[str, str]) -> dict[str, Answer]:
        until = self.now().timestamp() + self.lease
        wanted: dict[str, dict[str, Claim]] = {}
        contents: dict[str, str] = {}
        for row in rows:
            contents[row.identity] = row.fingerprint
            claim = Claim(goal[row.identity], until, self.seals.claim(row.fingerprint))
            wanted.setdefault(row.page, {})[row.identity] = claim
        pages = await each(wanted.items(), lambda page: self._first(*page, contents), at_once=CLAIMS_AT_ONCE)
        answers: dict[str, Answer] = {}
        held: dict[str, Claim] = {}
        for claims, page in zip(wanted.values(), pages, strict=True):
            if isinstance(page, Exception):
                answers |= dict.fromkeys(claims, Doubtful(page))
                continue
            for identity, found in page.items():
                if isinstance(found, Claim):
                    held[identity] = found
                else:
                    answers[identity] = found
        everyone = {identity: claim for claims in wanted.values() for identity, claim in claims.items()}
        return answers | await self._contest(held, everyone) if held else answers

    async def _first(
        self, page: str, wanted: Mapping[str, Claim], contents: Mapping[str, str]
    ) -> dict[str, Ours | Refused | Claim]:
        """Claim, or answer with the claim that stands there. Refused for good where that is for another payload."""
        answers: dict[str, Ours | Refused | Claim] = {}
        for identity, found in (await self.claims.put(wanted, page=page)).items():
            if found.object == wanted[identity].object:
                answers[identity] = Ours()
            elif self.seals.contradicts(found.content, contents[identity]):
                answers[identity] = Refused(KeyReused("the event's identity was used before with another payload"))
            else:
                answers[identity] = found
        return answers

    async def _contest(self, held: Mapping[str, Claim], wanted: Mapping[str, Claim]) -> dict[str, Answer]:
        """What becomes of events that others hold; each of their objects is looked at once."""
        leases: dict[str, float] = {}
        for claim in held.values():
            leases[claim.object] = max(claim.until, leases.get(claim.object, 0.0))
        states = await each(leases.items(), lambda pair: self._ensure_fence(*pair), at_once=OBJECTS_AT_ONCE)
        fenced = dict(zip(leases, states, strict=True))
        answers: dict[str, Answer] = {}
        open_again: dict[str, dict[str, Claim]] = {}
        for identity, claim in held.items():
            state = fenced[claim.object]
            if isinstance(state, Exception):
                answers[identity] = Refused(state)
            elif state:
                open_again.setdefault(claim.place, {})[identity] = claim
            else:
                answers[identity] = Kept()
        taken = await each(
            open_again.items(), lambda pair: self._take_over(wanted, pair[1], place=pair[0]), at_once=CLAIMS_AT_ONCE
        )
        for formers, outcome in zip(open_again.values(), taken, strict=True):
            answers |= dict.fromkeys(formers, Doubtful(outcome)) if isinstance(outcome, Exception) else outcome
        kept = sum(isinstance(each, Kept) for each in answers.values())
        log.info("audit_claims_contested", kept=kept, taken_over=sum(map(len, open_again.values())))
        return answers

    async def _ensure_fence(self, key: str, until: float) -> bool:
        """True: nothing is there, and never will be. False: rows are there. Raises Later while its owner may write."""
        found = await self.bucket.head(key)
        if found is not None:
            return is_fence(found.metadata)
        remaining = until - self.now().timestamp()
        if remaining > 0:
            raise Contended("another worker is writing it", after=min(remaining + 1.0, 2 * self.lease))
        return await fence(self.bucket, key)

    async def _take_over(
        self, wanted: Mapping[str, Claim], formers: Mapping[str, Claim], *, place: str
    ) -> dict[str, Ours | Refused]:
        claims = {identity: wanted[identity] for identity in formers}
        standing = await self.claims.replace(claims, instead_of=formers, place=place)
        lost = Refused(Contended("another worker took it over", after=self.lease))
        return {
            identity: Ours() if each.object == claims[identity].object else lost for identity, each in standing.items()
        }

    async def _write(self, key: str, rows: Sequence[Row]) -> None:
        packed = pack(rows)
        metadata = {**packed.metadata, "seal": self.seals.seal(key, packed.metadata["sha256"])}
        await self.bucket.put_marker(marker(key))
        if not await self.bucket.put_new(key, packed.body, metadata):
            found = await self.bucket.head(key)
            if found is None or found.metadata.get("sha256") != packed.metadata["sha256"]:
                raise Later("we came too late: the object was fenced", after=1.0)
            # The client repeated a request that had succeeded.
        log.info("audit_object_written", object=key, rows=len(rows), bytes=len(packed.body))


async def fence(bucket: Bucket, key: str) -> bool:
    """Make sure that something is at `key` for ever. True: an empty object. False: rows, its owner was faster."""
    await bucket.put_marker(marker(key))
    if await bucket.put_new(key, FENCE.body, FENCE.metadata):
        log.warning("audit_object_fenced", object=key)
        return True
    found = await bucket.head(key)
    if found is None:
        raise LookupError("an object stood there and does no longer")
    return is_fence(found.metadata)


def is_fence(metadata: Mapping[str, str]) -> bool:
    """True for an empty object that was put there to keep its name's owner out."""
    found = summary(metadata)
    return found is not None and found.fence


async def each(
    subjects: Iterable[Subject], do: Callable[[Subject], Awaitable[Result]], *, at_once: int
) -> list[Result | Exception]:
    """Do something for each subject, at most `at_once` at a time; an exception becomes its subject's result."""
    slots = asyncio.Semaphore(at_once)

    async def one(subject: Subject) -> Result:
        async with slots:
            return await do(subject)

    results = await asyncio.gather(*(one(subject) for subject in subjects), return_exceptions=True)
    return [_not_fatal(result) for result in results]


def _not_fatal(result: Result | BaseException) -> Result | Exception:
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result  # a cancellation is nobody's result
    return result
