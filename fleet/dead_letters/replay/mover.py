"""A replay at work: meets each planned letter again, sends it, and only then deletes it; READ THIS BEFORE CHANGING IT.

Send before delete, always, and nothing is forgotten: the journal is on the disk before the next step is taken. A crash
between send and journal sends a letter twice under one idempotency key; no crash loses one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.outgoing import Parcel, copy, parcel
from fleet.dead_letters.model.plan.plan import Plan, Planned, Step, steps
from fleet.dead_letters.queues.browsing import Sweep, bound, give_back, sweep
from fleet.dead_letters.queues.dead_letter_queue import Box, Post
from fleet.dead_letters.replay.canary import Seen
from fleet.dead_letters.replay.journal import Journal, Progress
from fleet.dead_letters.replay.pacing import Pace

HELD = 20.0
"""Seconds of sending for which letters are taken in hand at once; they are hidden for longer than that."""
MOST_IN_HAND = 500
LEASE_MARGIN = 5.0
"""Seconds before a letter shows up again at which it is no longer sent: it is received anew."""
DELETE_AGAIN = 2
Watch = Callable[[Step], Awaitable[Seen]]
Expand = Callable[[DeadLetter], Awaitable[Sequence[Parcel]]]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One run over one plan. `told` hears of progress; `expand` reads the records that a pointer points to, or none
    where they are no longer there: such a letter is skipped, as is one whose body is not the planned one.
    """

    plan: Plan
    box: Box
    post: Post
    journal: Journal
    watch: Watch
    pace: Pace = field(default_factory=Pace)
    expand: Expand | None = None
    cancelled: Callable[[], bool] = lambda: False
    told: Callable[[Step, Progress], None] = lambda _step, _progress: None
    last_look: int = 1
    clock: Callable[[], float] = time.monotonic

    async def run(self) -> None:
        """Take the plan as far as it goes; what happened is in the journal. Raises what a call raises."""
        for step in steps(self.plan):
            await self._send(step)
            if self.cancelled():
                return
            if step.canary and not await self._is_good(step):
                return

    async def _send(self, step: Step) -> None:
        progress = self.journal.progress
        unsent = [each for each in step.letters if each.id not in progress.settled]
        undeleted = (
            []
            if self.plan.keep
            else [each for each in step.letters if each.id in progress.sent and each.id not in progress.deleted]
        )
        for start in range(0, len(undeleted), MOST_IN_HAND):
            await self._delete_met(undeleted[start : start + MOST_IN_HAND], step)
        await self._send_met({each.id: each for each in unsent}, step)

    async def _send_met(self, left: dict[str, Planned], step: Step) -> None:
        """Send whichever planned letter is met. What is not planned stays hidden until the end, so that no letter is
        received again for each handful: the receives grow with the queue, not with its square.
        """
        strangers: dict[str, DeadLetter] = {}
        try:
            while left and not self.cancelled() and await self._handful(left, strangers, step):
                pass
        finally:
            if strangers:
                await asyncio.shield(self.box.show([*strangers.values()]))

    def _in_hand(self) -> int:
        return MOST_IN_HAND if self.plan.rate is None else max(1, min(MOST_IN_HAND, int(self.plan.rate * HELD)))

    async def _handful(self, left: dict[str, Planned], strangers: dict[str, DeadLetter], step: Step) -> bool:
        """Meet some of `left`, send them, take them out of it. Answers whether there may be more to meet."""
        size, began = self._in_hand(), self.clock()
        visibility, met = await self._meet(left, size, hidden_before=strangers)
        strangers |= {name: met.held.pop(name) for name in [*met.held] if name not in met.found}
        letters = [left.pop(name) for name in [*left] if name in met.found]
        done: set[str] = set()
        taken = 0
        try:
            for destination, batch in self._batches(letters):
                await self.pace.turn(len(batch), cancelled=self.cancelled)
                if self.cancelled():
                    return False
                if self.clock() - began > visibility - LEASE_MARGIN:
                    left |= {each.id: each for each in letters[taken:]}
                    return taken > 0
                done |= await self._move(destination, batch, met.found, step)
                taken += len(batch)
                self.told(step, self.journal.progress)
            if len(letters) < size and met.complete:
                self.journal.note("gone", [*left], step=step.number)
            return len(letters) >= size
        finally:
            await asyncio.shield(give_back(self.box, met, but=done))

    async def _meet(
        self, wanted: Collection[str], enough: int, *, hidden_before: Collection[str] = ()
    ) -> tuple[int, Sweep[DeadLetter]]:
        """Receive letters again, for so many seconds: a delete needs the handle of the latest receipt."""
        visible, hidden = await self.box.count()
        visibility = bound(visible + hidden) + self._sending(enough)
        wanted = frozenset(wanted)
        met = await sweep(
            self.box,
            lambda letter: letter if letter.id in wanted else None,
            visibility=visibility,
            last_look=self.last_look,
            wanted=wanted,
            enough=enough,
            hidden_before=hidden_before,
        )
        return visibility, met

    def _sending(self, letters: int) -> int:
        """Seconds that so many sends take, and some more."""
        return int(HELD if self.plan.rate is None else 2 + 1.2 * letters / self.plan.rate)

    def _batches(self, letters: Sequence[Planned]) -> Iterator[tuple[str, list[Planned]]]:
        """In the plan's order, for one destination at a time. A function is invoked once for each letter, and each
        invocation is in the journal before the next: Lambda knows no key by which it could tell a second one.
        """
        batch: list[Planned] = []
        for each in letters:
            most = 1 if ":lambda:" in each.destination else self.pace.batch
            if batch and (len(batch) >= most or each.destination != batch[0].destination):
                yield batch[0].destination, batch
                batch = []
            batch.append(each)
        if batch:
            yield batch[0].destination, batch

    async def _move(
        self, destination: str, batch: Sequence[Planned], met: Mapping[str, DeadLetter], step: Step
    ) -> set[str]:
        """Send, write down, delete, write down. Answers the ids that left the dead-letter queue."""
        made = {
            each.id: await self._parcels(met[each.id], each) for each in batch if met[each.id].digest == each.digest
        }
        able = [name for name, parcels in made.items() if parcels]
        self.journal.note("skipped", [each.id for each in batch if each.id not in able], step=step.number)
        parcels = [each for name in able for each in made[name]]
        failed = await self.post(destination, parcels) if parcels else set()
        sent = [name for name in able if name not in failed]
        self.journal.note("sent", sent, step=step.number)
        self.journal.note("failed", failed, step=step.number)
        return set() if self.plan.keep else await self._delete([met[name] for name in sent], step)

    async def _parcels(self, letter: DeadLetter, planned: Planned) -> Sequence[Parcel]:
        if self.plan.keep:
            return [copy(letter)]
        if self.expand is not None and planned.shape in ("lambda-stream", "pipe-stream"):
            return await self.expand(letter)
        return [parcel(letter, shape=planned.shape, plan_id=self.plan.plan_id, mended=planned.mended)]

    async def _delete(self, letters: Sequence[DeadLetter], step: Step) -> set[str]:
        """What is refused stays `sent` and is deleted when it is met again."""
        if not letters:
            return set()
        refused = await self.box.delete(letters)
        for _ in range(DELETE_AGAIN):
            if not refused:
                break
            refused = await self.box.delete([each for each in letters if each.id in refused])
        deleted = {each.id for each in letters} - refused
        self.journal.note("deleted", sorted(deleted), step=step.number)
        return deleted

    async def _delete_met(self, letters: Sequence[Planned], step: Step) -> None:
        """An earlier run sent these and did not come to delete them: never send again, delete where they still are."""
        _, met = await self._meet([each.id for each in letters], len(letters))
        try:
            await give_back(self.box, met, but=met.found)
            await self._delete([*met.found.values()], step)
            if met.complete:
                self.journal.note(
                    "deleted", [each.id for each in letters if each.id not in met.found], step=step.number
                )
        finally:
            await asyncio.shield(give_back(self.box, met, but=self.journal.progress.deleted))

    async def _is_good(self, step: Step) -> bool:
        progress, ids = self.journal.progress, {each.id for each in step.letters}
        known = progress.verdicts.get(step.number, "none")
        if known != "none":
            return known == "good"
        if progress.sent.isdisjoint(ids):
            return progress.failed.isdisjoint(ids)  # all of it had gone: that says nothing about the rest
        seen = await self.watch(step)
        self.journal.note("returned", sorted(seen.returned), step=step.number)
        self.journal.verdict(step.number, seen.verdict)
        self.told(step, progress)
        return seen.verdict == "good"


