"""A recurrence rule as text (RFC 5545, section 3.3.10), read strictly, because what it asks for runs in our process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from math import prod

_STEPS = {
    "SECONDLY": timedelta(seconds=1),
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
_FREQUENCIES = {*_STEPS, "MONTHLY", "YEARLY"}
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
_FROM_THE_END = {"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS"}
_ALL = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", *_NUMBERS}
_NUMBER = re.compile(r"[+-]?\d{1,6}", re.ASCII)
_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_UNTIL = re.compile(r"\d{8}(T\d{6}Z?)?", re.ASCII)
_LARGEST = 100_000
"""The largest COUNT and INTERVAL: an occurrence's successor is found by counting from the start."""
_A_DAY = 1_440
"""Wall times that one day may hold."""


class BadRule(ValueError):
    """The series cannot be read; the text begins with the attribute's name and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule apart from its ends: `text` holds neither COUNT nor UNTIL; `step` is set where all steps are equal.

    `until` is naive where it was written as wall time, aware (UTC) where it ended in Z.
    """

    frequency: str
    text: str
    step: timedelta | None
    count: int | None
    until: datetime | None

    def ended(self, wall: datetime, instant: datetime) -> bool:
        """Whether UNTIL lies before this occurrence."""
        if self.until is None:
            return False
        return (wall if self.until.tzinfo is None else instant) > self.until


def read_rule(text: str) -> Rule:
    """Read one RRULE, with or without the word before it. Raises BadRule."""
    parts = _parts(text)
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise BadRule("rule: FREQ is missing or unknown")
    for name, value in parts.items():
        if name in _NUMBERS:
            _check_numbers(name, value)
    _check_days(parts, frequency)
    _check_load(parts, frequency)
    if "COUNT" in parts and "UNTIL" in parts:
        raise BadRule("rule: COUNT and UNTIL exclude each other")
    step = _STEPS.get(frequency)
    return Rule(
        frequency=frequency,
        text=";".join(f"{name}={value}" for name, value in parts.items() if name not in {"COUNT", "UNTIL"}),
        step=step * _natural(parts, "INTERVAL", 1) if step else None,
        count=_natural(parts, "COUNT", 1) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
    )


def _parts(text: str) -> Mapping[str, str]:
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or name not in _ALL or name in parts:
            raise BadRule("rule: a part is unknown, empty or given twice")
        parts[name] = value
    if parts.get("WKST", "MO") not in {"MO", "TU", "WE", "TH", "FR", "SA", "SU"}:
        raise BadRule("rule: WKST is not a weekday")
    _natural(parts, "INTERVAL", 1)
    return parts


def _check_numbers(name: str, value: str) -> None:
    low, high = _NUMBERS[name]
    for one in value.split(","):
        number = int(one) if _NUMBER.fullmatch(one) else None
        if number is None or not low <= (abs(number) if name in _FROM_THE_END else number) <= high:
            raise BadRule(f"rule: {name} is out of its range")


def _check_days(parts: Mapping[str, str], frequency: str) -> None:
    for one in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        found = _DAY.fullmatch(one)
        if not found or (found[1] and not 1 <= abs(int(found[1])) <= 53):
            raise BadRule("rule: BYDAY is not a list of weekdays")
        if found[1] and frequency not in {"MONTHLY", "YEARLY"}:
            raise BadRule("rule: BYDAY counts weekdays only in MONTHLY and YEARLY")


def _check_load(parts: Mapping[str, str], frequency: str) -> None:
    if "BYSETPOS" in parts and frequency in {"SECONDLY", "MINUTELY", "HOURLY"}:
        raise BadRule("rule: BYSETPOS needs DAILY or longer")
    if prod(parts[name].count(",") + 1 for name in ("BYHOUR", "BYMINUTE", "BYSECOND") if name in parts) > _A_DAY:
        raise BadRule(f"rule: more than {_A_DAY} times a day")


def _natural(parts: Mapping[str, str], name: str, default: int) -> int:
    value = parts.get(name, str(default))
    if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= _LARGEST:
        raise BadRule(f"rule: {name} is not between 1 and {_LARGEST}")
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
