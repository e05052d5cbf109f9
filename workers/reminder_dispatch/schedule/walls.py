"""The wall times of a rule, on a clock that never changes: found by arithmetic, in bounded steps, wherever one looks from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from itertools import groupby
from math import gcd

from workers.reminder_dispatch.schedule.days import Cycle, cycle, days_from
from workers.reminder_dispatch.schedule.rule_text import BadRule, Rule

STEPS = 1_000
"""Days looked at for one occurrence, beyond which a rule is refused: a few milliseconds."""

_DAY = 86_400
_UNITS = {"HOURLY": 3_600, "MINUTELY": 60, "SECONDLY": 1}
_FEW = 1_500
"""Units of a day, up to which the days that a rule's steps meet are computed beforehand; with more of them, nearly any day is one."""

_FEW_DAYS = 200
"""Kinds of days, up to which each is tried beforehand; so is a rule found out whose steps never meet its parts."""

_Parts = tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Frequency, hours, minutes and seconds."""

At = tuple[int, int]
"""A day's number (date.toordinal), and the second of that day."""


def walls(rule: Rule, start: datetime, since: datetime) -> Iterator[datetime]:
    """The rule's wall times not before `start` and `since`, without COUNT and UNTIL, until the year 2200 (naive, whole seconds).

    Raises BadRule where finding the next one takes too many steps.
    """
    earliest = max(start, since)
    if earliest.microsecond:
        earliest = earliest.replace(microsecond=0) + timedelta(seconds=1)
    begin = (earliest.toordinal(), _second(earliest))
    find = _steps if rule.frequency in _UNITS else _positioned if rule.positions else _plain
    for at in find(rule, start, begin):
        if at >= begin:
            yield datetime.fromordinal(at[0]) + timedelta(seconds=at[1])


def _plain(rule: Rule, start: datetime, begin: At) -> Iterator[At]:
    times = _times_of_day(rule, start)
    return ((day, second) for day in days_from(rule, start, begin[0], _turns(rule, start)) for second in times)


