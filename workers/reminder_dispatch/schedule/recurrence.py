"""When a reminder comes again: a recurrence rule on the wall clock of the reminder's own zone, as UTC instants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from workers.reminder_dispatch.schedule.rule_text import BadRule, Rule, read_rule
from workers.reminder_dispatch.schedule.zones import first_with, next_change, offset_at, read_zone

OnGap = Literal["shift", "skip", "gap_end"]
OnOverlap = Literal["first", "second", "both"]

SUB_DAILY = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
"""Frequencies that step in absolute time."""

DAY = timedelta(days=1)
"""The longest jump a clock has made: Pacific/Apia had no 30 December 2011."""

FIRST_YEAR, LAST_YEAR = 1970, 2200
_GREGORIAN_CYCLE = timedelta(days=146_097)
"""400 years, a whole number of weeks: dates, weekdays and week numbers repeat after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A rule with all it needs: DTSTART on the wall clock (naive), the IANA zone, what to do at clock changes.

    A wall time in a gap is sent with the offset before the gap (`shift`), not at all (`skip`) or at the first instant
    after the gap (`gap_end`); one that comes twice is sent the `first` time, the `second` time or at `both`.
    """

    rule: str
    start: datetime
    zone: str
    on_gap: OnGap = "shift"
    on_overlap: OnOverlap = "first"


@dataclass(frozen=True, slots=True)
class Moment:
    """A UTC instant and the wall time it was asked for."""

    instant: datetime
    wall: datetime


@dataclass(frozen=True, slots=True)
class Following:
    """The next occurrence, None at the end of the series, and the wall times that fell into gaps on the way to it."""

    next: Moment | None
    skipped: tuple[Moment, ...] = ()


def following(series: Series, after: datetime) -> Following:
    """What comes strictly after an instant. Raises BadRule, whose text begins with the name of the faulty attribute.

    DAILY and longer rules live on the wall clock; HOURLY and shorter ones step in absolute time, so that no hour is
    lost or doubled, and only their BY... parts look at the wall clock. Two wall times that meet in one instant are one
    occurrence, because an occurrence is its instant. COUNT counts wall times that exist under the gap policy
    (RFC 5545, 3.3.10), UNTIL is inclusive.
    """
    rule, zone = read_rule(series.rule), read_zone(series.zone)
    if not (FIRST_YEAR <= series.start.year < LAST_YEAR and after.year < LAST_YEAR):
        raise BadRule(f"ruleStart: not between {FIRST_YEAR} and {LAST_YEAR}")
    if rule.frequency in SUB_DAILY:
        found = (moment for moment in _absolute(series, rule, zone, after) if moment.instant > after)
        return Following(next(found, None))
    return _earliest(series, rule, zone, after)


def instants(wall: datetime, zone: ZoneInfo, *, on_gap: OnGap, on_overlap: OnOverlap) -> tuple[datetime, ...]:
    """The instants at which a wall clock in `zone` is taken to show `wall` (naive): none, one or two, in order."""
    first, second = wall.replace(tzinfo=zone, fold=0).utcoffset(), wall.replace(tzinfo=zone, fold=1).utcoffset()
    if first is None or second is None or first == second:
        return (_utc(wall, first or timedelta()),)
    if first < second:  # a gap: fold 0 has the offset before it, fold 1 the offset after it (PEP 495)
        match on_gap:
            case "shift":
                return (_utc(wall, first),)
            case "skip":
                return ()
            case "gap_end":
                return (first_with(second, zone, _utc(wall, second), _utc(wall, first)),)
    both = (_utc(wall, first), _utc(wall, second))
    return both if on_overlap == "both" else both[:1] if on_overlap == "first" else both[1:]


def _earliest(series: Series, rule: Rule, zone: ZoneInfo, after: datetime) -> Following:
    best: Moment | None = None
    in_gaps: list[Moment] = []
    for wall, moments in _calendar(series, rule, zone, after):
        # A gap moves a wall time by a day at most, possibly past later ones: look that far beyond the best.
        if best is not None and wall > best.wall + DAY:
            break
        if not moments:
            in_gaps.append(Moment(_shifted(wall, zone), wall))
        for instant in moments:
            if instant > after and (best is None or instant < best.instant):
                best = Moment(instant, wall)
    skipped = (gap for gap in in_gaps if gap.instant > after and (best is None or gap.instant < best.instant))
    return Following(best, tuple(skipped))


def _calendar(
    series: Series, rule: Rule, zone: ZoneInfo, after: datetime
) -> Iterator[tuple[datetime, tuple[datetime, ...]]]:
    since = series.start if rule.count else after.astimezone(zone).replace(tzinfo=None) - DAY
    left = rule.count or 0
    for wall in _walls(rule, series.start, since):
        if rule.ended(wall, _shifted(wall, zone) - DAY):
            return
        moments = instants(wall, zone, on_gap=series.on_gap, on_overlap=series.on_overlap)
        yield wall, tuple(instant for instant in moments if not rule.ended(wall, instant))
        if rule.count and moments:
            left -= 1
            if not left:
                return


def _absolute(series: Series, rule: Rule, zone: ZoneInfo, after: datetime) -> Iterator[Moment]:
    """Step through absolute time, one stretch of constant offset after the other.

    Within a stretch the wall clock is a straight line, so the rule may run on it; `begin` seen with the stretch's
    offset keeps the steps in place across a change.
    """
    begin = instants(series.start, zone, on_gap="shift", on_overlap=series.on_overlap)[0]
    at, left = begin if rule.count else max(begin, after), rule.count or 0
    without: set[timedelta] = set()  # offsets at which the rule never matches again
    while at.year < LAST_YEAR:
        offset = offset_at(at, zone)
        change = next_change(at, zone)
        if offset not in without:
            for wall in _walls(rule, _wall(begin, offset), _wall(at, offset)):
                instant = _utc(wall, offset)
                if instant >= change:
                    break
                if rule.ended(wall, instant):
                    return
                yield Moment(instant, wall)
                if rule.count:
                    left -= 1
                    if not left:
                        return
            else:
                without.add(offset)
        at = change


def _walls(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """The rule's wall times not before `since`, without COUNT and UNTIL, on a clock that never changes."""
    if rule.step is not None and since > start:
        # A rule of equal steps may begin at any of them; one extra step, for BY... parts may spread a step out.
        start += max(0, (since - start) // rule.step - 1) * rule.step
    # The search for a day that never comes (30 February) ends in the year 9999; done near it, it takes half a second.
    cycles = _GREGORIAN_CYCLE * ((9949 - max(start, since).year) // 400)
    try:
        for wall in rrulestr(rule.text, dtstart=start + cycles).xafter(since + cycles, inc=True):
            yield wall - cycles
    except ValueError:
        return  # dateutil's word for BY... parts that no step can meet


def _shifted(wall: datetime, zone: ZoneInfo) -> datetime:
    return instants(wall, zone, on_gap="shift", on_overlap="first")[0]


def _utc(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def _wall(instant: datetime, offset: timedelta) -> datetime:
    return (instant + offset).replace(tzinfo=None)
