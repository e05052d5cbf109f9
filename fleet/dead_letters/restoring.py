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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.model.letter import RESTORED, DeadLetter
from fleet.dead_letters.model.plan.outgoing import Parcel, copy
from fleet.dead_letters.queues.archive import Archive, Batch, Foreign
from fleet.dead_letters.queues.dead_letter_queue import Post, Unsent
from fleet.dead_letters.uncut import to_its_end
from shared.message.delivery import LARGEST_MESSAGE, MOST_ATTRIBUTES, Attribute


class NotLookedThrough(Exception):
    """Letters of the queue were not seen, and an archived one may be among them: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is in the queue: `ids` of its letters, and `unseen`, why not all of them were seen, or ""."""

    ids: frozenset[str] = frozenset()
    unseen: str = ""


@dataclass(slots=True)
class Restored:
    """Ids by what happened. `done`: back in the queue; `perhaps_twice`: the same after a look that did not see all letters; `there`: never gone from it, or back out of another batch, and no longer
    archived; `failed`: not accepted, and archived as before; `uncertain`: they may be back, and stay archived until that is
    asked for. `replaced` were left out, for a changed copy of them was sent; `foreign` does not belong to the queue's archive;
    `stuck` are keys that could not be taken out of the archive.
    """

    done: list[str] = field(default_factory=list)
    perhaps_twice: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
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
        ids = {"there": self.there, "failed": self.failed, "uncertain": self.uncertain + self.perhaps_twice}
        return {"restored": len(self.done), **{name: len(found) for name, found in ids.items()}}


@dataclass(kw_only=True, slots=True)
class Restoring:
    """One restore of one queue. `look` answers what is in the queue; `again`: send also what may be back already. `blocked` are FIFO groups of which nothing more is sent: it would overtake a letter that was not accepted."""

    archive: Archive
    arn: str
    post: Post
    look: Callable[[], Awaitable[Look]]
    archive_id: str = ""
    again: bool = False
    back: Restored = field(default_factory=Restored)
    seen: Look | None = None
    present: set[str] = field(default_factory=set)
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
                await to_its_end(self._bring_back(batch))

    async def _looked(self) -> Look:
        seen = await self.look()
        if seen.unseen and not self.again:
            raise NotLookedThrough(f"nothing was restored: {seen.unseen}, and an archived letter may be among them")
        self.present |= seen.ids
        return seen

    async def _bring_back(self, batch: Batch) -> None:
        there = [each.id for each in batch.letters if each.id in self.present]
        unsure = set() if self.again else {*batch.label.uncertain}
        letters = [each for each in batch.letters if each.id not in unsure.union(there)]
        if letters:
            claimed = await asyncio.to_thread(self.archive.claim, batch, {each.id for each in letters} | unsure)
            if claimed is None:  # another restore has it in hand
                self.back.uncertain += [each.id for each in letters]
                return
            batch = claimed
        unsent = await self._sent(letters)
        left = [each for each in batch.letters if each.id in unsure | unsent.refused | unsent.uncertain]
        if len(left) < len(batch.letters) or letters:
            await self._settled(batch, left, unsure | unsent.uncertain)
        done = [each.id for each in letters if each.id not in unsent.refused | unsent.uncertain]
        self.present |= {*done}
        if self.seen is not None and self.seen.unseen:
            self.back.perhaps_twice += done
        else:
            self.back.done += done
        self.back.there += there
        self.back.failed += sorted(unsent.refused)
        self.back.uncertain += sorted((unsure | unsent.uncertain) - {*there})

    async def _sent(self, letters: Sequence[DeadLetter]) -> Unsent:
        if not self.arn.endswith(".fifo"):
            return await self.post(self.arn, [returned(each) for each in letters]) if letters else Unsent()
        result = Unsent()
        for each in letters:  # one by one: what follows a letter that was not accepted would overtake it
            one = Unsent(frozenset({each.id}))
            if each.group not in self.blocked:
                one = await self.post(self.arn, [returned(each)])
            self.blocked |= {each.group} if one.refused or one.uncertain else set()
            result = Unsent(result.refused | one.refused, result.uncertain | one.uncertain)
        return result

    async def _settled(self, batch: Batch, left: Sequence[DeadLetter], unsure: set[str]) -> None:
        """What is back leaves the archive; where that is refused, the claim that is written on it keeps it from coming twice."""
        unsure &= {each.id for each in left}
        try:
            await asyncio.to_thread(self.archive.replace, batch, left, unsure)
        except (ClientError, BotoCoreError):
            self.back.stuck.append(batch.key)


def returned(letter: DeadLetter) -> Parcel:
    """The letter as it was; one that SQS had moved keeps its source queue in an attribute, for only SQS can write its own."""
    made = copy(letter)
    if not letter.moved_from or len(made.attributes) >= MOST_ATTRIBUTES:
        return made
    origin: dict[str, Any] = {"version": 1, "moved_from": letter.moved_from}
    mark = Attribute("String", orjson.dumps(origin).decode())
    marked = replace(made, attributes={**made.attributes, RESTORED: mark})
    return marked if marked.size <= LARGEST_MESSAGE else made
