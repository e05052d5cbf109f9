"""What clocks show in a time zone: by the zone data that is locked with the fleet, never by the system's."""

from __future__ import annotations

import struct
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from itertools import pairwise
from zoneinfo import ZoneInfo

from tzdata import IANA_VERSION  # type: ignore[import-untyped]  # it has one text, and no stubs

from workers.reminder_dispatch.schedule.rule_text import BadRule

VERSION: str = IANA_VERSION
"""The IANA release of the data, such as 2026f."""

_HEADER = struct.Struct(">4s1s15x6l")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_AGO = -60_000_000_000
"""Seconds: the first century. Some data lists a change before all time."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def read_zone(name: str) -> ZoneInfo:
    """The zone of that name in the locked data, the same object each time.

    Two hosts of one fleet must agree, and so must tests and production: `zoneinfo` alone would prefer the system's data,
    which is as old as its last update. Raises BadRule.
    """
    if name not in _names():
        raise BadRule("timeZone: no zone of that name")
    return _zone(name)


def next_change(at: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after `at` with another offset; about a year later where there is none until then."""
    moments = _changes(zone.key, at.year)
    place = bisect_right(moments, at)
    if place < len(moments):
        return moments[place]
    following = _changes(zone.key, at.year + 1)
    return following[0] if following else datetime(at.year + 2, 1, 1, tzinfo=UTC)


def offset_at(instant: datetime, zone: ZoneInfo) -> timedelta:
    """What a clock there is ahead of UTC."""
    return instant.astimezone(zone).utcoffset() or timedelta()


@cache
def _names() -> frozenset[str]:
    return frozenset((files("tzdata") / "zones").read_text("utf-8").split())


@cache  # bounded by the names
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo.from_file(BytesIO(_content(name)), key=name)


def _content(name: str) -> bytes:
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


@lru_cache(maxsize=20_000)
def _changes(name: str, year: int) -> tuple[datetime, ...]:
    """When the offset changes in a year (UTC): as the data lists it, and beyond its last entry as its rule of two a year says."""
    zone = _zone(name)
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    listed, ruled_from = _listed(name)
    found = [at for at in listed if begin <= at < end]
    if end > ruled_from:
        probes = [max(ruled_from, begin) + number * timedelta(days=15) for number in range(26)]
        probes = [*(probe for probe in probes if probe < end), end - _SECOND]
        for before, there in pairwise(probes):
            if offset_at(before, zone) != (offset := offset_at(there, zone)):
                found.append(first_with(offset, zone, before, there))
    return tuple(at for at in found if offset_at(at, zone) != offset_at(at - _SECOND, zone))


@cache
def _listed(name: str) -> tuple[tuple[datetime, ...], datetime]:
    """The changes that a zone's data lists (TZif, RFC 9636, section 3), and from when a rule of two a year holds, if ever."""
    content = _content(name)
    _, _, isut, isstd, leaps, times, types, characters = _HEADER.unpack_from(content)
    second = _HEADER.size + 5 * times + 6 * types + characters + 8 * leaps + isstd + isut
    count = _HEADER.unpack_from(content, second)[5]
    seconds = struct.unpack_from(f">{count}q", content, second + _HEADER.size)
    listed = tuple(_EPOCH + timedelta(seconds=each) for each in seconds if each > _LONG_AGO)
    _, _, rule = content.rstrip(b"\n").rpartition(b"\n")
    last = listed[-1] + timedelta(seconds=1) if listed else _EPOCH
    return listed, last if b"," in rule else _NEVER


def first_with(offset: timedelta, zone: ZoneInfo, before: datetime, there: datetime) -> datetime:
    """The instant of the change, to the second, between one with another offset and one with `offset`."""
    low, high = before, there
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (low, middle) if offset_at(middle, zone) == offset else (middle, high)
    return high.replace(microsecond=0)
