"""Which records the archive says it lacks, and which of them came after all."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from workers.audit_archive.chain.report import Finding
from workers.audit_archive.gap import GAPS
from workers.audit_archive.rules import partition
from workers.audit_archive.source import InColdStorage, Source

_SAME = ("account", "region", "table", "event_id", "sequence_number")

Record = tuple[Any, ...]


async def open_gaps(source: Source, whole: Sequence[str]) -> tuple[list[Finding], int]:
    """The gaps that nothing fills, and how many are filled. `whole` are the objects whose content is what a digest says."""
    found: list[Finding] = []
    filled = 0
    kept: dict[str, set[Record]] = {}
    for key in whole:
        if not key.startswith(f"table={GAPS}/"):
            continue
        for gap in await _rows(source, key):
            if gap.get("activity") != "gap":
                continue  # of a table of that name
            folder = _folder(gap)
            if folder and folder not in kept:
                kept[folder] = await _records(source, [each for each in whole if each.startswith(folder)])
            if folder and _record(gap) in kept[folder]:
                filled += 1
            else:
                found.append(Finding("gap", key, _words(gap)))
    return found, filled


def _folder(gap: Mapping[str, Any]) -> str:
    """Where the record's row would be; "" where what was read names no row."""
    if not (gap["event_id"] and gap["sequence_number"] and gap["table"]):
        return ""
    return f"{partition(gap['table'], datetime.fromisoformat(gap['event_time']))}/"


async def _records(source: Source, keys: Sequence[str]) -> set[Record]:
    return {_record(row) for key in keys for row in await _rows(source, key) if row.get("activity") != "gap"}


def _record(row: Mapping[str, Any]) -> Record:
    return tuple(row.get(name) for name in _SAME)


async def _rows(source: Source, key: str) -> Iterator[dict[str, Any]]:
    try:
        body = await source.get(key)
    except InColdStorage:
        body = None
    return (orjson.loads(line) for line in gzip.decompress(body).splitlines()) if body else iter(())


def _words(gap: Mapping[str, Any]) -> str:
    where = f"{gap['account']}/{gap['region']}/{gap['table']}" if gap["table"] else "of an unknown table"
    if span := gap.get("range"):
        return f"{where} {span['first']} to {span['last']} of {span['shard']}: {gap['reason']}"
    return f"{where} {gap['event_id'] or 'without an event id'} of {gap['event_time']}: {gap['reason']}"
