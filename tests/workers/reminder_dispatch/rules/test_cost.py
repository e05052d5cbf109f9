"""What the next occurrence costs: milliseconds for every legal rule, or a refusal."""

import random
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from tests.traced import allowed
from tests.workers.reminder_dispatch.rules.made import random_rule, random_start
from workers.reminder_dispatch.schedule.recurrence import Place, Series, following
from workers.reminder_dispatch.schedule.rule_text import BadRule, read_rule
from workers.reminder_dispatch.schedule.walls import walls

START = datetime.fromisoformat("2026-03-07T09:00:00")
AFTER = datetime(2026, 3, 9, 10, tzinfo=UTC)
MOST = 0.05
"""Seconds of CPU: ten times what is promised, for machines that are busy; walking took 1 to 134."""


def numbers(below: int) -> str:
    return ",".join(map(str, range(below)))


COSTLY_ONCE = (
    "FREQ=SECONDLY;INTERVAL=7;BYHOUR=3;BYMINUTE=3;BYSECOND=3;BYDAY=MO;BYMONTHDAY=13;BYMONTH=2",
    "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=5",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3",
    f"FREQ=SECONDLY;INTERVAL=86401;BYHOUR={numbers(12)}",
    "FREQ=HOURLY;INTERVAL=99991;BYHOUR=9",
    f"FREQ=MINUTELY;INTERVAL=99991;BYHOUR={numbers(23)}",
    "FREQ=SECONDLY;INTERVAL=5;BYSECOND=3,13",
    "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3",
    "FREQ=YEARLY;BYDAY=MO,TU;BYSETPOS=300",
    "FREQ=YEARLY;BYWEEKNO=53;BYMONTHDAY=13;BYDAY=FR",
    f"FREQ=DAILY;BYHOUR={numbers(24)};BYMINUTE={numbers(60)}",
    f"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR={numbers(24)};BYMINUTE={numbers(60)};BYSETPOS=-1",
)


def cost(series: Series, after: datetime) -> float:
    """Seconds of CPU, the less of two: what a process reads or collects once is not the rule's."""
    return min(_once(series, after) for _ in range(2))


def _once(series: Series, after: datetime) -> float:
    began = time.thread_time()
    with suppress(BadRule):
        following(series, after)
    return time.thread_time() - began


def test_rules_that_took_walking_seconds_cost_milliseconds() -> None:
    cost(Series(rule="FREQ=DAILY", start=START, zone="Europe/Berlin"), AFTER)  # what is read once: the zone's own data
    spent = {rule: cost(Series(rule=rule, start=START, zone="Europe/Berlin"), AFTER) for rule in COSTLY_ONCE}
    assert {rule: seconds for rule, seconds in spent.items() if seconds > allowed(MOST)} == {}


@pytest.mark.slow
def test_a_thousand_random_rules_cost_milliseconds_each() -> None:
    dice, spent = random.Random(5), []
    for _ in range(1_000):
        series = Series(rule=random_rule(dice), start=random_start(dice), zone="America/New_York")
        spent.append(cost(series, series.start.replace(tzinfo=UTC) + timedelta(days=dice.randrange(400))))
    spent.sort()
    assert spent[-1] < allowed(MOST)
    assert spent[990] < allowed(MOST / 5)


def test_a_step_that_is_farther_away_than_the_budget_is_refused_by_name() -> None:
    with pytest.raises(BadRule, match=r"^rule: too costly"):
        next(walls(read_rule("FREQ=SECONDLY;INTERVAL=86399;BYHOUR=3"), START, START + timedelta(days=2)))


def test_the_middle_of_a_long_count_costs_what_its_beginning_costs() -> None:
    for rule in ("FREQ=MINUTELY;COUNT=100000", "FREQ=DAILY;BYHOUR=8,20;COUNT=100000"):
        known = Place(datetime.fromisoformat("2036-03-07T09:00:00"), 40_000)
        series = Series(rule=rule, start=START, zone="UTC", known=known)
        assert cost(series, known.wall.replace(tzinfo=UTC)) < allowed(MOST)
        assert cost(Series(rule=rule, start=START, zone="UTC"), known.wall.replace(tzinfo=UTC)) < allowed(MOST), (
            "refused"
        )


def test_an_old_series_is_continued_as_fast_as_a_new_one() -> None:
    for rule in ("FREQ=SECONDLY;INTERVAL=30", "FREQ=HOURLY", "FREQ=WEEKLY;INTERVAL=2", "FREQ=YEARLY"):
        old = datetime.fromisoformat("1970-01-04T00:00:00")
        assert cost(Series(rule=rule, start=old, zone="America/New_York"), AFTER) < allowed(MOST)
        assert next(islice(walls(read_rule(rule), old, START), 1)) >= START
