"""A replay at work: meets each planned letter again, sends it, and only then deletes it; READ THIS BEFORE CHANGING IT.

Send before delete, always, and nothing is forgotten: the journal is on the disk before the next step is taken, and names
what is sent before it is. A crash between the two leaves a batch `uncertain`: `resume` sends it once more under the same
idempotency key, a later plan leaves it. No crash loses a letter.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.dead_letters.model.letter import DeadLetter
from fleet.dead_letters.model.plan.plan import Plan, Planned, Step, steps
from fleet.dead_letters.queues.browsing import Sweep, bound, give_back, sweep
from fleet.dead_letters.queues.dead_letter_queue import Box
from fleet.dead_letters.replay.canary import Seen
from fleet.dead_letters.replay.journal import Journal, Progress
from fleet.dead_letters.replay.pacing import Pace
from fleet.dead_letters.replay.sending import Expand, Hand, Post, Sending
from fleet.dead_letters.uncut import to_its_end

HELD = 20.0
"""Seconds of sending for which letters are taken in hand at once; they are hidden for longer than that."""
MOST_IN_HAND = 500
LEASE_MARGIN = 5.0
"""Seconds before a letter shows up again at which it is no longer sent: it is received anew."""
DELETE_AGAIN = 2
DELETED_AT_ONCE, DELETED_WITHIN = 100, 1.0
"""Letters that were sent and are deleted together, and the seconds after which they are, however few."""

Watch = Callable[[Step], Awaitable[Seen]]


@dataclass(kw_only=True)
class Replay:
    """One run over one plan. `progressed` hears of progress; `expand` reads the records that a pointer points to, or none
    where they are no longer there: such a letter is skipped, as is one whose body is not the planned one. `kept`: archived ids;
    `unreachable`: why nothing can be sent to a destination, by ARN, `withheld`: why a letter is not to be sent, by id: these are left, and
    the others go on.
    """

    plan: Plan
    box: Box
    post: Post
    journal: Journal
    watch: Watch
    pace: Pace = field(default_factory=Pace)
    expand: Expand | None = None
    kept: Collection[str] = frozenset()
    seal_key: bytes = b""
    unreachable: Mapping[str, str] = field(default_factory=dict)
    withheld: Mapping[str, str] = field(default_factory=dict)
    cancelled: Callable[[], bool] = lambda: False
    progressed: Callable[[Step, Progress], None] = lambda _step, _progress: None
    last_look: int = 1
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    sending: Sending = field(init=False)

    def __post_init__(self) -> None:
        self.sending = Sending(
            plan=self.plan,
            post=self.post,
            journal=self.journal,
            expand=self.expand,
            kept=self.kept,
            seal_key=self.seal_key,
            clock=self.clock,
            sleep=self.sleep,
        )

    async def run(self) -> None:
        """Take the plan as far as it goes; what happened is in the journal. Raises what a call raises."""
        number = 1
        while step := self._step(number):
            await self._send(step)
            if self.cancelled():
                return
            good = await self._is_good(step)
            if (step.canary and not good) or self.sending.is_halted:
                return
            if step == self._step(number):  # else others took the place of what had gone: they are the canary now
                number += 1

    def _step(self, number: int) -> Step | None:
        """With the letters that took the place of a canary that had gone."""
        of_now = steps(self.plan, self.journal.progress.replaced)
        return next((each for each in of_now if each.number == number), None)

    async def _send(self, step: Step) -> None:
        await self._delete_sent(step)
        left = {each.id: each for each in step.letters if each.id not in self.journal.progress.settled}
        why = {each.id: left_for for each in left.values() if (left_for := self._left_for(each))}
        self.journal.note("failed", [*why], step=step.number, why=why)
        await self._send_met({name: each for name, each in left.items() if name not in why}, step)

    def _left_for(self, each: Planned) -> str:
        """Why a letter is not sent by this run, ""."""
        return self.withheld.get(each.id) or self.unreachable.get(each.destination, "")

    async def _delete_sent(self, step: Step) -> None:
        progress = self.journal.progress
        undeleted = [each.id for each in step.letters if each.id in progress.sent and each.id not in progress.deleted]
        for start in range(0, 0 if self.plan.keep else len(undeleted), MOST_IN_HAND):
            await self._delete_met(undeleted[start : start + MOST_IN_HAND], step)

    async def _send_met(self, left: dict[str, Planned], step: Step) -> None:
        """Send whichever planned letter is met. What is not planned stays hidden until the end, so that no letter is
        received again for each handful: the receives grow with the queue, not with its square.
        """
        strangers: dict[str, DeadLetter] = {}
        try:
            while left and not self.cancelled() and not self.sending.is_halted:
                if not await self._handful(left, strangers, step):
                    return
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
        self.sending.block({each.group for each in strangers.values() if each.id in self.withheld})
        letters = [left.pop(name) for name in [*left] if name in met.found]
        hand = Hand(met.found, began + visibility - LEASE_MARGIN)
        try:
            late = await self._send_in_hand(letters, hand, step)
        finally:
            await asyncio.shield(self._let_go(hand, met, step))
        left |= {each.id: each for each in late}
        if late:
            return len(late) < len(letters)
        if len(letters) < size and met.complete:
            self.journal.note("gone", [*left], step=step.number)
        return len(letters) >= size

    async def _send_in_hand(self, letters: Sequence[Planned], hand: Hand, step: Step) -> list[Planned]:
        """Answers those whose lease ran out before their turn: they are received again first."""
        late: list[Planned] = []
        for destination, batch in self._batches(letters, hand.found):
            await self.pace.turn(len(batch), cancelled=self.cancelled)
            if self.cancelled() or self.sending.is_halted:
                break
            able = [each for each in batch if hand.found[each.id].group not in self.sending.blocked]
            if self.clock() > hand.until:
                late += able
                continue
            late += await to_its_end(self.sending.move(destination, able, hand, step))
            if len(hand.sent) >= DELETED_AT_ONCE or self.clock() - hand.sent_since > DELETED_WITHIN:
                await self._delete_from(hand, step)
            self.progressed(step, self.journal.progress)
        return late

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

    def _batches(
        self, letters: Sequence[Planned], found: Mapping[str, DeadLetter]
    ) -> Iterator[tuple[str, list[Planned]]]:
        """In the plan's order, for one destination at a time. A function is invoked once for each letter, and each
        invocation is in the journal before the next: Lambda knows no key by which it could tell a second one. To a FIFO
        queue goes one letter of a group in a call: if that is refused, none behind it overtakes it.
        """
        batch: list[Planned] = []
        groups: set[str] = set()
        for each in letters:
            most = 1 if ":lambda:" in each.destination else self.pace.batch
            group = found[each.id].group if each.destination.endswith(".fifo") else ""
            if batch and (len(batch) >= most or each.destination != batch[0].destination or group in groups):
                yield batch[0].destination, batch
                batch, groups = [], set()
            batch.append(each)
            groups |= {group} - {""}
        if batch:
            yield batch[0].destination, batch

    async def _let_go(self, hand: Hand, met: Sweep[DeadLetter], step: Step) -> None:
        """Also of a run that is cut: what was sent is deleted, the others are given back."""
        try:
            await self._delete_from(hand, step)
        finally:
            await give_back(self.box, met, but=hand.deleted)

    async def _delete_from(self, hand: Hand, step: Step) -> None:
        letters, hand.sent = hand.sent, []
        hand.deleted |= await self._delete(letters, step)

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

    async def _delete_met(self, ids: Sequence[str], step: Step) -> None:
        """An earlier run sent these and did not come to delete them: never send again, delete where they still are."""
        _, met = await self._meet(ids, len(ids))
        try:
            await give_back(self.box, met, but=met.found)
            await self._delete([*met.found.values()], step)
            if met.complete:
                missing = [each for each in ids if each not in met.found]
                self.journal.note("deleted", missing, step=step.number, vanished=True)
        finally:
            await asyncio.shield(give_back(self.box, met, but=self.journal.progress.deleted))

    async def _is_good(self, step: Step) -> bool:
        """Watch what was sent. A canary that is not good ends the run; of the rest, what comes back is counted."""
        progress, ids = self.journal.progress, {each.id for each in step.letters}
        known = progress.verdicts.get(step.number, "none")
        if known != "none":
            return known == "good"
        if ids.isdisjoint(progress.sent | progress.uncertain):
            able = {each.id for each in step.letters if not self._left_for(each)}
            if progress.failed.isdisjoint(able) and step.canary:  # none was there: that says nothing about the others
                self.journal.note("replaced", sorted(ids - progress.replaced), step=step.number)
            return progress.failed.isdisjoint(able)
        if not step.canary and (self.plan.keep or self.plan.watch <= 0):
            return True
        seen = await self.watch(step)
        self.journal.note("returned", sorted(seen.returned), step=step.number)
        is_open = not step.canary and not ids <= progress.settled
        self.journal.verdict(step.number, "none" if is_open else seen.verdict)
        self.journal.note("sent", sorted(seen.done & progress.uncertain), step=step.number)
        await self._delete_sent(step)
        self.progressed(step, progress)
        return seen.verdict == "good"
