"""Rows of the archive by what they say, from NDJSON and Parquet alike, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleet.archive.engine import literal, literals
from fleet.archive.opened import Span, answer
from fleet.archive.places import Place
from fleet.archive.searched import Answer, NotSearchable

if TYPE_CHECKING:
    import duckdb

SHOWN = ("event_time", "table_name", "activity", "actor", "outcome", "event_id", "correlation_id", "keys", "changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Each is a choice of forms of one term (see terms.py); empty, it is not asked for."""

    actor: Sequence[str] = ()
    id: Sequence[str] = ()
    correlation: Sequence[str] = ()
    changes: Sequence[str] = ()
    subject: Sequence[str] = ()


async def find(place: Place, span: Span, wanted: Wanted, *, limit: int, is_whole: bool = True) -> Answer:
    """The oldest `limit` rows in the order of their time, with the line and its object where they are wanted whole, which takes half of the time. Raises NotSearchable and NoEngine."""
    tests = [
        *([f"actor IN {_set(wanted.actor)}"] if wanted.actor else []),
        *([f"correlation_id IN {_set(wanted.correlation)}"] if wanted.correlation else []),
        *([f"list_has_any(ids, {literals(wanted.id)})"] if wanted.id else []),
        *([f"list_has_any(ids, {literals(wanted.subject)})"] if wanted.subject else []),
        *(f"list_contains(changed, {literal(name)})" for name in wanted.changes),
    ]
    where = f"WHERE {' AND '.join(tests)}" if tests else ""
    columns = (*SHOWN, "object", "line") if is_whole else SHOWN
    sql = f"SELECT {', '.join(columns)} FROM rows {where} ORDER BY event_time, event_id LIMIT {limit}"
    return await answer(place, span, lambda connection: Answer(columns, connection.execute(sql).fetchall()))


async def query(place: Place, span: Span, sql: str) -> Answer:
    """The answer to one SELECT over the view `rows`. Raises NotSearchable and NoEngine."""
    return await answer(place, span, lambda connection: _selected(connection, sql))


def _selected(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise NotSearchable("give one SELECT")
    done = connection.execute(statements[0])
    return Answer(tuple(column[0] for column in done.description or ()), done.fetchall())


def _set(texts: Sequence[str]) -> str:
    return f"({', '.join(map(literal, texts))})"
