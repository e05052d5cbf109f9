"""Random rules of every kind, and an oracle that looks at each unit of time by itself and knows no arithmetic."""

from __future__ import annotations

import calendar
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby

from workers.reminder_dispatch.schedule.rule_text import Rule

WEEK = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LONG = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
SHORT = {"HOURLY": timedelta(hours=1), "MINUTELY": timedelta(minutes=1), "SECONDLY": timedelta(seconds=1)}
DAY = timedelta(days=1)


def random_rule(dice: random.Random, *, for_dateutil: bool = False) -> str:
    """Rules with 0 to 8 parts. `for_dateutil`: without what dateutil gets wrong or refuses (see the tests)."""

    def some(low: int, high: int, most: int, *, signed: bool = False) -> str:
        numbers = dice.sample(range(low, high + 1), dice.randint(1, most))
        return ",".join(str(number * dice.choice((1, -1)) if signed else number) for number in numbers)

    frequency = dice.choice((*LONG, *SHORT))
    parts = [f"FREQ={frequency}"]
    steps = (1, 2, 3, 4, 5, 6, 7, 10, 12, 24, 45, 60, 90, 1440, dice.randint(1, 400), dice.randint(1, 100_000))
    if dice.random() < 0.6:
        parts.append(f"INTERVAL={dice.choice(steps if frequency in SHORT else steps[:8])}")
    chances: tuple[tuple[float, str, Callable[[], str]], ...] = (
        (0.3, "BYMONTH", lambda: some(1, 12, 4)),
        (0.25 * (frequency == "YEARLY"), "BYWEEKNO", lambda: some(1, 51, 3, signed=True)),
        (0.15, "BYYEARDAY", lambda: some(1, 366, 5, signed=True)),
        (0.3, "BYMONTHDAY", lambda: some(1, 31, 4, signed=True)),
        (0.4, "BYDAY", lambda: _days(dice, counted=frequency in {"MONTHLY", "YEARLY"}, mixed=not for_dateutil)),
        (0.35, "BYHOUR", lambda: some(0, 23, 3)),
        (0.3, "BYMINUTE", lambda: some(0, 59, 3)),
        (0.2, "BYSECOND", lambda: some(0, 59, 2)),
        (0.2, "BYSETPOS", lambda: some(1, 4, 2, signed=True)),
        (0.2, "WKST", lambda: dice.choice(WEEK)),
    )
    unlike = {"BYSETPOS"} if for_dateutil and (frequency in SHORT or frequency == "WEEKLY") else set()
    parts += [f"{name}={make()}" for chance, name, make in chances if dice.random() < chance and name not in unlike]
    return ";".join(parts)


def _days(dice: random.Random, *, counted: bool, mixed: bool) -> str:
    days = dice.sample(WEEK, dice.randint(1, 4))
    if not counted or dice.random() < 0.5:
        return ",".join(days)
    plain = 0.3 if mixed else 0.0
    return ",".join(
        day if dice.random() < plain else f"{dice.choice((1, 2, 3, 4, 5, -1, -2, -5))}{day}" for day in days
    )


def random_start(dice: random.Random) -> datetime:
    return datetime(1990, 1, 1) + timedelta(days=dice.randrange(15_000), seconds=dice.randrange(86_400))  # noqa: DTZ001  wall


def oracle(rule: Rule, start: datetime, end: datetime) -> Iterator[datetime]:
    """All wall times from the start until `end`: each unit of time is held against the words of RFC 5545, 3.3.10."""
    if rule.frequency in SHORT:
        at, unit = start, SHORT[rule.frequency]
        if rule.frequency != "SECONDLY":
            at = at.replace(second=0, minute=0 if rule.frequency == "HOURLY" else at.minute)
        while at < end:
            yield from (each for each in _inside(rule, start, at) if start <= each < end)
            at += unit * rule.interval
        return
    days = (date.fromordinal(day) for day in range(start.toordinal() - 366, end.toordinal() + 367))
    for _, inside in groupby(days, lambda day: _period(rule, day)):
        period = list(inside)
        if _number(rule, period[0], start.date()) % rule.interval:
            continue
        times = [time for day in period if _is_day(rule, start, day) for time in _times(rule, start, day)]
        yield from (time for time in _positioned(rule, times) if start <= time < end)


