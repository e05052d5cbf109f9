"""Which records the archive says it lacks, and which of them came after all."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError

from shared import Delivery, Reject
from workers.audit_archive.chain.report import Finding, Unseen
from workers.audit_archive.event import SEQUENCE, RowChanged, is_datable
from workers.audit_archive.gap import GAPS, Refused, decode_or_gap, gap_of
from workers.audit_archive.rules import partition
from workers.audit_archive.source import InColdStorage, Source

_SAME = ("account", "region", "table", "event_id", "sequence_number")

Record = tuple[Any, ...]
"""Account, region, table, event id and sequence number."""

HOURS_BACK = 25
"""A stream keeps a record for 24 hours: so long before a pointer to it was written, it may have changed."""


@dataclass(frozen=True, slots=True)
class Lying:
    """A record in a dead-letter queue, by what its row would say of it."""

    queue: str
    record: Record
    happened: datetime


@dataclass(frozen=True, slots=True)
class Lacking:
    """What the archive lacks, as notes and as counts."""

    notes: list[Finding]
    counted: Unseen


async def open_gaps(source: Source, whole: Sequence[str], lying: Sequence[Lying] | None = None) -> Lacking:
    """The gaps that nothing fills, and records that only dead-letter queues have. `whole` are the objects whose content is what a digest says."""
    every = [row for key in whole if key.startswith(f"table={GAPS}/") for row in await _rows(source, key)]
    found = [row for row in every if _is_of_a_worker(row)]
    gaps = [row for row in found if row["activity"] == "gap"]
    rows = _Rows(source, whole, _spans(row for row in found if row["activity"] == "read back"))
    lacking = [row for row in gaps if not await rows.fill(row)]
    there = {_unsequenced(each.record): each for each in lying or ()}
    odd = [row["_key"] for row in every if not _is_of_a_worker(row)]
    notes = [Finding("gap", key, "a row that no worker writes: who signed its digest?") for key in odd]
    notes += [Finding("gap", row["_key"], _words(row, there if lying is not None else None)) for row in lacking]
    are_lying = sum(_unsequenced(_record(row)) in there for row in lacking)
    named = {_unsequenced(_record(row)) for row in gaps}
    only_there = [
        each for name, each in there.items() if name not in named and not await rows.have(each.record, each.happened)
    ]
    notes += [Finding("dead letter", each.queue, f"{_place(each.record)} is not archived") for each in only_there]
    counted = Unseen(
        open_gaps=len(lacking) + len(odd),
        filled_gaps=len(gaps) - len(lacking),
        lying_gaps=None if lying is None else are_lying,
        dead_letters=len(only_there),
    )
    return Lacking(notes, counted)


def lying(body: str, queue: str) -> Lying | None:
    """A letter's body as a record that may be missing; None where it is none, or names none."""
    try:
        event = decode_or_gap(Delivery(queue, "", "", body))
    except (Reject, ValidationError):
        return None
    match event:
        case Refused(gap):
            pass
        case RowChanged(record):
            gap = gap_of(record, "")
        case _:
            return None
    if not gap.table or not gap.event_id:
        return None
    return Lying(queue, (gap.account, gap.region, gap.table, gap.event_id, gap.sequence_number), gap.at)


