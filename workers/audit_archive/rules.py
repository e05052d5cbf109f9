"""A stream record as an audit row, and the names under which rows are kept."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from shared import Image, StreamRecord

SCHEMA = 2
"""Version of a row's fields: a reader of the archive finds every version that was ever written."""

WRITER = "audit-archive"


class Hide(Protocol):
    """Takes the personal data out of the images of one row of a table; the number counts what only its look gave away.

    `told` are further images, as they came, that may name the subject. Raises where the key of that subject cannot be had.
    """

    def __call__(
        self, images: Sequence[Image | None], table: str, *, told: Sequence[Any] = ()
    ) -> tuple[list[Image | None], int]: ...


OBJECT_KEY = (
    r"table=[A-Za-z0-9_.-]{3,255}/year=[0-9]{4}/month=[0-9]{2}/day=[0-9]{2}/hour=[0-9]{2}/"
    r"(2[0-9]{7}T[0-9]{6})([0-9]{3})Z-[0-9a-f]{16}\.ndjson\.gz"  # of this millennium: hours before and behind are times, too
)

_OBJECT_KEY = re.compile(OBJECT_KEY)
_PENDING = "pending/"
_ACTIVITY = {"INSERT": "create", "MODIFY": "update", "REMOVE": "delete"}


@dataclass(frozen=True, slots=True)
class Row:
    """One audit row. `line` is its canonical JSON without the line feed; rows of an object are sorted by `order`.

    `identity` and `fingerprint` are its record's; `page` is where it is claimed together with others. `partition` is the folder of its table and of the hour in which the row changed. `found` counts personal data that
    only its look gave away.
    """

    identity: str
    page: str
    fingerprint: str
    partition: str
    event_time: datetime
    order: tuple[bytes, int]
    line: bytes
    found: int = 0


def audit_row(record: StreamRecord, *, hide: Hide) -> Row:
    """The row of one record. Images stay typed DynamoDB JSON, so that no number is rounded and no set is reordered."""
    (keys, old, new), found = hide((record.keys, record.old, record.new), record.table)
    expired = record.event_name == "REMOVE" and record.by_time_to_live
    happened = _utc(record.created_at)
    line = canonical(
        {
            "schema": SCHEMA,
            "event_id": record.event_id,
            "account": record.account,
            "region": record.region,
            "table": record.table,
            "activity": _ACTIVITY[record.event_name],
            "actor": "ttl" if expired else "unknown",  # a stream names no caller
            "outcome": "expired" if expired else "success",  # what failed never reaches a stream
            "keys": keys,
            "old": old,
            "new": new,
            "diff": difference(old, new) if old is not None and new is not None else {},
            "sequence_number": record.sequence_number,
            "event_time": happened.isoformat().replace("+00:00", "Z"),
            "archived_by": WRITER,
        }
    )
    return Row(
        identity=identity(record),
        page=page(record),
        fingerprint=fingerprint(record),
        partition=partition(record.table, happened),
        event_time=happened,
        order=(canonical(keys), int(record.sequence_number)),  # as text, "9" would come after "10"
        line=line,
        found=found,
    )


def identity(record: StreamRecord) -> str:
    """`{account}/{region}/{table}#{sequence number}#{event id}`: none but the last can hold a `#` or a `/`. Event ids alone are one
    stream's, and tables of one name are in each account and region.
    """
    return f"{record.account}/{record.region}/{record.table}#{record.sequence_number}#{record.event_id}"


def page(record: StreamRecord) -> str:
    """`{account}/{region}/{table}#{second}`: of the record alone, and of one hour. A stream rounds the time down to the second.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
    """
    return f"{record.account}/{record.region}/{record.table}#{math.floor(_utc(record.created_at).timestamp())}"


def fingerprint(record: StreamRecord) -> str:
    """What must not change under one identity: 32 hex digits of the SHA-256 of kind, keys and images, and not of the row,
    which another hash key would make another one.
    """
    content = canonical([record.event_name, record.keys, record.old, record.new])
    return hashlib.sha256(content).hexdigest()[:32]


def difference(old: Image, new: Image) -> dict[str, dict[str, Any]]:
    """The attributes that changed, each with its old and new typed value; null where it was absent."""
    return {
        name: {"old": old.get(name), "new": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and _unordered(old.get(name)) != _unordered(new.get(name))
    }


def canonical(document: Any) -> bytes:
    """JSON with sorted keys, no blanks, UTF-8, on one line: the same document is always the same bytes."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def partition(table: str, happened: datetime) -> str:
    """The folder of a table's hour: of the event, in UTC, never of its arrival."""
    at = _utc(happened)
    return f"table={table}/year={at.year:04}/month={at.month:02}/day={at.day:02}/hour={at.hour:02}"


def object_key(partition: str, *, at: datetime, token: str) -> str:
    """A name nobody had before: sortable by the time it was given, unique by `token` (16 hex digits)."""
    named = _utc(at)
    stamp = f"{named.year:04}{named:%m%dT%H%M%S}{named.microsecond // 1000:03}Z"
    return f"{partition}/{stamp}-{token}.ndjson.gz"


def named_at(key: str) -> datetime | None:
    """When an object got its name, to the millisecond; None where the key is none of ours."""
    found = _OBJECT_KEY.fullmatch(key)
    if found is None:
        return None
    try:
        return datetime.strptime(f"{found[1]}{found[2]}000+0000", "%Y%m%dT%H%M%S%f%z")
    except ValueError:  # a thirteenth month
        return None


def token_of(key: str) -> str:
    """The token in the name of an object of ours."""
    return key.removesuffix(".ndjson.gz")[-16:]


def marker(key: str) -> str:
    """The small object that says "this name may come to exist, and no digest lists it yet"."""
    return _PENDING + key


def marked(marker: str) -> str | None:
    """The object a marker names; None where it is not a marker of ours."""
    key = marker.removeprefix(_PENDING)
    return key if key != marker and named_at(key) is not None else None


def _unordered(value: Mapping[str, Any] | None) -> Any:
    """A typed value with its sets sorted: a set has no order, so another order is not a change."""
    if value is None:
        return None
    ((kind, content),) = value.items()
    match kind:
        case "SS" | "NS" | "BS":
            return kind, sorted(content)
        case "L":
            return kind, [_unordered(member) for member in content]
        case "M":
            return kind, {name: _unordered(member) for name, member in content.items()}
        case _:
            return kind, content


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
