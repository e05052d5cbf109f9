"""Archived letters on their way back to their dead-letter queue: claimed first, sent, and then out of the archive.

| a crash, a lost answer or a refusal after | what the next `restore` meets |
| --- | --- |
| the look into the queue | the archive as it was |
| the claim of a batch | letters that may be back: it leaves them, says so, and sends them only with `--uncertain` |
| the send | the same |
| the way out of the archive | nothing |
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.model.letter import MOST_NAMES, RESTORED, DeadLetter, names_of
from fleet.dead_letters.model.plan.outgoing import Parcel, copy
from fleet.dead_letters.queues.archive import Archive, Batch, Foreign
from fleet.dead_letters.queues.dead_letter_queue import Post, Unsent
from fleet.dead_letters.uncut import to_its_end
from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute


def original(letter: DeadLetter, arn: str) -> str:
    """One name for all copies of a letter of this queue: the MessageId that it had when it was first archived, and its body's
    digest, for anybody who may send can write the mark that keeps that id.
    """
    return f"{names_of(letter, arn)[0]} {letter.digest}"


def wanted(archive: Archive, arn: str, archive_id: str = "") -> list[str]:
    """The ids of the letters that a restore may bring back: all that is archived, or that archive. Raises ClientError, BotoCoreError."""
    batches = archive.batches(arn, archive_id=archive_id)
    return [each.id for batch in batches if archive_id or not batch.label.replaced for each in batch.letters]


class NotLookedThrough(Exception):
    """Letters of the queue were not seen, and an archived one may be among them: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is in the queue: `ids` of its letters, what `original` says of them, and `unseen`, why not all were seen, or ""."""

    ids: frozenset[str] = frozenset()
    originals: frozenset[str] = frozenset()
    unseen: str = ""


@dataclass(slots=True)
class Restored:
    """Ids by what happened. `done`: back in the queue; `perhaps_twice`: the same after a look that did not see all letters;
    `earlier`: sent by a restore that did not come to its end, found in the queue, and no longer archived; `there`: never gone from it, and no longer archived; `doubles`: copies of a letter that is back already, no longer archived;
    `failed`: not accepted (`why`), and archived as before; `uncertain`: they may be back, and stay archived until that is asked for.
    `replaced` were left out, for a changed copy of them was sent; `foreign` does not belong to the queue's archive; `stuck` are
    keys that could not be taken out of the archive.
    """

    done: list[str] = field(default_factory=list)
    perhaps_twice: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    why: str = ""
    uncertain: list[str] = field(default_factory=list)
    replaced: int = 0
    foreign: list[Foreign] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def is_partly(self) -> bool:
        return bool(self.failed or self.uncertain or self.perhaps_twice or self.foreign or self.stuck)

    @property
    def sent(self) -> list[str]:
        """Ids of the letters that are back, whether they are there twice or not."""
        return self.done + self.perhaps_twice

    def counts(self) -> dict[str, int]:
        ids = {
            "earlier": self.earlier,
            "there": self.there,
            "doubles": self.doubles,
            "failed": self.failed,
            "uncertain": self.uncertain + self.perhaps_twice,
        }
        return {"restored": len(self.done), **{name: len(found) for name, found in ids.items()}}


@dataclass(kw_only=True, slots=True)
class Restoring:
    """One restore of one queue. `look` answers what is in the queue; `again`: send also what may be back already; `copied`: first ids of
    letters of which `edit` sent a mended copy, or may have. `blocked` are FIFO groups of which nothing more is sent: it would overtake
    a letter that was not accepted.
    """

    archive: Archive
    arn: str
    post: Post
    look: Callable[[], Awaitable[Look]]
    archive_id: str = ""
    again: bool = False
    copied: Collection[str] = ()
    back: Restored = field(default_factory=Restored)
    seen: Look | None = None
    present: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Each batch by itself; what does not belong there is left, and the others come back. Those that a changed copy replaced
        come back only where `archive_id` names their archive. Raises NotLookedThrough before anything is sent.
        """
        found = self.archive.found(self.arn, archive_id=self.archive_id)
        while (batch := await asyncio.to_thread(next, found, None)) is not None:
            if isinstance(batch, Foreign):
                self.back.foreign.append(batch)
            elif batch.label.replaced and not self.archive_id:
                self.back.replaced += len(batch.letters)
            elif batch.letters:
                if self.seen is None:
                    self.seen = await self._looked()
                await to_its_end(self._bring_back(batch, self.seen))

    async def _looked(self) -> Look:
        seen = await self.look()
        if seen.unseen and not self.again:
            raise NotLookedThrough(f"nothing was restored: {seen.unseen}, and an archived letter may be among them")
        self.present |= seen.originals
        return seen

    async def _bring_back(self, batch: Batch, seen: Look) -> None:
        letters, unsure = self._due(batch, seen)
        kept = {each.id for each in batch.letters if self._is_replaced(each, batch)}
        if letters:
            claimed = await asyncio.to_thread(self.archive.claim, batch, {each.id for each in letters} | unsure)
            if claimed is None:  # another restore has it in hand
                self.back.uncertain += [each.id for each in letters]
                self.pending |= {original(each, self.arn) for each in letters}
                return
            batch = claimed
        unsent = await self._sent(letters)
        left = [each for each in batch.letters if each.id in kept | unsure | unsent.refused | unsent.uncertain]
        if len(left) < len(batch.letters) or letters:
            await self._settled(batch, left, unsure | unsent.uncertain)
        done = [each for each in letters if each.id not in unsent.refused | unsent.uncertain]
        self.present |= {original(each, self.arn) for each in done}
        self.pending |= {original(each, self.arn) for each in letters if each.id in unsent.uncertain}
        (self.back.perhaps_twice if seen.unseen else self.back.done).extend(each.id for each in done)
        self.back.failed += sorted(unsent.refused)
        self.back.why = unsent.why or self.back.why
        self.back.uncertain += sorted(unsure | unsent.uncertain)

    def _due(self, batch: Batch, seen: Look) -> tuple[list[DeadLetter], set[str]]:
        """The letters to send, and the ids of those that may be back already; notes what is there."""
        due: dict[str, DeadLetter] = {}
        unsure = set[str]()
        for each in batch.letters:
            name = original(each, self.arn)
            if self._is_replaced(each, batch):
                self.back.replaced += 1
            elif each.id in seen.ids:
                self.back.there.append(each.id)
            elif name in self.present and each.id in batch.label.uncertain:
                self.back.earlier.append(each.id)
            elif name in self.present or name in due:
                self.back.doubles.append(each.id)
            elif name in self.pending or (each.id in batch.label.uncertain and not self.again):
                self.pending.add(name)
                unsure.add(each.id)
            else:
                due[name] = each
        return [*due.values()], unsure

    def _is_replaced(self, each: DeadLetter, batch: Batch) -> bool:
        """Its work is done by the copy: it stays archived unless its archive is named."""
        return not self.archive_id and (batch.label.replaced or names_of(each, self.arn)[0] in self.copied)

    async def _sent(self, letters: Sequence[DeadLetter]) -> Unsent:
        if not self.arn.endswith(".fifo"):
            return await self.post(self.arn, [returned(each, self.arn) for each in letters]) if letters else Unsent()
        result = Unsent()
        for each in letters:  # one by one: what follows a letter that was not accepted would overtake it
            one = Unsent(frozenset({each.id}))
            if each.group not in self.blocked:
                one = await self.post(self.arn, [returned(each, self.arn)])
            self.blocked |= {each.group} if one.refused or one.uncertain else set()
            result = Unsent(result.refused | one.refused, result.uncertain | one.uncertain, one.why or result.why)
        return result

    async def _settled(self, batch: Batch, left: Sequence[DeadLetter], unsure: set[str]) -> None:
        """What is back leaves the archive; where that is refused, the claim that is written on it keeps it from coming twice."""
        unsure &= {each.id for each in left}
        try:
            await asyncio.to_thread(self.archive.replace, batch, left, unsure)
        except (ClientError, BotoCoreError):
            self.back.stuck.append(batch.key)


def returned(letter: DeadLetter, arn: str) -> Parcel:
    """The letter as it was, with a mark where it has room for one: its first id, for only so is a further copy known; those that it had
    since, for a plan knows it by one of them; and the queue that SQS had moved it from, for only SQS can write its own.
    """
    made = copy(letter)
    if len(made.attributes.keys() | {RESTORED}) > MOST_ATTRIBUTES:
        return made
    first, *later = names_of(letter, arn)
    written: dict[str, Any] = {"version": 1, "queue": arn, "id": first}
    if later:
        written["earlier"] = later[-MOST_NAMES:]
    if moved_from := letter.moved_from or letter.written(RESTORED).get("moved_from"):
        written["moved_from"] = moved_from
    mark = Attribute("String", orjson.dumps(written).decode())
    marked = replace(made, attributes={**made.attributes, RESTORED: mark})
    return marked if marked.size <= LARGEST_MESSAGE else made