def _positioned(rule: Rule, start: datetime, begin: At) -> Iterator[At]:
    """BYSETPOS counts within whole days, weeks, months and years, also in the one in which the series starts."""
    times = _times_of_day(rule, start)
    if rule.frequency == "DAILY":  # each day is like the other
        chosen = [times[place] for place in _places(rule.positions, len(times))]
        if chosen:
            yield from ((day, at) for day in days_from(rule, start, begin[0], _turns(rule, start)) for at in chosen)
        return
    period = partial(_period, rule)
    idle = 0
    for _, days in groupby(days_from(rule, start, period(begin[0]), _turns(rule, start)), period):
        inside = list(days)
        idle = _counted(idle + len(inside))
        for place in _places(rule.positions, len(inside) * len(times)):
            idle = 0
            yield inside[place // len(times)], times[place % len(times)]


def _steps(rule: Rule, start: datetime, begin: At) -> Iterator[At]:
    """HOURLY and shorter: equal steps of a unit, of which a day's parts of the rule let some pass."""
    size = _UNITS[rule.frequency]
    units, first = _DAY // size, (start.toordinal() * _DAY + _second(start)) // size
    inside = _inside_unit(rule, start)
    allowed = _allowed(rule.frequency, rule.hours, rule.minutes, rule.seconds)
    if not inside:
        return
    days: Cycle | None = None
    if rule.interval > 1:
        parts = (rule.frequency, rule.hours, rule.minutes, rule.seconds)
        days = _meeting_days(parts, rule.interval, first % rule.interval)
        if days is not None and not days.bits:
            return
    idle = 0
    for day in days_from(rule, start, begin[0], days):
        idle = _counted(idle + 1)
        to_first = (first - day * units) % rule.interval
        hits = allowed & (_every(rule.interval, units) << to_first) if to_first < units else 0
        if day == begin[0]:
            passed = begin[1] // size
            hits = hits >> passed << passed
        while hits:
            idle, lowest = 0, hits & -hits
            unit = lowest.bit_length() - 1
            yield from ((day, unit * size + second) for second in inside)
            hits ^= lowest


def _counted(steps: int) -> int:
    if steps > STEPS:
        raise BadRule("rule: too costly, its next occurrence is more than a thousand days of looking away")
    return steps


def _turns(rule: Rule, start: datetime) -> Cycle | None:
    """The days or weeks of every nth that have their turn; None where all have."""
    day = start.toordinal()
    if rule.frequency == "DAILY" and rule.interval > 1:
        return cycle(rule.interval, (day % rule.interval,))
    if rule.frequency == "WEEKLY" and rule.interval > 1:
        week, length = _period(rule, day), 7 * rule.interval
        return cycle(length, tuple((week + number) % length for number in range(7)))
    return None


def _period(rule: Rule, day: int) -> int:
    """The first day of the week, month or year that a day is in."""
    if rule.frequency == "WEEKLY":
        return day - (day - 1 - rule.week_start) % 7  # the day with the number 1 is a Monday
    at = date.fromordinal(day)
    return at.replace(day=1).toordinal() if rule.frequency == "MONTHLY" else date(at.year, 1, 1).toordinal()


def _places(positions: Sequence[int], size: int) -> list[int]:
    """Where BYSETPOS points to in a set of that size, in order."""
    return sorted({each - 1 if each > 0 else size + each for each in positions if abs(each) <= size})


def _times_of_day(rule: Rule, start: datetime) -> tuple[int, ...]:
    return _seconds(rule.hours or (start.hour,), rule.minutes or (start.minute,), rule.seconds or (start.second,))


def _inside_unit(rule: Rule, start: datetime) -> tuple[int, ...]:
    """The seconds of each hour or minute that a rule of hours or minutes falls on."""
    if rule.frequency == "SECONDLY":
        found: tuple[int, ...] = (0,)
    else:
        minutes = (rule.minutes or (start.minute,)) if rule.frequency == "HOURLY" else (0,)
        found = _seconds((0,), minutes, rule.seconds or (start.second,))
    return tuple(found[place] for place in _places(rule.positions, len(found))) if rule.positions else found


@lru_cache(maxsize=1_024)
def _seconds(hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(3_600 * hour + 60 * minute + second for hour in hours for minute in minutes for second in seconds)


@lru_cache(maxsize=1_024)
def _allowed(frequency: str, hours: tuple[int, ...], minutes: tuple[int, ...], seconds: tuple[int, ...]) -> int:
    """The hours, minutes or seconds of a day that a rule of that frequency lets pass, one bit for each."""
    minute = sum(1 << each for each in seconds or range(60)) if frequency == "SECONDLY" else 1
    width = 60 if frequency == "SECONDLY" else 1
    hour = sum(minute << width * each for each in minutes or range(60)) if frequency != "HOURLY" else 1
    width *= 60 if frequency != "HOURLY" else 1
    return sum(hour << width * each for each in hours or range(24))


@lru_cache(maxsize=256)
def _every(interval: int, units: int) -> int:
    """One bit for each `interval`th of so many."""
    bits, reach = 1, interval
    while reach < units:
        bits |= bits << reach
        reach *= 2
    return bits & ((1 << units) - 1)


@lru_cache(maxsize=512)
def _meeting_days(parts: _Parts, interval: int, first: int) -> Cycle | None:
    """The days on which a step falls on a unit that may pass: those whose number `day` satisfies, for one such unit,
    day * units + unit = first (mod interval). None where nearly any day does, and finding out costs more than trying.
    """
    units = _DAY // _UNITS[parts[0]]
    common = gcd(units, interval)
    length = interval // common
    allowed = _allowed(*parts)
    if allowed.bit_count() <= _FEW:
        inverse = pow(units // common, -1, length)
        passing = [first - unit for unit in _ones(allowed)]
        return cycle(length, tuple({left // common * inverse % length for left in passing if left % common == 0}))
    if length > _FEW_DAYS:
        return None
    steps = _every(interval, units)
    to_first = [(first - day * units) % interval for day in range(length)]
    return cycle(length, tuple(day for day, left in enumerate(to_first) if left < units and allowed & (steps << left)))


def _ones(bits: int) -> Iterator[int]:
    """Where a number has ones; searched as text, for the numbers are long."""
    text = f"{bits:b}"[::-1]
    place = text.find("1")
    while place >= 0:
        yield place
        place = text.find("1", place + 1)


def _second(at: datetime) -> int:
    return 3_600 * at.hour + 60 * at.minute + at.second
