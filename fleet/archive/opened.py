"""The part of an archive that a question is about, as one view of a database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fleet.archive.engine import COLUMNS, engine, from_lines, from_parquet, literal
from fleet.archive.manifest import Manifest, is_manifest, manifests
from fleet.archive.names import MANIFESTS, PARQUET, held
from fleet.archive.places import Place
from workers.audit_archive.gap import GAPS
from workers.audit_archive.source import InColdStorage
from workers.audit_archive.store.archive import each

if TYPE_CHECKING:
    import duckdb

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


class NotSearchable(Exception):
    """What is to be searched cannot be read, or the question is none that may be asked."""


@asynccontextmanager
async def opened(place: Place, span: Span) -> AsyncIterator[duckdb.DuckDBPyConnection]:
    """A database with one view, `rows`: every row of the span, once. What is in a bucket is fetched into a folder that
    goes again. Raises NotSearchable, BadManifest and NoEngine.
    """
    written, compacted = await _keys(place, span)
    with TemporaryDirectory() as folder:
        root = place.root or Path(folder)
        if place.root is None:
            await _fetch(place, [*written, *compacted], root)
        lines, files = [root / key for key in written], [root / key for key in compacted]
        parts = [*([from_parquet(files)] if files else []), *([f"({from_lines(lines, root)})"] if lines else [])]
        with engine([*lines, *files]) as connection:
            import duckdb

            try:
                every = " UNION ALL BY NAME ".join(parts) or _nothing()
                connection.execute(f"CREATE VIEW rows AS SELECT * FROM ({every}) {span.where()}")
                yield connection
            except duckdb.Error as error:
                raise NotSearchable(f"DuckDB says: {error}") from error


async def _keys(place: Place, span: Span) -> tuple[list[str], list[str]]:
    """Objects to read as they were written, and Parquet files to read instead of others."""
    prefixes = [each async for each in _prefixes(place, span)]
    listed = await each(
        [kind + one for kind in ("", PARQUET, MANIFESTS) for one in prefixes], place.keys, at_once=READS_AT_ONCE
    )
    keys: set[str] = set()
    for some in listed:
        if isinstance(some, Exception):
            raise some
        keys.update(some)
    known = await manifests(place, sorted(key for key in keys if is_manifest(key) and span.has(key)))
    there, covered = _apart([manifest for manifest in known.values() if manifest.parquet in keys])
    written = [key for key in keys if key.endswith(".ndjson.gz") and key not in covered and span.has(key)]
    return sorted(written), sorted(manifest.parquet for manifest in there)


def _apart(found: Sequence[Manifest]) -> tuple[list[Manifest], set[str]]:
    """Those that share no rows, and the objects they stand for: runs per hour and per day at once may hold the same."""
    kept, covered = list[Manifest](), set[str]()
    for manifest in sorted(found, key=lambda each: len(each.parts), reverse=True):
        parts = {part.key for part in manifest.parts}
        if parts <= covered:
            continue
        if parts & covered:
            raise NotSearchable(
                f"{manifest.parquet} holds rows of another file: remove it with its manifest, and compact again"
            )
        kept.append(manifest)
        covered |= parts
    return kept, covered


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


async def _fetch(place: Place, keys: Sequence[str], root: Path) -> None:
    async def one(key: str) -> None:
        try:
            body = await place.get(key)
        except InColdStorage as error:
            raise NotSearchable(f"{key} is in cold storage: restore it, or ask for a time without it") from error
        if body is None:
            raise NotSearchable(f"{key} went away while it was searched: ask again")
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    for done in await each(list(keys), one, at_once=READS_AT_ONCE):
        if isinstance(done, Exception):
            raise done


def _nothing() -> str:
    """No rows, with the columns that there would be."""
    columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in COLUMNS.items())
    return f"SELECT {columns} WHERE false"


def _moment(at: datetime) -> str:
    return f"TIMESTAMP {literal(at.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f'))}"
