"""Recurrence at the wall clock: ordinary days, gaps, overlaps, odd zones, ends of series."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.traced import allowed
from workers.reminder_dispatch.schedule.recurrence import Following, Series, following, instants
from workers.reminder_dispatch.schedule.rule_text import BadRule
from workers.reminder_dispatch.schedule.zones import read_zone

NEW_YORK, LONDON, LORD_HOWE, APIA = "America/New_York", "Europe/London", "Australia/Lord_Howe", "Pacific/Apia"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def series(rule: str, start: str, zone: str = NEW_YORK, **policy: Any) -> Series:
    return Series(rule=rule, start=wall(start), zone=zone, **policy)


def firings(of: Series, count: int, *, after: str | None = None) -> list[str]:
    """The next `count` instants, each asked for after the one before, as the dispatch does it."""
    at = utc(after) if after else utc(of.start.isoformat()) - timedelta(days=2)
    found: list[str] = []
    while len(found) < count and (moment := following(of, at).next) is not None:
        at = moment.instant
        found.append(at.strftime("%Y-%m-%dT%H:%MZ"))
    return found


def test_nine_in_the_morning_stays_nine_when_summer_time_begins() -> None:
    mornings = series("FREQ=DAILY", "2026-03-07T09:00:00")
    assert firings(mornings, 3) == ["2026-03-07T14:00Z", "2026-03-08T13:00Z", "2026-03-09T13:00Z"]


@pytest.mark.parametrize(
    ("policy", "sent"),
    [("shift", ["2026-03-08T07:30Z"]), ("skip", []), ("gap_end", ["2026-03-08T07:00Z"])],
)
def test_a_time_that_does_not_exist_follows_the_gap_policy(policy: Any, sent: list[str]) -> None:
    nights = series("FREQ=DAILY", "2026-03-07T02:30:00", on_gap=policy)
    expected = ["2026-03-07T07:30Z", *sent, "2026-03-09T06:30Z"]
    assert firings(nights, len(expected)) == expected


def test_a_skipped_time_is_reported_so_that_it_can_be_recorded() -> None:
    nights = series("FREQ=DAILY", "2026-03-07T02:30:00", on_gap="skip")
    [gap] = following(nights, utc("2026-03-07T07:30")).skipped
    assert (gap.instant, gap.wall) == (utc("2026-03-08T07:30"), wall("2026-03-08T02:30"))
    assert following(nights, utc("2026-03-08T07:30")).skipped == ()


def test_a_skipped_time_at_the_end_of_a_series_is_reported_too() -> None:
    found = following(
        series("FREQ=DAILY;UNTIL=20260308", "2026-03-07T02:30:00", on_gap="skip"), utc("2026-03-07T07:30")
    )
    assert (found.next, [gap.wall for gap in found.skipped]) == (None, [wall("2026-03-08T02:30")])


@pytest.mark.parametrize("gap", ["shift", "skip", "gap_end"])
@pytest.mark.parametrize("until", ["20260306T073000Z", "20260307T073000Z", "20260307T023000", "20260307"])
def test_what_would_come_after_the_end_of_a_series_was_not_skipped(until: str, gap: Any) -> None:
    nights = series(f"FREQ=DAILY;UNTIL={until}", "2026-03-05T02:30:00", on_gap=gap)
    last = utc(firings(nights, 9)[-1].removesuffix("Z"))
    assert following(nights, last) == Following(next=None)


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        ("first", ["2026-11-01T05:30Z"]),
        ("second", ["2026-11-01T06:30Z"]),
        ("both", ["2026-11-01T05:30Z", "2026-11-01T06:30Z"]),
    ],
)
def test_a_time_that_comes_twice_follows_the_overlap_policy(policy: Any, sent: list[str]) -> None:
    nights = series("FREQ=DAILY", "2026-10-31T01:30:00", on_overlap=policy)
    expected = ["2026-10-31T05:30Z", *sent, "2026-11-02T06:30Z"]
    assert firings(nights, len(expected)) == expected


def test_london_half_past_one_at_both_changes() -> None:
    nights = series("FREQ=DAILY", "2026-03-01T01:30:00", LONDON)
    assert firings(nights, 1, after="2026-03-28T12:00") == ["2026-03-29T01:30Z"]
    assert firings(nights, 2, after="2026-10-24T12:00") == ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]


def test_months_without_a_31st_are_left_out_and_month_ends_are_not() -> None:
    assert firings(series("FREQ=MONTHLY", "2026-01-31T09:00:00", "UTC"), 3) == [
        "2026-01-31T09:00Z",
        "2026-03-31T09:00Z",
        "2026-05-31T09:00Z",
    ]
    assert firings(series("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T09:00:00", "UTC"), 3) == [
        "2026-01-31T09:00Z",
        "2026-02-28T09:00Z",
        "2026-03-31T09:00Z",
    ]


def test_a_leap_day_comes_every_four_years() -> None:
    assert firings(series("FREQ=YEARLY", "2024-02-29T12:00:00", "UTC"), 3) == [
        "2024-02-29T12:00Z",
        "2028-02-29T12:00Z",
        "2032-02-29T12:00Z",
    ]


def test_a_start_that_does_not_match_its_own_rule_is_not_an_occurrence() -> None:
    assert firings(series("FREQ=DAILY;BYHOUR=9", "2026-01-01T00:00:00", "UTC"), 1) == ["2026-01-01T09:00Z"]


def test_hours_are_neither_lost_nor_doubled_at_a_change() -> None:
    spring = firings(series("FREQ=HOURLY", "2026-03-08T00:30:00"), 4)
    assert spring == ["2026-03-08T05:30Z", "2026-03-08T06:30Z", "2026-03-08T07:30Z", "2026-03-08T08:30Z"]
    autumn = firings(series("FREQ=HOURLY", "2026-11-01T00:30:00"), 4)
    assert autumn == ["2026-11-01T04:30Z", "2026-11-01T05:30Z", "2026-11-01T06:30Z", "2026-11-01T07:30Z"]


def test_an_hourly_rule_looks_at_the_wall_clock_for_its_hours_only() -> None:
    office = series("FREQ=HOURLY;BYHOUR=9,10", "2026-03-07T09:00:00")
    assert firings(office, 4) == ["2026-03-07T14:00Z", "2026-03-07T15:00Z", "2026-03-08T13:00Z", "2026-03-08T14:00Z"]


def test_a_step_of_hours_that_meets_its_hour_in_one_half_of_the_year_only_waits_for_that_half() -> None:
    days = series("FREQ=HOURLY;INTERVAL=24;BYHOUR=9", "2026-03-07T09:00:00")
    assert firings(days, 2) == ["2026-03-07T14:00Z", "2026-11-01T14:00Z"]


def test_half_an_hour_of_gap_at_lord_howe() -> None:
    nights = series("FREQ=DAILY", "2026-10-03T02:15:00", LORD_HOWE)
    assert firings(nights, 3) == ["2026-10-02T15:45Z", "2026-10-03T15:45Z", "2026-10-04T15:15Z"]
    ended = series("FREQ=DAILY", "2026-10-03T02:15:00", LORD_HOWE, on_gap="gap_end")
    assert firings(ended, 2) == ["2026-10-02T15:45Z", "2026-10-03T15:30Z"]


def test_quarters_of_an_hour_keep_their_step_over_lord_howes_half_hour() -> None:
    found = firings(series("FREQ=MINUTELY;INTERVAL=15", "2026-10-04T01:45:00", LORD_HOWE), 4)
    assert found == ["2026-10-03T15:15Z", "2026-10-03T15:30Z", "2026-10-03T15:45Z", "2026-10-03T16:00Z"]


def test_the_day_that_samoa_left_out_is_sent_once_with_the_day_after() -> None:
    mornings = series("FREQ=DAILY", "2011-12-28T09:00:00", APIA)
    assert firings(mornings, 4) == ["2011-12-28T19:00Z", "2011-12-29T19:00Z", "2011-12-30T19:00Z", "2011-12-31T19:00Z"]
    at_midnight = series("FREQ=DAILY", "2011-12-28T09:00:00", APIA, on_gap="gap_end")
    assert firings(at_midnight, 3)[-1] == "2011-12-30T10:00Z"


def test_times_that_a_gap_throws_behind_later_ones_come_in_the_order_of_instants() -> None:
    nights = series("FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,45", "2026-03-08T02:00:00")
    assert firings(nights, 3, after="2026-03-08T06:59") == [
        "2026-03-08T07:00Z",
        "2026-03-08T07:45Z",
        "2026-03-09T06:00Z",
    ]


@pytest.mark.parametrize(
    ("rule", "total"),
    [
        ("FREQ=DAILY;COUNT=3", 3),
        ("FREQ=DAILY;UNTIL=20260309", 3),
        ("FREQ=DAILY;UNTIL=20260308T063000Z", 1),
        ("FREQ=DAILY;UNTIL=20260309T023000", 3),
        ("FREQ=HOURLY;COUNT=5", 5),
        ("FREQ=HOURLY;UNTIL=20260307T100000", 8),
        ("FREQ=HOURLY;UNTIL=20260307T100000Z", 3),
        ("FREQ=WEEKLY;BYDAY=SA,SU;COUNT=4", 4),
    ],
)
def test_a_series_ends_where_its_rule_says(rule: str, total: int) -> None:
    assert len(firings(series(rule, "2026-03-07T02:30:00"), 100)) == total


def test_a_skipped_time_does_not_use_up_the_count() -> None:
    nights = series("FREQ=DAILY;COUNT=3", "2026-03-07T02:30:00", on_gap="skip")
    assert firings(nights, 9) == ["2026-03-07T07:30Z", "2026-03-09T06:30Z", "2026-03-10T06:30Z"]


def test_both_halves_of_an_overlap_are_one_of_the_count() -> None:
    nights = series("FREQ=DAILY;COUNT=2", "2026-11-01T01:30:00", on_overlap="both")
    assert firings(nights, 9) == ["2026-11-01T05:30Z", "2026-11-01T06:30Z", "2026-11-02T06:30Z"]


@pytest.mark.parametrize(
    ("zone", "start", "year_after", "field"),
    [
        ("Mars/Olympus", "2026-01-01T09:00:00", 2026, "timeZone"),
        ("../../etc/passwd", "2026-01-01T09:00:00", 2026, "timeZone"),
        ("America", "2026-01-01T09:00:00", 2026, "timeZone"),
        ("", "2026-01-01T09:00:00", 2026, "timeZone"),
        ("UTC", "1969-01-01T09:00:00", 2026, "ruleStart"),
        ("UTC", "2200-01-01T09:00:00", 2026, "ruleStart"),
        ("UTC", "2026-01-01T09:00:00", 2200, "ruleStart"),
    ],
)
def test_a_fault_names_its_attribute(zone: str, start: str, year_after: int, field: str) -> None:
    with pytest.raises(BadRule, match=f"^{field}: "):
        following(series("FREQ=DAILY", start, zone), datetime(year_after, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=5",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    ],
)
def test_a_day_that_never_comes_ends_the_series_in_bounded_time(rule: str) -> None:
    started = time.process_time()
    assert following(series(rule, "2026-03-07T09:00:00", "UTC"), utc("2026-03-07T09:00")).next is None
    assert time.process_time() - started < allowed(10), "seconds; the whole calendar would take minutes"


@pytest.mark.parametrize(
    "rule", ["FREQ=SECONDLY;INTERVAL=30", "FREQ=MINUTELY", "FREQ=HOURLY", "FREQ=DAILY", "FREQ=WEEKLY"]
)
def test_an_old_series_is_continued_without_walking_its_whole_past(rule: str) -> None:
    old = series(rule, "1970-01-04T00:00:00", "UTC")
    started = time.process_time()
    found = following(old, utc("2026-11-21T12:00")).next
    assert found is not None
    assert found.instant > utc("2026-11-21T12:00")
    assert time.process_time() - started < allowed(2), "seconds"


def test_every_other_week_keeps_its_weeks_over_the_years() -> None:
    old = series("FREQ=WEEKLY;INTERVAL=2;BYDAY=WE", "2020-01-01T09:00:00", "UTC")
    walked = firings(old, 400)
    assert firings(old, 1, after="2035-01-01T00:00")[0] in firings(old, 500)
    assert walked[0] == "2020-01-01T09:00Z"


def test_instants_of_one_wall_time() -> None:
    zone = read_zone(NEW_YORK)
    plain = instants(wall("2026-07-01T12:00"), zone, on_gap="skip", on_overlap="second")
    assert plain == (datetime(2026, 7, 1, 16, tzinfo=UTC),)
    assert read_zone(NEW_YORK) == zone
