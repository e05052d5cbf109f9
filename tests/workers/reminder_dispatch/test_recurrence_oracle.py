"""Recurrence against an oracle that only ever reads clocks forward, from instants to wall time, minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from workers.reminder_dispatch.schedule.recurrence import Series, following, instants
from workers.reminder_dispatch.schedule.zones import read_zone

ZONES = (
    "America/New_York",
    "Europe/London",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/Santiago",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Pacific/Chatham",
    "UTC",
)
MINUTE = timedelta(minutes=1)


@cache
def clock_readings(zone: str, day: date) -> dict[datetime, tuple[datetime, ...]]:
    """Which instants show which wall time, for the wall times around a day."""
    readings: dict[datetime, tuple[datetime, ...]] = {}
    start = datetime.combine(day, time(), UTC) - timedelta(hours=16)
    for number in range(56 * 60):
        instant = start + number * MINUTE
        wall = instant.astimezone(read_zone(zone)).replace(tzinfo=None)
        readings[wall] = (*readings.get(wall, ()), instant)
    return readings


def oracle(zone: str, wall: datetime, on_gap: str, on_overlap: str) -> tuple[datetime, ...]:
    readings = clock_readings(zone, wall.date())
    shown = readings.get(wall, ())
    if len(shown) == 1:
        return shown
    if shown:
        return {"first": shown[:1], "second": shown[1:], "both": shown}[on_overlap]
    before = max(reading for reading in readings if reading < wall)
    last = readings[before][-1]
    return {"shift": (last + (wall - before),), "skip": (), "gap_end": (last + MINUTE,)}[on_gap]


def changes(zone: str, first: int, last: int) -> list[datetime]:
    """Hours in which the zone's offset changes."""
    found, offset = [], None
    at = datetime(first, 1, 1, tzinfo=UTC)
    while at.year <= last:
        now = at.astimezone(read_zone(zone)).utcoffset()
        if offset is not None and now != offset:
            found.append(at)
        offset, at = now, at + timedelta(hours=1)
    return found


wall_times = st.datetimes(datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2037-12-31")).map(
    lambda at: at.replace(second=0, microsecond=0)
)
policies = st.tuples(st.sampled_from(["shift", "skip", "gap_end"]), st.sampled_from(["first", "second", "both"]))


@given(st.sampled_from(ZONES), wall_times, policies)
@settings(max_examples=examples(60), deadline=None)
def test_any_wall_time_in_any_zone_is_what_the_clocks_there_show(
    zone: str, wall: datetime, policy: tuple[Any, Any]
) -> None:
    on_gap, on_overlap = policy
    found = instants(wall, read_zone(zone), on_gap=on_gap, on_overlap=on_overlap)
    assert found == oracle(zone, wall, on_gap, on_overlap)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Africa/Casablanca"])
@pytest.mark.parametrize("on_gap", ["shift", "skip", "gap_end"])
@pytest.mark.parametrize("on_overlap", ["first", "second", "both"])
def test_all_times_around_a_change_follow_the_policies(zone: str, on_gap: Any, on_overlap: Any) -> None:
    for change in changes(zone, 2026, 2027):
        near = change.astimezone(read_zone(zone)).replace(tzinfo=None, minute=0)
        for quarter in range(-12, 12):
            wall = near + quarter * timedelta(minutes=15)
            found = instants(wall, read_zone(zone), on_gap=on_gap, on_overlap=on_overlap)
            assert found == oracle(zone, wall, on_gap, on_overlap), wall


@pytest.mark.slow
@given(st.sampled_from(ZONES), wall_times, policies, st.integers(0, 7 * 24 * 60))
@settings(max_examples=examples(60), deadline=None)
def test_a_daily_series_goes_on_at_the_next_time_the_clock_shows(
    zone: str, start: datetime, policy: tuple[Any, Any], minutes_on: int
) -> None:
    on_gap, on_overlap = policy
    daily = Series(rule="FREQ=DAILY", start=start, zone=zone, on_gap=on_gap, on_overlap=on_overlap)
    after = start.replace(tzinfo=UTC) + timedelta(days=2, minutes=minutes_on)
    found = following(daily, after).next
    assert found is not None
    assert found.instant > after
    local = after.astimezone(read_zone(zone)).date()
    walls = [datetime.combine(local + timedelta(days=days), start.time()) for days in range(-1, 4)]
    assert found.instant == min(
        instant for wall in walls for instant in oracle(zone, wall, on_gap, on_overlap) if instant > after
    )


@given(st.sampled_from(ZONES), wall_times, st.integers(1, 50), st.integers(0, 400 * 24 * 60))
@settings(max_examples=examples(60), deadline=None)
def test_an_hourly_series_is_a_straight_line_through_time(
    zone: str, start: datetime, interval: int, minutes_on: int
) -> None:
    hourly = Series(rule=f"FREQ=HOURLY;INTERVAL={interval}", start=start, zone=zone)
    [begin] = instants(start, read_zone(zone), on_gap="shift", on_overlap="first")
    after = begin + timedelta(minutes=minutes_on)
    found = following(hourly, after).next
    assert found is not None
    step = timedelta(hours=interval)
    assert found.instant == begin + ((after - begin) // step + 1) * step
    assert found.wall == found.instant.astimezone(read_zone(zone)).replace(tzinfo=None)
