"""Files of the archive as one view of a database, and which of them cannot be read as that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.archive.engine import COLUMNS, engine, from_lines, from_parquet
from fleet.archive.manifest import Manifest

if TYPE_CHECKING:
    import duckdb

HASHED_AT_ONCE = 2

_CHANGED = "is not what its manifest says, and what was written was read instead: move both away and compact again"
_NO_ROWS = "cannot be read as rows, and was left out: see `verify`"


class NotSearchable(Exception):
    """The question is none that may be asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows under the names of their columns. `faults`: what was not read, or not as it stands, each with why."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    faults: tuple[str, ...] = ()


Ask = Callable[["duckdb.DuckDBPyConnection"], Answer]


def searched(
    root: Path, written: Sequence[str], compacted: Sequence[Manifest], where: str, ask: Ask
) -> Answer | dict[str, str]:
    """The answer; or the keys that stand in its way, each with why. Raises NotSearchable and NoEngine.

    Parquet files are hashed while DuckDB opens and reads them, for a month of large ones takes as long as the search.
    """
    lines, files = [root / key for key in written], [root / each.parquet for each in compacted]
    with engine([*lines, *files]) as connection, ThreadPoolExecutor(HASHED_AT_ONCE) as threads:
        import duckdb

        checks = {each.parquet: threads.submit(_is_as_told, root / each.parquet, each) for each in compacted}
        found: Answer | duckdb.Error
        is_asked = False
        try:
            connection.execute(f"CREATE VIEW rows AS SELECT * FROM ({_every(lines, files, root)}) {where}")
            is_asked = True
            found = ask(connection)
        except duckdb.Error as error:
            found = error
        if changed := {key: _CHANGED for key, check in checks.items() if not check.result()}:
            return changed
        if isinstance(found, Answer):
            return found
        if not is_asked or isinstance(found, (duckdb.IOException, duckdb.InvalidInputException)):
            broken = {
                each.parquet: _CHANGED for each in compacted if not _reads(connection, [], [root / each.parquet], root)
            }
            broken |= {key: _NO_ROWS for key in written if not _reads(connection, [root / key], [], root)}
            if broken:
                return broken
        raise NotSearchable(f"DuckDB says: {found}") from found


def _every(lines: Sequence[Path], files: Sequence[Path], root: Path) -> str:
    """SQL: the rows of all of them; of none, no rows, with the columns that there would be."""
    columns = ", ".join(COLUMNS)
    parts = [*([from_parquet(files)] if files else []), *([f"({from_lines(lines, root)})"] if lines else [])]
    nothing = f"SELECT {', '.join(f'NULL::{kind} AS {name}' for name, kind in COLUMNS.items())} WHERE false"
    return f"SELECT {columns} FROM ({' UNION ALL BY NAME '.join(parts) or nothing})"


def _reads(connection: duckdb.DuckDBPyConnection, lines: Sequence[Path], files: Sequence[Path], root: Path) -> bool:
    """Whether all of it can be read, to the last column."""
    import duckdb

    try:
        connection.execute(f"SELECT bit_xor(hash(each)) FROM ({_every(lines, files, root)}) AS each")
    except duckdb.Error:
        return False
    return True


def _is_as_told(path: Path, manifest: Manifest) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == manifest.sha256
    except OSError:
        return False
