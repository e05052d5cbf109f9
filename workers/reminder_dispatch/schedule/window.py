"""Which minutes a tick looks through, and what it does with each row it finds there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from workers.reminder_dispatch.schedule.occurrence import LONGEST_HELD, Row, row_key
from workers.reminder_dispatch.table.keys import MINUTE, identity_of, minute_of

OVERLAP = timedelta(minutes=5)
"""Looked through again at each tick: the index is eventually consistent, and a reminder may be written a bit late."""

LOOK_BACK = timedelta(minutes=60)
"""How far back a fleet without a cursor begins."""

CATCH_UP = timedelta(minutes=20)
"""The most of the past that one tick looks through; it then sends itself on, so that no outage is too long and what has
become due meanwhile is never far behind."""

LOOK_AHEAD = timedelta(seconds=75)
"""What is due before the next tick, and 15 s more for that tick to arrive, waits in the queue with its exact delay."""


@dataclass(frozen=True, slots=True)
class Step:
    """One minute to look through; once it and all steps before it are queued, the cursor may stand at `cursor`."""

    minute: datetime
    cursor: datetime | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What a tick looks through, in order; what is due until `horizon` is queued, `unfinished` says the past goes on.

    The present comes first: whatever an outage has left behind, today's reminders do not wait for it.
    """

    steps: tuple[Step, ...]
    horizon: datetime
    unfinished: bool


def window_of(cursor: datetime | None, now: datetime) -> Window:
    """The clock decides, never the tick's own time: a tick says that it is time to look, not what time it is.

    `cursor` is the first minute that was not wholly queued; one in the future (a clock that was wrong once) counts as
    now.
    """
    current, last = minute_of(now), minute_of(now + LOOK_AHEAD)
    start = current - LOOK_BACK if cursor is None else min(cursor, current) - OVERLAP
    present = current - OVERLAP
    end = min(present, start + CATCH_UP)
    steps = [*(Step(minute) for minute in _minutes(present, last + MINUTE))]
    steps += [Step(minute, minute + MINUTE) for minute in _minutes(start, end)]
    if end == present:
        steps[-1] = Step(steps[-1].minute, last)
    return Window(tuple(steps), now + LOOK_AHEAD, unfinished=end < present)


def _minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    """From `start` until before `end`."""
    return (start + number * MINUTE for number in range((end - start) // MINUTE))


@dataclass(frozen=True, slots=True)
class Queue:
    """Ask for this occurrence after `delay` seconds (0 to 900)."""

    reminder_id: str
    due_at: datetime
    delay: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing to do now: a later tick, or the message that is on its way, sees to it."""


@dataclass(frozen=True, slots=True)
class Spoil:
    """The row can never be sent."""

    why: str


def sort(row: Row, minute: datetime, *, window: Window, now: datetime) -> Queue | Leave | Spoil:
    """What becomes of a row found in the index under `minute`. Raises nothing, whatever the row holds."""
    try:
        reminder_id, due_at = identity_of(row_key(row))
    except ValueError as error:
        return Spoil(str(error))
    if due_at > window.horizon:
        if minute_of(due_at) != minute:
            return Spoil("GSI1PK: not the minute of the due time")
        return Leave()
    if minute_of(due_at) != minute and (until := put_off_to(row, minute)) is not None:
        return (
            Queue(reminder_id, due_at, max(0, ceil((until - now).total_seconds())))
            if until <= window.horizon
            else Leave()
        )
    if is_held(row, now):
        return Leave()
    delay = max(0, ceil((due_at - now).total_seconds()))
    return Queue(reminder_id, due_at, delay)


def put_off_to(row: Row, minute: datetime) -> datetime | None:
    """When an occurrence is to be sent that stands under this minute because quiet hours end in it; None for any other."""
    if row.get("status") != "PENDING":
        return None
    try:
        until = datetime.fromtimestamp(int(row.get("notBefore", 0)), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None  # the dispatch will say so on the row
    return until if minute_of(until) == minute else None


def is_held(row: Row, now: datetime) -> bool:
    """Whether somebody sends it at present, or it waits for its next attempt, of which there is a message already."""
    held_until = row.get("claimedUntil") if row.get("status") == "SENDING" else row.get("notBefore")
    try:
        return held_until is not None and bool(0 < held_until - int(now.timestamp()) <= LONGEST_HELD)
    except TypeError:
        return False  # no number, or one that nobody wrote here: the dispatch will say so on the row