@dataclass(slots=True)
class _Rows:
    """The rows of some hours, each read once, and the ranges that were read back."""

    source: Source
    whole: Sequence[str]
    spans: Mapping[tuple[str, str], list[tuple[int, int]]]
    kept: dict[str, set[Record]] = field(default_factory=dict)

    async def fill(self, gap: Mapping[str, Any]) -> bool:
        """Is what was missing there after all?"""
        if span := gap.get("range"):
            return self._was_read(span) or (
                span["first"] == span["last"] and await self._has_number(gap, span["first"])
            )
        if not (gap["event_id"] and gap["sequence_number"] and gap["table"]):
            return False  # what was read names no row
        return await self.have(_record(gap), datetime.fromisoformat(gap["event_time"]))

    async def have(self, record: Record, happened: datetime) -> bool:
        return record in await self._hour(record[2], happened)

    def _was_read(self, span: Mapping[str, Any]) -> bool:
        """Was every number of it in ranges that were read to their ends?"""
        first, last = int(span["first"]), int(span["last"])
        for start, end in sorted(self.spans.get((span["stream"], span["shard"]), ())):
            if start <= first <= end:
                first = end + 1
        return first > last

    async def _has_number(self, gap: Mapping[str, Any], number: str) -> bool:
        """A pointer to one record, given up within a day of the change: that record's row, whatever its shard."""
        given_up = datetime.fromisoformat(gap["event_time"])
        place = (gap["account"], gap["region"], gap["table"], number)
        for hours in range(HOURS_BACK + 1):
            rows = await self._hour(gap["table"], given_up - timedelta(hours=hours))
            if any((*row[:3], row[4]) == place for row in rows):
                return True
        return False

    async def _hour(self, table: str, happened: datetime) -> set[Record]:
        folder = f"{partition(table, happened)}/"
        if folder not in self.kept:
            keys = [each for each in self.whole if each.startswith(folder)]
            rows = [row for key in keys for row in await _rows(self.source, key)]
            named = [row for row in rows if all(isinstance(row.get(name, ""), str) for name in _SAME)]
            self.kept[folder] = {_record(row) for row in named if row.get("activity") not in {"gap", "read back"}}
        return self.kept[folder]


def _spans(rows: Iterable[Mapping[str, Any]]) -> Mapping[tuple[str, str], list[tuple[int, int]]]:
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row in rows:
        span = row["range"]
        found.setdefault((span["stream"], span["shard"]), []).append((int(span["first"]), int(span["last"])))
    return found


def _record(row: Mapping[str, Any]) -> Record:
    return tuple(row.get(name) for name in _SAME)


def _unsequenced(record: Record) -> Record:
    """Without the sequence number, which a gap of a second payload has not."""
    return record[:4]


async def _rows(source: Source, key: str) -> list[dict[str, Any]]:
    try:
        body = await source.get(key)
    except InColdStorage:
        body = None
    return [{**_opened(line), "_key": key} for line in gzip.decompress(body).splitlines()] if body else []


def _opened(line: bytes) -> dict[str, Any]:
    """Empty where the line is no row: who can forge digests, and is found to, must not end a verification before it says so."""
    try:
        found = orjson.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_of_a_worker(row: Mapping[str, Any]) -> bool:
    """True where it says what a gap, or a range that was read back, says."""
    span = row.get("range")
    texts = [row.get(name) for name in (*_SAME, "reason", "event_time", "activity")]
    if span is not None:
        numbers = [str(span.get(name)) for name in ("first", "last")] if isinstance(span, dict) else [""]
        if not all(SEQUENCE.fullmatch(each) for each in numbers):
            return False
        texts += [span.get("stream"), span.get("shard")]
    if not all(isinstance(each, str) for each in texts) or (span is None and row["activity"] == "read back"):
        return False
    try:
        at = datetime.fromisoformat(row["event_time"])
    except ValueError:
        return False
    return at.tzinfo is not None and is_datable(at) and row["activity"] in {"gap", "read back"}


def _place(record: Record) -> str:
    return f"{'/'.join(record[:3])} {record[3]}"


def _words(gap: Mapping[str, Any], there: Mapping[Record, Lying] | None) -> str:
    where = f"{gap['account']}/{gap['region']}/{gap['table']}" if gap["table"] else "of an unknown table"
    if span := gap.get("range"):
        what = f"{span['first']} to {span['last']} of {span['shard']}"
    else:
        what = f"{gap['event_id'] or 'without an event id'} of {gap['event_time']}"
    letter = None if there is None else there.get(_unsequenced(_record(gap)))
    found = (
        "" if there is None else f"; lies in {letter.queue}" if letter else "; in no dead-letter queue that was read"
    )
    return f"{where} {what}: {gap['reason']}{found}"
