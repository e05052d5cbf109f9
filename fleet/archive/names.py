"""Which keys hold which hours: of the rows as they were written, of Parquet files, and of manifests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Per = Literal["hour", "day"]
"""What one Parquet file holds of a table."""

PARQUET = "parquet/"
MANIFESTS = "manifests/"

_DAY = r"table=([A-Za-z0-9_.-]{3,255})/year=([0-9]{4})/month=([0-9]{2})/day=([0-9]{2})/"
_NAME = r"[A-Za-z0-9_.-]+"
"""Of one object: no slash, so that a key of somebody else's, with `..` in it, is no file's name outside of the folder."""

_KEY = re.compile(
    rf"(?:{PARQUET}|{MANIFESTS})?{_DAY}(?:hour=([0-9]{{2}})/{_NAME}|h([0-9]{{2}})-[0-9]{{4}}\.{_NAME}|day-[0-9]{{4}}\.{_NAME})"
)


_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Held:
    """What a key holds: rows of a table, from `start` until before `end` (UTC)."""

    table: str
    start: datetime
    end: datetime


def held(key: str) -> Held | None:
    """None where the key is none of the archive's rows."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    table, year, month, day, written, compacted = found.groups()
    hour = written or compacted
    try:
        start = datetime(int(year), int(month), int(day), int(hour or 0), tzinfo=UTC)
    except ValueError:  # a thirteenth month
        return None
    length = timedelta(hours=1) if hour else timedelta(days=1)
    return Held(table, start, start + length if start < _LAST - length else _LAST)


def unit(key: str, per: Per) -> str:
    """The hour or day that a written object goes to: `table=…/day=21/h09` or `…/day=21/day`."""
    folder, hour = key.split("/hour=")
    return f"{folder}/h{hour[:2]}" if per == "hour" else f"{folder}/day"


def parquet_key(unit: str, number: int) -> str:
    return f"{PARQUET}{unit}-{number:04}.parquet"


def manifest_key(unit: str, number: int) -> str:
    return f"{MANIFESTS}{unit}-{number:04}.json"
