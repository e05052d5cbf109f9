"""Quiet hours: when a recipient's clock says that nothing is to be sent, and when that ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from shared import Wire
from workers.reminder_dispatch.schedule.recurrence import instants
from workers.reminder_dispatch.schedule.zones import read_zone

DAY = timedelta(days=1)
WEEK: Sequence[str] = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_TIME = re.compile(r"\d\d:\d\d", re.ASCII)
"""No other form of ISO 8601: 22+01 has an offset, and is no time of the recipient's clock."""


def _clock(given: Any) -> time:
    if not isinstance(given, str) or not _TIME.fullmatch(given):
        raise ValueError("a time of day is like 22:00")
    return time.fromisoformat(given)


Clock = Annotated[time, PlainValidator(_clock)]


class QuietHours(Wire):
    """From `begin` until before `end` on the recipient's wall clock; over midnight where `end` is not later, and then the night belongs
    to the day on which it begins. `days` are those on which it begins, all where none is named.
    """

    begin: Clock = Field(alias="from")
    end: Clock = Field(alias="until")
    days: tuple[Literal["MO", "TU", "WE", "TH", "FR", "SA", "SU"], ...] = ()

    @property
    def never_end(self) -> bool:
        return self.begin == self.end and set(self.days or WEEK) == set(WEEK)


def quiet_until(quiet: QuietHours, zone: str, now: datetime) -> datetime | None:
    """The first instant at which it is not quiet any more; None where it is not quiet now.

    An instant is quiet when what the clock shows lies in the window: so an end that the clock shows twice comes the first time it is
    shown, and what it shows again before the end is quiet again; an end in a gap is the first instant after the gap.
    """
    at = now
    for _ in range(len(WEEK) + 2):  # windows that meet each other are one, a week of them at most
        end = _end(quiet, zone, at)
        if end is None:
            break
        at = end
    return at if at > now else None


def _end(quiet: QuietHours, zone: str, now: datetime) -> datetime | None:
    place = read_zone(zone)
    wall = now.astimezone(place).replace(tzinfo=None)
    for day in (wall.date() - DAY, wall.date()):
        if quiet.days and WEEK[day.weekday()] not in quiet.days:
            continue
        begin, end = datetime.combine(day, quiet.begin), datetime.combine(day, quiet.end)
        if quiet.end <= quiet.begin:
            end += DAY
        if begin <= wall < end:
            ends = instants(end, place, on_gap="gap_end", on_overlap="both")
            return next((instant for instant in ends if instant > now), None)
    return None
