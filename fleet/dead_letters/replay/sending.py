"""A few letters in hand, sent to one destination: what is known of each is on the disk before anything else is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from fleet.dead_letters.model.letter import UNREADABLE, DeadLetter
from fleet.dead_letters.model.plan.outgoing import Parcel, Unsendable, copy, parcel
from fleet.dead_letters.model.plan.plan import Plan, Planned, Step
from fleet.dead_letters.replay.journal import Journal, State
from fleet.dead_letters.replay.post import TRIES, Posted
from shared.outcome import code_of

MOST_LOST = 3
"""Calls in a row of whose letters not one is known to have arrived: a replay that goes on would only make more of them."""
Post = Callable[[str, Sequence[Parcel]], Awaitable[Posted]]
Expand = Callable[[DeadLetter], Awaitable[Sequence[Parcel]]]


@dataclass(slots=True)
class Hand:
    """Letters in hand: what was received of each, until when (by the run's clock) nobody else can receive it, those that
    were sent and wait to be deleted, and those that have left the queue.
    """

    found: Mapping[str, DeadLetter]
    until: float
    sent: list[DeadLetter] = field(default_factory=list)
    sent_since: float = 0.0
    deleted: set[str] = field(default_factory=set)


class NotKept(Exception):
    """A letter that is to be sent with another body, and whose original is not archived."""


@dataclass(kw_only=True, slots=True)
class Sending:
    """What one run sends of its plan. `blocked` are FIFO groups of which it sends nothing more: that would overtake a letter.
    `kept` are archived letters: no other is sent with a body that a person changed.
    """

    plan: Plan
    post: Post
    journal: Journal
    expand: Expand | None = None
    kept: Collection[str] = frozenset()
    seal_key: bytes = b""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    blocked: set[str] = field(default_factory=set)
    lost_in_a_row: int = 0

    @property
    def is_halted(self) -> bool:
        return self.lost_in_a_row >= MOST_LOST

    async def move(self, destination: str, batch: Sequence[Planned], hand: Hand, step: Step) -> list[Planned]:
        """Write down what is to be sent, send it, write down what was accepted, and then try again what was refused, while the
        lease lasts. Answers those that it did not last for.
        """
        left = [each for planned in batch for each in await self._parcels(hand.found[planned.id], planned, step)]
        waiting, count = {each.id for each in left}, len(left)
        unsure, dead, codes = set[str](), set[str](), dict[str, str]()
        for attempt in range(TRIES if left else 0):
            if attempt:
                await self.sleep(0.1 * 2 ** (attempt - 1))
            if self.clock() > hand.until:
                break
            if not attempt:  # a kill from here on, and every later plan knows that these may have been sent
                self.journal.note("sending", sorted(waiting), step=step.number)
            posted = await self.post(destination, left)
            again = posted.refused.keys() - posted.final
            unsure -= posted.accepted(left)
            if destination.endswith(".fifo"):  # it knows a message that comes twice within five minutes: so ask again
                again |= posted.uncertain
            unsure |= {left[place].id for place in posted.uncertain}
            dead |= {left[place].id for place in posted.final}
            codes |= {left[place].id: code for place, code in posted.refused.items()}
            left = [left[place] for place in sorted(again)]
            sent = waiting - unsure - dead - {each.id for each in left}
            self._note_sent([each.id for each in batch if each.id in sent], hand, step)
            waiting -= sent
            if not left:
                break
        late = {each.id for each in left} - unsure - dead if self.clock() > hand.until else set[str]()
        refused = sorted(late & self.journal.progress.sending)
        self.journal.note("failed", refused, step=step.number, why={each: codes.get(each, "") for each in refused})
        self._note_unsent(waiting - late, unsure, codes, hand, step)
        self.lost_in_a_row = self.lost_in_a_row + 1 if len(waiting) == count > 0 and not dead | late else 0
        return [each for each in batch if each.id in late]

    async def _parcels(self, letter: DeadLetter, planned: Planned, step: Step) -> Sequence[Parcel]:
        """What to send of a letter; nothing where it is left, and the journal says why. It stands in nobody else's way."""
        try:
            made = await self._made(letter, planned)
        except Unsendable as error:
            fault: tuple[State, str] = ("skipped", str(error))
        except UNREADABLE as error:
            fault = ("skipped", f"it cannot be read ({type(error).__name__})")
        except (ClientError, BotoCoreError, NotKept) as error:
            fault = ("failed", str(error) if isinstance(error, NotKept) else code_of(error))
            self.block({letter.group})
        else:
            return made
        state, why = fault
        self.journal.note(state, [letter.id], step=step.number, why={letter.id: why})
        return []

    async def _made(self, letter: DeadLetter, planned: Planned) -> Sequence[Parcel]:
        """Raises what is in UNREADABLE, NotKept, and what the reading of a stream raises."""
        if letter.digest != planned.digest:
            raise Unsendable("it has another body than planned")
        if planned.mended is not None and planned.id not in self.kept:
            raise NotKept("its body is to be changed, and its original is not archived")
        if self.plan.keep:
            return [copy(letter, plan_id=self.plan.plan_id)]
        if self.expand is not None and planned.shape in ("lambda-stream", "pipe-stream"):
            if not (records := await self.expand(letter)):
                raise Unsendable("the stream no longer has the records that it points to")
            return records
        plan_id, mended = self.plan.plan_id, planned.mended
        return [parcel(letter, shape=planned.shape, plan_id=plan_id, mended=mended, seal_key=self.seal_key)]

    def _note_sent(self, ids: Sequence[str], hand: Hand, step: Step) -> None:
        """On the disk before anything is tried again, and before anything is deleted."""
        first = [each for each in ids if each not in self.journal.progress.uncertain]
        self.journal.note("sent", first, step=step.number)
        self.journal.note("sent", [each for each in ids if each not in first], step=step.number, again=True)
        if not hand.sent:
            hand.sent_since = self.clock()
        hand.sent += [] if self.plan.keep else [hand.found[each] for each in ids]

    def _note_unsent(
        self, ids: Collection[str], unsure: Collection[str], codes: Mapping[str, str], hand: Hand, step: Step
    ) -> None:
        """`unsure` of these ids may have arrived. Of a FIFO group nothing more is sent by this run: it would overtake them."""
        failed = sorted({*ids} - {*unsure})
        self.journal.note("failed", failed, step=step.number, why={each: codes.get(each, "") for each in failed})
        self.journal.note("uncertain", sorted({*ids} & {*unsure}), step=step.number)
        self.block({hand.found[each].group for each in ids})

    def block(self, groups: Collection[str]) -> None:
        """Send nothing more of these groups of a FIFO queue. On a standard queue a group says whose turn it is, and nothing of order."""
        if any(arn.endswith(".fifo") for arn in (self.plan.place.arn, *self.plan.destinations)):
            self.blocked |= {*groups} - {""}
