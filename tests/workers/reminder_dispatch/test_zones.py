"""Zones come from the data that is locked with the fleet, and their changes are all found."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from workers.reminder_dispatch.schedule import zones
from workers.reminder_dispatch.schedule.rule_text import BadRule
from workers.reminder_dispatch.schedule.zones import first_with, next_change, offset_at, read_zone

ROOT = Path(__file__).parents[3]
HOUR = timedelta(hours=1)
MOVED_AFTER_MOST_SYSTEMS = {
    "America/Vancouver": -7 * HOUR,
    "America/Winnipeg": -5 * HOUR,
    "America/Edmonton": -6 * HOUR,
    "Africa/Casablanca": 0 * HOUR,
}


def test_the_locked_data_is_what_clocks_go_by() -> None:
    winter = datetime(2026, 12, 1, tzinfo=UTC)
    assert {zone: offset_at(winter, read_zone(zone)) for zone in MOVED_AFTER_MOST_SYSTEMS} == MOVED_AFTER_MOST_SYSTEMS


def test_a_zone_is_one_object_and_keeps_its_name() -> None:
    assert read_zone("Europe/Berlin") is read_zone("Europe/Berlin")
    assert read_zone("Europe/Berlin").key == "Europe/Berlin"


def test_no_other_file_asks_the_system_for_a_zone() -> None:
    asks = re.compile(r"\b(ZoneInfo|from_file|gettz|reset_tzpath)\(")
    paths = (path for folder in ("shared", "workers", "fleet") for path in (ROOT / folder).rglob("*.py"))
    assert {path.name for path in paths if asks.search(path.read_text())} == {"zones.py"}


@pytest.mark.slow
def test_a_system_whose_zone_data_is_wrong_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "America").mkdir()
    utc = files("tzdata").joinpath("zoneinfo", "UTC").read_bytes()
    (tmp_path / "America" / "Vancouver").write_bytes(utc)
    code = (
        "from datetime import datetime, UTC; from workers.reminder_dispatch.schedule.zones import *;"
        "from zoneinfo import ZoneInfo; at = datetime(2026, 12, 1, tzinfo=UTC);"
        "print(at.astimezone(ZoneInfo('America/Vancouver')).hour, at.astimezone(read_zone('America/Vancouver')).hour)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONTZPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["0", "17"]


def test_names_that_are_no_zone_are_refused() -> None:
    for name in ("Mars/Olympus", "../UTC", "America", "", "zones", "europe/berlin", "posixrules"):
        with pytest.raises(BadRule, match=r"^timeZone: "):
            read_zone(name)


def walked(zone_name: str, first: int, last: int) -> list[datetime]:
    """Changes of the offset, by looking at the clock every twelve hours."""
    zone, at, found = read_zone(zone_name), datetime(first, 1, 1, tzinfo=UTC), []
    while at.year < last:
        then, at = at, at + 12 * HOUR
        if offset_at(then, zone) != (offset := offset_at(at, zone)):
            found.append(first_with(offset, zone, then, at))
    return found


def told(zone_name: str, first: int, last: int) -> list[datetime]:
    zone, at, found = read_zone(zone_name), datetime(first, 1, 1, tzinfo=UTC), []
    while (at := next_change(at, zone)).year < last:
        if offset_at(at, zone) != offset_at(at - timedelta(seconds=1), zone):
            found.append(at)
    return found


def test_all_changes_of_odd_zones_are_told() -> None:
    for zone, first, last in (
        ("America/New_York", 2025, 2028),
        ("Africa/Casablanca", 2025, 2028),
        ("Australia/Lord_Howe", 2036, 2040),
        ("Pacific/Apia", 2011, 2012),
        ("UTC", 2026, 2027),
    ):
        assert told(zone, first, last) == walked(zone, first, last), zone


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("first", "last"), [(2025, 2029), pytest.param(2020, 2041, marks=pytest.mark.long)])
def test_all_changes_of_all_zones_are_told(first: int, last: int) -> None:
    for zone in sorted(zones._names()):
        assert told(zone, first, last) == walked(zone, first, last), zone
