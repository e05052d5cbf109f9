"""Which waiting occurrences the zone data of today puts at another instant than the data they were written with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from workers.reminder_dispatch.schedule.occurrence import (
    INDEX,
    MOVED,
    Clock,
    Malformed,
    Move,
    Row,
    read_clock,
    read_series,
    row_key,
    skipped,
    successor,
)
from workers.reminder_dispatch.schedule.recurrence import (
    SUB_DAILY,
    Following,
    Moment,
    Series,
    following,
    instants,
)
from workers.reminder_dispatch.schedule.rule_text import BadRule, read_rule
from workers.reminder_dispatch.schedule.zones import read_zone
from workers.reminder_dispatch.table.keys import identity_of, key_of

SECOND = timedelta(seconds=1)
FARTHEST = timedelta(hours=26)
"""No zone's clock was ever moved by more (Pacific/Apia, 24 h): what differs by more was not written by any zone data."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A waiting occurrence that belongs elsewhere: the rows to write where there are none yet, and then how this one ends. `due_at`
    is when it is due now, None where it fell into a gap and nothing follows.
    """

    reminder_id: str
    was: datetime
    due_at: datetime | None
    rows: tuple[Row, ...]
    end: Move


@dataclass(frozen=True, slots=True)
class Odd:
    """A waiting occurrence of which nobody can say where it belongs."""

    why: str


def recompute(row: Row, *, now: datetime, forget_at: int) -> Moved | Odd | None:
    """Where a waiting row belongs; None where it stands right, or has no wall clock. Raises nothing, whatever the row holds."""
    try:
        reminder_id, was = identity_of(row_key(row))
        series = read_series(row)
        clock = series if series is not None and _steps_evenly(series) else read_clock(row)
        if clock is None or (found := _place(row, clock, series, was, now)) is None:
            return None
        rows = [skipped(row, reminder_id, series, moment, forget_at=forget_at) for moment in found.skipped]
        if found.next is not None:
            rows.append(successor(row, reminder_id, series, found.next))
    except (Malformed, BadRule, ValueError) as fault:
        return Odd(str(fault))
    here = key_of(reminder_id, was)
    reason = "skipped_gap" if any(row_key(each) == here for each in rows) or not rows else MOVED
    return Moved(
        reminder_id,
        was,
        found.next.instant if found.next else None,
        tuple(each for each in rows if row_key(each) != here),
        Move(
            expect={"status": "PENDING", "attempts": row.get("attempts"), "revision": row.get("revision")},
            put={"status": "FAILED", "reason": reason, "TTL": forget_at},
            drop=("notBefore", *INDEX),
        ),
    )


def _place(row: Row, clock: Clock | Series, series: Series | None, was: datetime, now: datetime) -> Following | None:
    """What takes the place of an occurrence; None where it stands right. Raises Malformed or BadRule."""
    if isinstance(clock, Series):
        if clock.known is not None:  # what takes its place has its number, and not the next one
            clock = replace(clock, known=replace(clock.known, number=clock.known.number - 1))
        found = following(clock, was - SECOND).next
        return None if found is not None and found.instant == was else following(clock, now)
    zone = read_zone(clock.zone)
    here = instants(clock.wall, zone, on_gap=clock.on_gap, on_overlap=clock.on_overlap)
    if was in here:
        return None
    [asked] = instants(clock.wall, zone, on_gap="shift", on_overlap="first")
    if abs(was - asked) > FARTHEST:
        raise Malformed("localTime: it and dueAt lie more than a day apart")
    if series is not None:
        return following(series, min(here, default=asked) - SECOND)
    return Following(Moment(here[0], clock.wall) if here else None)


def _steps_evenly(series: Series) -> bool:
    """Whether the series steps in absolute time, and its wall clock only follows."""
    return read_rule(series.rule).frequency in SUB_DAILY
