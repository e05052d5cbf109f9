"""A recurrence rule as text (RFC 5545, section 3.3.10), read strictly, because what it asks for runs in our process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import lru_cache
from math import prod

_FREQUENCIES = {"SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"}
_WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NUMBERS = {
    "BYSECOND": (0, 59),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (1, 31),
    "BYYEARDAY": (1, 366),
    "BYWEEKNO": (1, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (1, 366),
}
_FIELDS = {
    "BYSECOND": "seconds",
    "BYMINUTE": "minutes",
    "BYHOUR": "hours",
    "BYMONTHDAY": "month_days",
    "BYYEARDAY": "year_days",
    "BYWEEKNO": "week_numbers",
    "BYMONTH": "months",
    "BYSETPOS": "positions",
}
_FROM_THE_END = {"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"}
_ALL = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS}
_NUMBER = re.compile(r"[+-]?\d{1,6}", re.ASCII)
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_UNTIL = re.compile(r"\d{8}(T\d{6}Z?)?", re.ASCII)
LARGEST = 100_000
"""The largest COUNT and INTERVAL."""
_LONGEST = 10_000
"""Characters of a rule, so that reading it is bounded: all numbers that all parts may hold are shorter."""
_A_DAY = 1_440
"""Wall times that one day may hold."""


class BadRule(ValueError):
    """The series cannot be read; the text begins with the attribute's name and quotes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule's parts as RFC 5545 names them, numbers in ascending order, each once; a part that is not given is empty.

    `days` are weekdays (Monday is 0), `counted_days` weekdays with the number before them, from the end where it is negative.
    `until` is naive where it was written as wall time, aware (UTC) where it ended in Z.
    """

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    week_start: int = 0
    months: tuple[int, ...] = ()
    week_numbers: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    counted_days: tuple[tuple[int, int], ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()

    def ended(self, wall: datetime, instant: datetime) -> bool:
        """Whether UNTIL lies before this occurrence."""
        if self.until is None:
            return False
        return (wall if self.until.tzinfo is None else instant) > self.until


@lru_cache(maxsize=4_096)
def read_rule(text: str) -> Rule:
    """Read one RRULE, with or without the word before it. Raises BadRule."""
    if len(text) > _LONGEST:
        raise BadRule(f"rule: longer than {_LONGEST} characters")
    parts = _parts(text)
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise BadRule("rule: FREQ is missing or unknown")
    numbers = {field: _numbers(parts, name) for name, field in _FIELDS.items()}
    days = _days(parts, frequency)
    if prod(max(1, len(numbers[name])) for name in ("hours", "minutes", "seconds")) > _A_DAY:
        raise BadRule(f"rule: more than {_A_DAY} times a day")
    if "COUNT" in parts and "UNTIL" in parts:
        raise BadRule("rule: COUNT and UNTIL exclude each other")
    return Rule(
        frequency=frequency,
        interval=_natural(parts, "INTERVAL", 1),
        count=_natural(parts, "COUNT", 1) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        week_start=_WEEK.index(parts.get("WKST", "MO")),
        days=tuple(sorted({day for day, number in days if not number})),
        counted_days=tuple(sorted({(day, number) for day, number in days if number})),
        **numbers,
    )


def _parts(text: str) -> Mapping[str, str]:
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in _ALL or name in parts:
            raise BadRule("rule: a part is unknown, empty or given twice")
        parts[name] = value
    if parts.get("WKST", "MO") not in _WEEK:
        raise BadRule("rule: WKST is not a weekday")
    _natural(parts, "INTERVAL", 1)
    return parts


def _numbers(parts: Mapping[str, str], name: str) -> tuple[int, ...]:
    low, high = _NUMBERS[name]
    found = set()
    for one in parts[name].split(",") if name in parts else ():
        number = int(one) if _NUMBER.fullmatch(one) else None
        if number is None or not low <= (abs(number) if name in _FROM_THE_END else number) <= high:
            raise BadRule(f"rule: {name} is out of its range")
        found.add(number)
    return tuple(sorted(found))


def _days(parts: Mapping[str, str], frequency: str) -> list[tuple[int, int]]:
    """Weekdays with the number before each, 0 where there is none."""
    found = []
    for one in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        day = _DAY.fullmatch(one)
        if not day or (day[1] and not 1 <= abs(int(day[1])) <= 53):
            raise BadRule("rule: BYDAY is not a list of weekdays")
        if day[1] and frequency not in {"MONTHLY", "YEARLY"}:
            raise BadRule("rule: BYDAY counts weekdays only in MONTHLY and YEARLY")
        found.append((_WEEK.index(day[2]), int(day[1] or 0)))
    return found


def _natural(parts: Mapping[str, str], name: str, default: int) -> int:
    value = parts.get(name, str(default))
    if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= LARGEST:
        raise BadRule(f"rule: {name} is not between 1 and {LARGEST}")
    return int(value)


def _until(value: str) -> datetime:
    if _UNTIL.fullmatch(value):
        try:
            if len(value) == 8:  # a date: the whole of that day, on the wall clock
                return datetime.combine(datetime.strptime(value, "%Y%m%d"), time.max)  # noqa: DTZ007  wall time
            until = datetime.strptime(value.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007  wall time
            return until.replace(tzinfo=UTC) if value.endswith("Z") else until
        except ValueError:
            pass
    raise BadRule("rule: UNTIL is neither a date nor a date and time")
