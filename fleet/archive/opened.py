"""The part of an archive that a question is about: which objects and Parquet files hold it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.archive.engine import literal
from fleet.archive.manifest import Manifest, is_manifest, manifests
from fleet.archive.names import MANIFESTS, PARQUET, held
from fleet.archive.places import Place
from fleet.archive.searched import Answer, Ask, searched
from workers.audit_archive.gap import GAPS
from workers.audit_archive.source import InColdStorage
from workers.audit_archive.store.archive import each

READS_AT_ONCE = 32
DAYS_BY_NAME = 62
"""A longer time is listed by table, and not day by day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Of which table (None: all) and time (UTC); `until` is the first moment that does not count."""

    table: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def has(self, key: str) -> bool:
        """Can this key hold rows of the span? Gaps are of any table."""
        hours = held(key)
        return (
            hours is not None
            and (self.table is None or hours.table in {self.table, GAPS})
            and (self.since is None or hours.end > self.since)
            and (self.until is None or hours.start < self.until)
        )

    def where(self) -> str:
        tests = [
            *([f"event_time >= {_moment(self.since)}"] if self.since else []),
            *([f"event_time < {_moment(self.until)}"] if self.until else []),
            *(
                [f"(table_name = {literal(self.table)} OR starts_with(object, {literal(f'table={self.table}/')}))"]
                if self.table
                else []
            ),
        ]
        return f"WHERE {' AND '.join(tests)}" if tests else ""


async def answer(place: Place, span: Span, ask: Ask) -> Answer:
    """What `ask` finds in a database with one view, `rows`: every row of the span, once. What is in a bucket is fetched into a
    folder that goes again. What cannot be read stops nothing else: it is named, and the rest is asked again without it.
    Raises NotSearchable and NoEngine.
    """
    keys, known, faults = await _listed(place, span)
    with TemporaryDirectory() as folder:
        root = place.root or Path(folder)
        while True:
            files = _apart([each for each in known if each.parquet in keys and each.parquet not in faults])
            covered = {part.key for each in files for part in each.parts}
            left = sorted(keys - covered - faults.keys())
            written = [key for key in left if key.endswith(".ndjson.gz") and span.has(key)]
            lacking = {} if place.root else await _fetch(place, [*written, *(each.parquet for each in files)], root)
            found = lacking or searched(root, written, files, span.where(), ask)
            if isinstance(found, Answer):
                return replace(found, faults=tuple(f"{key} {why}" for key, why in sorted(faults.items())))
            instead = (part.key for each in known if each.parquet in found for part in each.parts)
            gone = (key for key in instead if key not in keys and span.has(key))
            faults |= found | dict.fromkeys(gone, "is gone, and with it its rows")


async def _listed(place: Place, span: Span) -> tuple[set[str], list[Manifest], dict[str, str]]:
    """All keys of the span's folders, the manifests there, and those that are none, with why."""
    prefixes = [each async for each in _prefixes(place, span)]
    listed = await each(
        [kind + one for kind in ("", PARQUET, MANIFESTS) for one in prefixes], place.keys, at_once=READS_AT_ONCE
    )
    keys: set[str] = set()
    for some in listed:
        if isinstance(some, Exception):
            raise some
        keys.update(some)
    found, bad = await manifests(place, sorted(key for key in keys if is_manifest(key) and span.has(key)))
    return keys, [*found.values()], bad


def _apart(found: Sequence[Manifest]) -> list[Manifest]:
    """Those that share no rows: runs per hour and per day at once may hold the same. What one holds besides is read as it was written."""
    kept, covered = list[Manifest](), set[str]()
    for manifest in sorted(found, key=lambda each: (-len(each.parts), each.parquet)):
        parts = {part.key for part in manifest.parts}
        if parts and not parts & covered:
            kept.append(manifest)
            covered |= parts
    return sorted(kept, key=lambda each: each.parquet)


async def _prefixes(place: Place, span: Span) -> AsyncIterator[str]:
    """The fewest folders that hold the span: of each table, and of a shorter time of each day."""
    tables = {name.removeprefix(PARQUET) for kind in ("", PARQUET) for name in await place.folders(f"{kind}table=")}
    for table in sorted(tables):
        if span.table is None or table in {f"table={span.table}/", f"table={GAPS}/"}:
            for day in _days(span):
                yield f"{table}{day}"


def _days(span: Span) -> Iterator[str]:
    until = span.until or datetime.now(UTC) + timedelta(days=1)
    if span.since is None or until - span.since > timedelta(days=DAYS_BY_NAME):
        yield ""
        return
    day = span.since.replace(hour=0, minute=0, second=0, microsecond=0)
    while day < until:
        yield f"year={day.year:04}/month={day.month:02}/day={day.day:02}/"
        day += timedelta(days=1)


async def _fetch(place: Place, keys: Sequence[str], root: Path) -> dict[str, str]:
    """What is not there yet; those that cannot be had, with why."""
    lacking: dict[str, str] = {}

    async def one(key: str) -> None:
        try:
            body = await place.get(key)
        except InColdStorage:
            lacking[key] = "is in cold storage and was not read: restore it, or ask for a time without it"
            return
        if body is None:
            lacking[key] = "went away while it was searched: ask again"
            return
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    for done in await each([key for key in keys if not (root / key).exists()], one, at_once=READS_AT_ONCE):
        if isinstance(done, Exception):
            raise done
    return lacking


def _moment(at: datetime) -> str:
    return f"TIMESTAMP {literal(at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f'))}"
