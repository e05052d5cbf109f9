"""DuckDB, shut in: it reads the files that it is given, and nothing else, on this machine or beyond it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MISSING = "searching needs DuckDB: pip install --require-hashes -r requirements/archive.txt (or the extra `archive`)"
LONGEST_LINE = 16 << 20
"""Bytes of one row: two images of 400 kB and their differences, escaped."""

COLUMNS = {
    "event_id": "VARCHAR", "event_time": "TIMESTAMP", "account": "VARCHAR", "region": "VARCHAR", "table_name": "VARCHAR",
    "activity": "VARCHAR", "actor": "VARCHAR", "outcome": "VARCHAR", "correlation_id": "VARCHAR", "trace_id": "VARCHAR",
    "keys": "VARCHAR", "changed": "VARCHAR[]", "ids": "VARCHAR[]", "sequence_number": "VARCHAR", "object": "VARCHAR",
    "number": "BIGINT", "line": "VARCHAR",
}  # fmt: skip
"""Of every row: `event_time` is in UTC, `line` the row as it was written, `object` and `number` where it stands there, from 0."""

_ID = r"""hmac:(?:s:)?[A-Za-z0-9_-]{1,32}:[0-9a-f]{64}"""
_VALUE = r"""\{"[SNB]":"((?:[^"\\]|\\.)*)"\}"""
_NAMED = rf""""[A-Za-z0-9_]*(?:Id|ID|_id|id)":{_VALUE}"""


class NoEngine(Exception):
    """DuckDB is not installed."""


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(literal, texts))}]"


@contextmanager
def engine(files: Sequence[Path], *, folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that may read `files`, and read and write below `folder`. Raises NoEngine."""
    try:
        import duckdb
    except ImportError as error:
        raise NoEngine(MISSING) from error
    alone: dict[str, str | bool | int | float | list[str]] = {
        # A thread for each processor, but none that has no file to read.
        "threads": max(1, min(len(files) or 64, os.cpu_count() or 1)),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(config=alone) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET allowed_paths = {literals([*map(str, files)])}")
        if folder is not None:
            connection.execute(f"SET allowed_directories = {literals([str(folder)])}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def from_lines(files: Sequence[Path], root: Path) -> str:
    """SQL: the rows of gzip NDJSON files, each with its line as it stands and the columns by which it is found."""
    return f"""
WITH lines AS (
    SELECT json::VARCHAR AS line, json AS j, substr(filename, {len(str(root)) + 2}) AS object
    FROM read_ndjson_objects({literals([*map(str, files)])}, filename = true, compression = 'gzip',
                             maximum_object_size = {LONGEST_LINE})
), numbered AS (SELECT *, row_number() OVER () AS place FROM lines)
SELECT
    j->>'$.event_id' AS event_id,
    TRY_CAST(j->>'$.event_time' AS TIMESTAMP) AS event_time,
    j->>'$.account' AS account,
    j->>'$.region' AS region,
    j->>'$.table' AS table_name,
    j->>'$.activity' AS activity,
    coalesce(nullif(j->>'$.actor', 'unknown'), {_first("actor", "actorId", "updatedBy")}, 'unknown') AS actor,
    j->>'$.outcome' AS outcome,
    coalesce(j->>'$.correlation_id', {_first("correlationId", "correlation_id")}) AS correlation_id,
    coalesce(j->>'$.trace_id', {_first("traceId", "trace_id")}) AS trace_id,
    (j->'$.keys')::VARCHAR AS keys,
    json_keys(CASE j->>'$.activity' WHEN 'create' THEN j->'$.new' WHEN 'delete' THEN j->'$.old' ELSE j->'$.diff' END) AS changed,
    list_distinct(list_concat(
        [j->>'$.event_id'],
        regexp_extract_all((j->'$.keys')::VARCHAR, {literal(_VALUE)}, 1),
        regexp_extract_all(line, {literal(_NAMED)}, 1),
        regexp_extract_all(line, {literal(_ID)}))) AS ids,
    j->>'$.sequence_number' AS sequence_number,
    object,
    place - min(place) OVER (PARTITION BY object) AS number,
    line
FROM numbered"""


def from_parquet(files: Sequence[Path]) -> str:
    """SQL: the rows of Parquet files that `compact` wrote."""
    return f"SELECT * FROM read_parquet({literals([*map(str, files)])}, hive_partitioning = false)"


def _first(*names: str) -> str:
    """The first of these attributes that the new or the old image has as a string."""
    return ", ".join(f"j->>'$.{image}.{name}.S'" for image in ("new", "old") for name in names)