def _inside(rule: Rule, start: datetime, at: datetime) -> list[datetime]:
    if not _is_day(rule, start, at.date()):
        return []
    if (rule.hours and at.hour not in rule.hours) or (
        rule.frequency != "HOURLY" and rule.minutes and at.minute not in rule.minutes
    ):
        return []
    if rule.frequency == "SECONDLY":
        found = [at] if not rule.seconds or at.second in rule.seconds else []
        return _positioned(rule, found)
    minutes = (rule.minutes or (start.minute,)) if rule.frequency == "HOURLY" else (at.minute,)
    times = [
        at.replace(minute=minute, second=second) for minute in minutes for second in rule.seconds or (start.second,)
    ]
    return _positioned(rule, times)


def _times(rule: Rule, start: datetime, day: date) -> list[datetime]:
    return [
        datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001  wall time
        for hour in rule.hours or (start.hour,)
        for minute in rule.minutes or (start.minute,)
        for second in rule.seconds or (start.second,)
    ]


def _positioned(rule: Rule, times: list[datetime]) -> list[datetime]:
    if not rule.positions:
        return times
    return [time for place, time in enumerate(times) if {place + 1, place - len(times)} & set(rule.positions)]


def _period(rule: Rule, day: date) -> object:
    match rule.frequency:
        case "DAILY":
            return day
        case "WEEKLY":
            return day - timedelta(days=(day.weekday() - rule.week_start) % 7)
        case "MONTHLY":
            return day.year, day.month
        case _:
            return day.year


def _number(rule: Rule, day: date, start: date) -> int:
    match rule.frequency:
        case "DAILY":
            return (day - start).days
        case "WEEKLY":
            return (day - start + timedelta(days=(start.weekday() - rule.week_start) % 7)).days // 7
        case "MONTHLY":
            return 12 * (day.year - start.year) + day.month - start.month
        case _:
            return day.year - start.year


def _is_day(rule: Rule, start: datetime, day: date) -> bool:
    months, month_days, days = rule.months, rule.month_days, rule.days
    if not (rule.week_numbers or rule.year_days or month_days or days or rule.counted_days):
        if rule.frequency == "YEARLY":
            months, month_days = months or (start.month,), (start.day,)
        if rule.frequency == "MONTHLY":
            month_days = (start.day,)
        if rule.frequency == "WEEKLY":
            days = (start.weekday(),)
    year, month = 365 + calendar.isleap(day.year), calendar.monthrange(day.year, day.month)[1]
    of_year = day.timetuple().tm_yday
    if months and day.month not in months:
        return False
    if month_days and not {day.day, day.day - month - 1} & set(month_days):
        return False
    if rule.year_days and not {of_year, of_year - year - 1} & set(rule.year_days):
        return False
    if rule.week_numbers and not _week_numbers(rule, day) & set(rule.week_numbers):
        return False
    if not (days or rule.counted_days):
        return True
    place, size = (of_year, year) if rule.frequency == "YEARLY" and not rule.months else (day.day, month)
    numbers = {(place - 1) // 7 + 1, -((size - place) // 7 + 1)}
    return day.weekday() in days or any((day.weekday(), number) in rule.counted_days for number in numbers)


def _week_numbers(rule: Rule, day: date) -> set[int]:
    """A week belongs to the year that holds its fourth day."""

    def fourth(any_day: date) -> date:
        return any_day - timedelta(days=(any_day.weekday() - rule.week_start) % 7) + 3 * DAY

    middle = fourth(day)
    number = (middle.timetuple().tm_yday - 1) // 7 + 1
    last = middle
    while (last + 7 * DAY).year == middle.year:
        last += 7 * DAY
    return {number, number - ((last.timetuple().tm_yday - 1) // 7 + 1) - 1}