def report(plan: Plan, progress: Progress) -> dict[str, Any]:
    """The counts (schema dlq-replay, version 1): planned = sent + failed + gone + skipped + remaining."""
    planned = len(plan.letters)
    failed = progress.failed - progress.settled
    counted = len(progress.sent) + len(failed) + len(progress.gone) + len(progress.skipped)
    return {
        "version": 1,
        "plan_id": plan.plan_id,
        "planned": planned,
        "sent": len(progress.sent),
        "deleted": len(progress.deleted),
        "failed": len(failed),
        "gone": len(progress.gone),
        "skipped": len(progress.skipped),
        "returned": len(progress.returned),
        "remaining": planned - counted,
        "steps": [_step(step, progress) for step in steps(plan)],
    }


def is_done(plan: Plan, progress: Progress) -> bool:
    """Every letter came to its end: sent and deleted, or found gone."""
    left = {each.id for each in plan.letters} - progress.sent - progress.gone - progress.skipped
    return not left and (plan.keep or progress.sent <= progress.deleted)


def _step(step: Step, progress: Progress) -> dict[str, Any]:
    ids = {each.id for each in step.letters}
    return {
        "step": step.number,
        "letters": len(ids),
        "canary": step.canary,
        "sent": len(ids & progress.sent),
        "returned": len(ids & progress.returned),
        "verdict": progress.verdicts.get(step.number),
    }
