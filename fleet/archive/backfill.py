"""Old logs as the archive's worker reads changes: each line of a CSV file becomes the insert of a row."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from shared.message.delivery import LARGEST_MESSAGE
from workers.audit_archive.event import TABLE, is_datable
from workers.audit_archive.gap import GAPS

MOST_SECONDS = 2e10
"""Before and after 1970. What is larger, before 1337 or from 2603 on, is read as milliseconds: the row would be of another year."""


class NotBackfilled(ValueError):
    """The file, or what is said of it, cannot be right; the message names line and column and quotes no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What the lines are rows of: a table's name that only this log has; the column that names a row, and the one that says when
    (ISO 8601 with an offset or Z); the account and region that the rows are to be of; the bytes that a message may have.
    """

    table: str
    key: str
    time: str
    account: str
    region: str
    largest: int | None = LARGEST_MESSAGE


@dataclass(frozen=True, slots=True)
class Change:
    """One line: the body of its message, and when it happened."""

    body: str
    at: datetime


def changes(lines: Iterable[str], log: Log) -> Iterator[Change]:
    """One for each line of a CSV text (RFC 4180) with a header. The same line always becomes the same event, wherever it stands, and
    the second of two equal lines another one: a file that is sent twice is archived once. Raises NotBackfilled at a line that cannot be read.
    """
    if not TABLE.fullmatch(log.table):
        raise NotBackfilled("--table: 3 to 255 letters, digits, dots, dashes and underscores")
    if log.table == GAPS:
        raise NotBackfilled(f"--table: {GAPS} are what the archive lacks: choose another name")
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise NotBackfilled(f"line 1: no CSV: {error}") from None
    for option, column in (("--key", log.key), ("--time", log.time)):
        if header.count(column) != 1:
            raise NotBackfilled(
                f"{option}: the header has {header.count(column)} columns of this name; it names {', '.join(header)}"
            )
    if len(set(header)) != len(header) or not all(header):
        raise NotBackfilled("line 1: each column needs a name of its own")
    seen: Counter[bytes] = Counter()
    try:
        for cells in reader:
            if cells:
                yield _change(_row(header, cells, reader.line_num), log, reader.line_num, seen)
    except csv.Error as error:
        raise NotBackfilled(f"line {reader.line_num}: no CSV: {error}") from None


def _row(header: list[str], cells: list[str], line: int) -> dict[str, str]:
    if len(cells) != len(header):
        raise NotBackfilled(f"line {line}: {len(cells)} cells, where the header names {len(header)} columns")
    return {name: cell for name, cell in zip(header, cells, strict=True) if cell}


def _change(row: Mapping[str, str], log: Log, line: int, seen: Counter[bytes]) -> Change:
    if log.key not in row:
        raise NotBackfilled(f"line {line}: no {log.key}")
    try:
        at = datetime.fromisoformat(row.get(log.time, ""))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise NotBackfilled(f"line {line}: {log.time} is no ISO 8601 time with an offset, such as 2024-05-01T09:00:00Z")
    if not is_datable(at) or abs(at.timestamp()) > MOST_SECONDS:
        raise NotBackfilled(f"line {line}: {log.time} is in a year that the archive takes for nobody's time")
    content = hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).digest()
    seen[content] += 1
    image = {name: {"S": cell} for name, cell in row.items()}
    record = {
        "eventID": f"backfill-{content.hex()[:32]}",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "awsRegion": log.region,
        "dynamodb": {
            "ApproximateCreationDateTime": at.timestamp(),
            "Keys": {log.key: image[log.key]},
            "NewImage": image,
            "SequenceNumber": str(seen[content]),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": f"arn:aws:dynamodb:{log.region}:{log.account}:table/{log.table}/stream/backfill",
    }
    body = orjson.dumps(record)
    if log.largest is not None and len(body) > log.largest:
        raise NotBackfilled(f"line {line}: {len(body)} bytes as a message, and a queue takes {log.largest}")
    return Change(body.decode(), at)
