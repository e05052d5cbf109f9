"""When a reminder will come: each occurrence with what the clocks show, and what a clock change does to it. Needs no AWS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from workers.reminder_dispatch.client.reminder import Reminder, WrongField, first_moments, refused
from workers.reminder_dispatch.rules import quiet_end
from workers.reminder_dispatch.schedule.occurrence import read_content, read_series
from workers.reminder_dispatch.schedule.recurrence import Following, Moment, following, instants
from workers.reminder_dispatch.schedule.rule_text import BadRule
from workers.reminder_dispatch.schedule.zones import read_zone

MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Coming:
    """An occurrence: the instant (UTC), the wall time that was asked for, the one that is shown then, with its offset, and the clock
    change it meets. `is_sent` is false where it falls into a gap under `skip`; `held_until` is when quiet hours let it go (UTC).
    """

    instant: datetime
    asked: datetime
    shown: datetime
    change: Literal["", "gap", "overlap"] = ""
    is_sent: bool = True
    held_until: datetime | None = None


def preview(reminder: Reminder, *, now: datetime, count: int = 10) -> tuple[Coming, ...]:
    """The next `count` occurrences, and what is skipped between them. Raises WrongField."""
    if not 1 <= count <= MOST:
        raise WrongField("count", f"1 to {MOST}")
    reminder.check()
    row = reminder.row()
    series = read_series(row)
    moments = first_moments(reminder, row, now=now)
    if series is None:
        return tuple(_coming(reminder, each) for each in moments)
    found: list[Coming] = []
    sent, at = 0, now
    while sent < count:
        try:
            step: Following = following(series, at)
        except BadRule as fault:
            raise refused(fault) from None
        found += [_coming(reminder, each, is_sent=False) for each in step.skipped]
        if step.next is None:
            break
        found.append(_coming(reminder, step.next))
        sent, at = sent + 1, step.next.instant
    return tuple(found)


def _coming(reminder: Reminder, moment: Moment, *, is_sent: bool = True) -> Coming:
    if not reminder.time_zone:
        return Coming(moment.instant, moment.wall, moment.instant)
    zone = read_zone(reminder.time_zone)
    if not instants(moment.wall, zone, on_gap="skip", on_overlap="first"):
        change: Literal["", "gap", "overlap"] = "gap"
    else:
        change = "overlap" if len(instants(moment.wall, zone, on_gap="skip", on_overlap="both")) > 1 else ""
    held = quiet_end(read_content(reminder.row()), moment.instant) if is_sent else None
    return Coming(moment.instant, moment.wall, moment.instant.astimezone(zone), change, is_sent, held)
