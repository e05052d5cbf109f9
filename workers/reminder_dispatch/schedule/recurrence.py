"""When a reminder comes again: a recurrence rule on the wall clock of the reminder's own zone, as UTC instants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from workers.reminder_dispatch.schedule.days import LAST_YEAR
from workers.reminder_dispatch.schedule.rule_text import BadRule, Rule, read_rule
from workers.reminder_dispatch.schedule.walls import walls
from workers.reminder_dispatch.schedule.zones import first_with, next_change, offset_at, read_zone

OnGap = Literal["shift", "skip", "gap_end"]
OnOverlap = Literal["first", "second", "both"]

SUB_DAILY = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
"""Frequencies that step in absolute time."""

SECOND = timedelta(seconds=1)

FIRST_YEAR = 1970
NEAR = timedelta(days=3)
"""How far from an instant a clock change may move what happens there: longer than any zone's clock was ever moved."""

UNNUMBERED = 2_000
"""Occurrences of a rule with COUNT that are counted from its start, where a row does not say which it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """An occurrence of a rule with COUNT: its wall time, and its number from 1."""

    wall: datetime
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A rule with all it needs: DTSTART on the wall clock (naive), the IANA zone, what to do at clock changes.

    A wall time in a gap is sent with the offset before the gap (`shift`), not at all (`skip`) or at the first instant
    after the gap (`gap_end`); one that comes twice is sent the `first` time, the `second` time or at `both`. `known` is the occurrence
    after which the next is asked for, where a rule has COUNT: without it, that is counted from the start, so far as it is near.
    """

    rule: str
    start: datetime
    zone: str
    on_gap: OnGap = "shift"
    on_overlap: OnOverlap = "first"
    known: Place | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A UTC instant and the wall time it was asked for; `number` of the occurrence, from 1, where the rule has COUNT."""

    instant: datetime
    wall: datetime
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """The next occurrence, None at the end of the series, and the wall times that fell into gaps on the way to it."""

    next: Moment | None
    skipped: tuple[Moment, ...] = ()


def following(series: Series, after: datetime) -> Following:
    """What comes strictly after an instant. Raises BadRule, whose text begins with the name of the faulty attribute; also where
    finding it takes too many steps.

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
    last: datetime | None = None
    in_gaps: list[Moment] = []
    for wall, moments, number in _calendar(series, rule, zone, after):
        # A gap moves a wall time, possibly past later ones: look that far beyond the best.
        if last is not None and wall > last:
            break
        if not moments:
            in_gaps.append(Moment(_shifted(wall, zone), wall))
        for instant in moments:
            if instant > after and (best is None or instant < best.instant):
                best, last = Moment(instant, wall, number), wall + _largest_jump(instant, zone)
    skipped = (gap for gap in in_gaps if gap.instant > after and (best is None or gap.instant < best.instant))
    return Following(best, tuple(skipped))


def _calendar(
    series: Series, rule: Rule, zone: ZoneInfo, after: datetime
) -> Iterator[tuple[datetime, tuple[datetime, ...], int | None]]:
    """Wall times that may come after an instant, with the instants and the number of each."""
    since = after.astimezone(zone).replace(tzinfo=None) - _largest_jump(after, zone)
    number = _number_before(series, rule, zone, since) if rule.count else 0
    for wall in walls(rule, series.start, since):
        if rule.until and rule.ended(wall, _shifted(wall, zone) - NEAR):
            return
        moments = instants(wall, zone, on_gap=series.on_gap, on_overlap=series.on_overlap)
        if rule.count and moments:
            number += 1
            if number > rule.count:
                return
        if not rule.ended(
            wall, moments[0] if moments else _shifted(wall, zone)
        ):  # what UNTIL ends did not fall into a gap
            yield wall, tuple(instant for instant in moments if not rule.ended(wall, instant)), number or None


def _number_before(series: Series, rule: Rule, zone: ZoneInfo, since: datetime) -> int:
    """How many of COUNT come before a wall time: counted back from the occurrence that is known, else from the start."""
    if since <= series.start:
        return 0

    def counted(begin: datetime, end: datetime) -> int:
        found = 0
        for wall in takewhile(lambda wall: wall < end, walls(rule, series.start, begin)):
            found += series.on_gap != "skip" or bool(instants(wall, zone, on_gap="skip", on_overlap="first"))
            _count(found)
        return found

    if series.known is None:
        return counted(series.start, since)
    return series.known.number - 1 + counted(series.known.wall, since) - counted(since, series.known.wall)


def _absolute(series: Series, rule: Rule, zone: ZoneInfo, after: datetime) -> Iterator[Moment]:
    """Step through absolute time, one stretch of constant offset after the other.

    Within a stretch the wall clock is a straight line, so the rule may run on it; `begin` seen with the stretch's
    offset keeps the steps in place across a change.
    """
    begin = instants(series.start, zone, on_gap="shift", on_overlap=series.on_overlap)[0]
    from_start = rule.count is not None and series.known is None
    number = series.known.number if series.known else 0
    at = begin if from_start else max(begin, after.replace(microsecond=0) + SECOND)
    coming: dict[
        timedelta, datetime | None
    ] = {}  # for each offset, the wall time that the rule meets next; None: never again
    while at.year < LAST_YEAR:
        offset, change = offset_at(at, zone), next_change(at, zone)
        known = coming.get(offset, _wall(begin, offset))
        if known is not None and known < _wall(change, offset):
            coming[offset] = None
            for wall in walls(rule, _wall(begin, offset), _wall(at, offset)):
                instant = _utc(wall, offset)
                if instant >= change:
                    coming[offset] = wall
                    break
                number += 1
                if rule.ended(wall, instant) or number > (rule.count or number):
                    return
                if from_start:
                    _count(number)
                yield Moment(instant, wall, number if rule.count else None)
        at = change


def _count(number: int) -> None:
    if number > UNNUMBERED:
        raise BadRule("rule: too costly, it has COUNT, and the row no occurrenceNumber to go on from")


def _largest_jump(instant: datetime, zone: ZoneInfo) -> timedelta:
    """By how much the clock is moved at most, within some days of an instant."""
    largest, at = timedelta(), instant - NEAR
    while (change := next_change(at, zone)) <= instant + NEAR:
        moved = offset_at(change, zone) - offset_at(at, zone)
        largest, at = max(largest, abs(moved)), change
    return largest


def _shifted(wall: datetime, zone: ZoneInfo) -> datetime:
    return instants(wall, zone, on_gap="shift", on_overlap="first")[0]


def _utc(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def _wall(instant: datetime, offset: timedelta) -> datetime:
    return (instant + offset).replace(tzinfo=None)
