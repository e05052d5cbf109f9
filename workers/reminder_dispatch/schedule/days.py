"""Which days a rule may fall on: one bit for each day of a year, so that a year without any costs a few operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

from workers.reminder_dispatch.schedule.rule_text import Rule

LAST_YEAR = 2200
"""No series goes on from here."""

_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SEVENTH = sum(1 << 7 * week for week in range(54))
_LONGEST_YEAR = 366


@dataclass(frozen=True, slots=True)
class DayParts:
    """The parts of a rule that choose days. `in_year`: counted weekdays are counted in the year, else in each month."""

    months: tuple[int, ...]
    week_numbers: tuple[int, ...]
    year_days: tuple[int, ...]
    month_days: tuple[int, ...]
    days: tuple[int, ...]
    counted_days: tuple[tuple[int, int], ...]
    week_start: int
    in_year: bool


@dataclass(frozen=True, slots=True)
class Cycle:
    """Days that come again every `length` days: one bit for each remainder of the day's number, and 366 more of them, repeated."""

    length: int
    bits: int


def parts_of(rule: Rule, start: date) -> DayParts:
    """The rule's own parts, and where it has none what its start says (RFC 5545, 3.3.10: missing parts are DTSTART's)."""
    months, month_days, days = rule.months, rule.month_days, rule.days
    if not (rule.week_numbers or rule.year_days or month_days or days or rule.counted_days):
        if rule.frequency == "YEARLY":
            months, month_days = months or (start.month,), (start.day,)
        elif rule.frequency == "MONTHLY":
            month_days = (start.day,)
        elif rule.frequency == "WEEKLY":
            days = (start.weekday(),)
    in_year = rule.frequency == "YEARLY" and not rule.months
    return DayParts(
        months, rule.week_numbers, rule.year_days, month_days, days, rule.counted_days, rule.week_start, in_year
    )


def cycle(length: int, remainders: Sequence[int]) -> Cycle:
    """The days whose number leaves one of these remainders."""
    bits = bytearray((length + _LONGEST_YEAR) // 8 + 1)
    for first in remainders:
        for place in range(first, length + _LONGEST_YEAR, length):
            bits[place >> 3] |= 1 << (place & 7)
    return Cycle(length, int.from_bytes(bits, "little"))


def days_from(rule: Rule, start: date, since: int, within: Cycle | None = None) -> Iterator[int]:
    """The numbers (date.toordinal) of the days that a rule may fall on, from the day `since` on, and in `within` where that is given."""
    parts = parts_of(rule, start)
    for year in range(date.fromordinal(since).year, LAST_YEAR):
        if rule.frequency == "YEARLY" and (year - start.year) % rule.interval:
            continue
        begin = date(year, 1, 1)
        first = begin.toordinal()
        bits = _days_of(parts, begin.weekday(), *map(_is_leap, (year - 1, year, year + 1)))
        if within is not None:
            bits &= within.bits >> first % within.length
        if rule.frequency == "MONTHLY" and rule.interval > 1:
            bits &= _months(tuple(_turns(rule, start, year)), _is_leap(year))
        if since > first:
            bits = bits >> (since - first) << (since - first)
        while bits:
            lowest = bits & -bits
            yield first + lowest.bit_length() - 1
            bits ^= lowest


def _turns(rule: Rule, start: date, year: int) -> Iterator[int]:
    """The months of a year in which a rule of every nth month has its turn."""
    passed = 12 * (year - start.year) - start.month
    return (month for month in range(1, 13) if (passed + month) % rule.interval == 0)


@lru_cache(maxsize=8_192)
def _days_of(parts: DayParts, weekday: int, was_leap: bool, leap: bool, will_leap: bool) -> int:  # noqa: FBT001  three years
    """The days of a year that begins on this weekday, between two others: years of one kind have the same."""
    length = 365 + leap
    bits = (1 << length) - 1
    if parts.months:
        bits &= _months(parts.months, leap)
    if parts.month_days:
        places = (
            first + (day - 1 if day > 0 else size + day)
            for first, size in _spans(leap)
            for day in parts.month_days
            if abs(day) <= size
        )
        bits &= _ones(places)
    if parts.year_days:
        bits &= _ones(day - 1 if day > 0 else length + day for day in parts.year_days if abs(day) <= length)
    if parts.week_numbers:
        bits &= _weeks(parts, weekday, was_leap, leap, will_leap)
    if parts.days or parts.counted_days:
        chosen = 0
        for day in parts.days:
            chosen |= _SEVENTH << (day - weekday) % 7
        spans = [(0, length)] if parts.in_year else _spans(leap)
        bits &= chosen | _ones(_counted(parts, weekday, spans))
    return bits


def _counted(parts: DayParts, weekday: int, spans: Sequence[tuple[int, int]]) -> Iterator[int]:
    for first, size in spans:
        for day, number in parts.counted_days:
            earliest = (day - weekday - first) % 7
            place = (
                earliest + 7 * (number - 1) if number > 0 else size - 1 - (size - 1 - earliest) % 7 + 7 * (number + 1)
            )
            if 0 <= place < size:
                yield first + place


def _weeks(parts: DayParts, weekday: int, was_leap: bool, leap: bool, will_leap: bool) -> int:  # noqa: FBT001
    """Days by the number of their week, which may be one of the year before or after (ISO 8601, with any first day)."""
    before, length = 365 + was_leap, 365 + leap
    starts = [
        -before + _first_week((weekday - before) % 7, parts.week_start),
        _first_week(weekday, parts.week_start),
        length + _first_week((weekday + length) % 7, parts.week_start),
        length + 365 + will_leap + _first_week((weekday + length + 365 + will_leap) % 7, parts.week_start),
    ]
    bits = 0
    for start, following in pairwise(starts):
        weeks = (following - start) // 7
        for number in parts.week_numbers:
            place = start + 7 * (number - 1 if number > 0 else weeks + number)
            if 1 <= abs(number) <= weeks and -7 < place < length:
                bits |= 0b1111111 << place if place >= 0 else 0b1111111 >> -place
    return bits & ((1 << length) - 1)


def _first_week(weekday: int, week_start: int) -> int:
    """Where week 1 begins, in days from 1 January: the first week of which at least four days are in the year."""
    full = (week_start - weekday) % 7
    return full - 7 if full >= 4 else full


@lru_cache(maxsize=1_024)
def _months(months: tuple[int, ...], leap: bool) -> int:  # noqa: FBT001
    spans = _spans(leap)
    return sum(((1 << spans[month - 1][1]) - 1) << spans[month - 1][0] for month in months)


@lru_cache
def _spans(leap: bool) -> tuple[tuple[int, int], ...]:  # noqa: FBT001
    """The first day of each month, and how many there are."""
    sizes = [size + (leap and month == 1) for month, size in enumerate(_LENGTHS)]
    return tuple((sum(sizes[:month]), size) for month, size in enumerate(sizes))


def _ones(places: Iterator[int]) -> int:
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
