"""Random rules against two oracles: one that looks at every unit of time, and dateutil where it is right."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

import pytest
from dateutil.rrule import rrulestr

from tests.workers.reminder_dispatch.rules.made import SHORT, oracle, random_rule, random_start
from workers.reminder_dispatch.schedule.rule_text import BadRule, read_rule
from workers.reminder_dispatch.schedule.walls import walls

UNITS_LOOKED_AT = 2_000


def compare_with_units(seed: int) -> bool:
    """One random rule; whether anything was found to compare."""
    dice = random.Random(seed)
    text, start = random_rule(dice), random_start(dice)
    rule = read_rule(text)
    if rule.frequency in SHORT:
        end = start + min(SHORT[rule.frequency] * rule.interval * UNITS_LOOKED_AT, timedelta(days=3_000))
    else:
        end = start + timedelta(days=1_500)
    expected = list(islice(oracle(rule, start, end), 300))
    try:
        found = list(islice(takewhile(lambda wall: wall < end, walls(rule, start, start)), 300))
    except BadRule:
        assert not expected, text
        return False
    assert found == expected, (text, start)
    if expected:
        since = dice.choice(expected) + timedelta(seconds=dice.randrange(2))
        from_there = list(islice(takewhile(lambda wall: wall < end, walls(rule, start, since)), 10))
        assert from_there == [wall for wall in expected if wall >= since][:10] or len(expected) == 300, (text, since)
    return bool(expected)


class TooLong(Exception):
    """dateutil walks: some rules take it minutes."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def give_up(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def compare_with_dateutil(seed: int, *, seconds: float) -> bool:
    dice = random.Random(seed)
    text, start = random_rule(dice, for_dateutil=True), random_start(dice)
    since = start + timedelta(days=dice.choice((0, 0, 1, 30, 400)), seconds=dice.randrange(86_400))
    end = start + timedelta(days=4_000)

    def early(found: Iterator[datetime]) -> list[datetime]:
        return list(islice(takewhile(lambda wall: wall < end, found), 8))

    try:
        with at_most(seconds):
            expected = early(rrulestr(text, dtstart=start).xafter(since, inc=True))
    except ValueError:
        expected = []
    except TooLong:
        return False
    try:
        found = early(walls(read_rule(text), start, since))
    except BadRule:  # looked for in vain for a thousand days: BYSETPOS=4 of one day a month, say
        found = []
    assert found == expected, (text, start, since)
    return True


def test_some_random_rules_fall_where_looking_at_every_unit_of_time_finds_them() -> None:
    assert sum(compare_with_units(seed) for seed in range(15)) > 5


def test_some_random_rules_fall_where_dateutil_has_them() -> None:
    assert sum(compare_with_dateutil(seed, seconds=0.05) for seed in range(50)) > 20


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seeds", [1_000, pytest.param(4_000, marks=pytest.mark.long)])
def test_random_rules_fall_where_looking_at_every_unit_of_time_finds_them(seeds: int) -> None:
    assert sum(compare_with_units(seed) for seed in range(100_000, 100_000 + seeds)) > seeds * 3 // 8


@pytest.mark.slow
def test_a_thousand_random_rules_fall_where_dateutil_has_them() -> None:
    assert sum(compare_with_dateutil(seed, seconds=0.1) for seed in range(100_000, 101_000)) > 400


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_ten_thousand_random_rules_fall_where_dateutil_has_them() -> None:
    assert sum(compare_with_dateutil(seed, seconds=0.3) for seed in range(100_000, 110_000)) > 8_000
