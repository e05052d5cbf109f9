"""Rows are found once, whatever form they are kept in, and compaction loses, doubles and changes nothing."""

import asyncio
import gzip
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from fleet.archive.compact import Refused, compact
from fleet.archive.engine import NoEngine
from fleet.archive.find import Wanted, find, query
from fleet.archive.manifest import Manifest
from fleet.archive.names import Per
from fleet.archive.opened import Span
from fleet.archive.places import InFolder
from fleet.archive.searched import NotSearchable
from fleet.archive.terms import forms
from tests.fleet.archive.made import KEYS, TABLE, change, laid, nine, written
from tests.workers.audit_archive.fakes import World, contents, hide_with
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.evidence.ages import Ages
from workers.audit_archive.gap import Gap, gap_row
from workers.audit_archive.redaction.redact import Redactor
from workers.audit_archive.source import Directory

LATER = datetime(2026, 12, 1, tzinfo=UTC)


def compacted(root: Path, per: Per = "hour", until: datetime = LATER) -> list[Manifest | Refused]:
    async def all_of_it() -> list[Manifest | Refused]:
        return [each async for each in compact(InFolder(root), table=TABLE, until=until, per=per)]

    return asyncio.run(all_of_it())


def found(root: Path, span: Span | None = None, **terms: str) -> list[str]:
    wanted = Wanted(**{name: forms(term, KEYS, within=name == "id") for name, term in terms.items()})
    answer = asyncio.run(find(InFolder(root), span or Span(), wanted, limit=100))
    return [str(row[answer.columns.index("event_id")]) for row in answer.rows]


def asked(root: Path, sql: str) -> list[tuple[object, ...]]:
    return asyncio.run(query(InFolder(root), Span(), sql)).rows


@pytest.fixture
def world() -> World:
    """Three hours of one day; a guest whose e-mail was hashed with each of five keys."""
    world = World()
    rows = [change(number, nine(number), key=key, email="a@b.example") for number, key in enumerate(KEYS, start=1)]
    others = [change(6, nine(hour=10), actor="user-7"), change(7, nine(hour=11), correlationId='order "7"')]
    asyncio.run(written(world, rows[:2], rows[2:], others))
    return world


@pytest.fixture
def root(world: World, tmp_path: Path) -> Path:
    return laid(world, tmp_path)


@pytest.mark.slow
def test_compacted_or_not_each_row_is_found_once_and_verification_is_content(root: Path) -> None:
    def answers() -> list[list[str]]:
        return [
            found(root),
            found(root, id="a@b.example"),
            found(root, id="session-6"),
            found(root, id="e7"),
            found(root, actor="user-7"),
            found(root, correlation='order "7"'),
            found(root, Span(since=nine(2), until=nine(4))),
            found(root, Span(table="fleet-others-dev")),
            found(root, id="session"),
        ]

    before = answers()
    every = [f"e{number}" for number in range(1, 8)]
    assert before == [every, every[:5], ["e6"], ["e7"], ["e6"], ["e7"], ["e2", "e3"], [], []]
    first = compacted(root, until=nine(hour=11))
    assert [(each.rows, len(each.parts)) for each in first if isinstance(each, Manifest)] == [(5, 2), (1, 1)]
    assert answers() == before  # one hour as it was written, two compacted
    assert len(compacted(root)) == 1
    assert answers() == before
    assert compacted(root) == []
    assert asyncio.run(verify(Directory(root))).findings == ()


def test_a_parquet_row_is_the_written_line_and_names_its_object(root: Path, world: World) -> None:
    [made, *_] = compacted(root, per="day")
    assert isinstance(made, Manifest)
    assert made.rows == 7
    rows = asked(root, "SELECT line, object FROM rows")
    assert {line for line, _ in rows} == {line for key in {str(key) for _, key in rows} for line in _lines(world, key)}
    columns = duckdb.connect().execute(
        "SELECT path_in_schema, compression, bloom_filter_length FROM parquet_metadata(?)", [str(root / made.parquet)]
    )
    kept = {name: (compression, length) for name, compression, length in columns.fetchall()}
    assert {compression for compression, _ in kept.values()} == {"ZSTD"}
    assert all(kept[name][1] for name in ("event_id", "actor", "correlation_id"))


@pytest.mark.slow
def test_a_file_without_its_manifest_is_read_by_nobody_and_finished_by_the_next_run(root: Path) -> None:
    whole = compacted(root)
    for path in (root / "manifests").rglob("*.json"):
        path.unlink()
    assert found(root, actor="user-7") == ["e6"]
    assert asked(root, "SELECT count(*) FROM rows") == [(7,)]
    assert compacted(root) == whole


@pytest.mark.slow
def test_rows_that_come_late_become_a_second_file(root: Path, world: World) -> None:
    compacted(root)
    asyncio.run(written(world, [change(8, nine(30))]))
    laid(world, root)
    assert found(root, id="e8") == ["e8"]
    [late] = compacted(root)
    assert isinstance(late, Manifest)
    assert late.parquet.endswith("/h09-0002.parquet")
    assert asked(root, "SELECT count(*), count(DISTINCT event_id) FROM rows") == [(8, 8)]


def test_an_object_that_is_not_what_its_digest_says_keeps_its_hour_as_it_is_and_no_other(root: Path) -> None:
    [changed] = (root / f"table={TABLE}/year=2026/month=11/day=20/hour=10").iterdir()
    changed.write_bytes(b"")
    assert [type(each).__name__ for each in compacted(root)] == ["Manifest", "Refused", "Manifest"]


@pytest.mark.slow
def test_a_file_with_other_rows_at_the_next_name_is_refused(root: Path) -> None:
    [made, *_] = compacted(root)
    assert isinstance(made, Manifest)
    (root / made.parquet.replace("parquet", "manifests", 1).replace(".parquet", ".json")).unlink()
    (root / made.parquet).unlink()
    duckdb.sql(f"COPY (SELECT '{made.parts[0].key}' AS object, 0 AS number, '{{}}' AS line) TO '{root / made.parquet}'")
    [refused] = compacted(root)
    assert isinstance(refused, Refused)
    assert "holds other rows" in refused.why


@pytest.mark.parametrize(
    "sql",
    [
        "COPY rows TO '/tmp/stolen.parquet'",
        "SELECT 1; SELECT 2",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM 'https://127.0.0.1:1/x.parquet'",
        "SELECT nothing FROM rows",
        "CREATE TABLE x AS SELECT 1",
    ],
)
def test_a_query_reads_the_archive_and_nothing_else(root: Path, sql: str) -> None:
    with pytest.raises(NotSearchable):
        asked(root, sql)


def test_of_an_empty_folder_nothing_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, actor="user-7") == []
    assert asked(tmp_path, "SELECT count(*) FROM rows") == [(0,)]


@pytest.mark.slow
def test_rows_that_runs_per_hour_and_per_day_hold_both_are_shown_once(world: World, tmp_path: Path) -> None:
    one, other = laid(world, tmp_path / "one"), laid(world, tmp_path / "other")
    compacted(one)
    compacted(other, per="day")
    shutil.copytree(one, other, dirs_exist_ok=True)
    assert len([*(other / "parquet").rglob("*.parquet")]) == 4
    assert asked(other, "SELECT count(*) FROM rows") == [(7,)]


def test_of_files_that_share_some_rows_one_is_read_and_the_rest_as_it_was_written(world: World, tmp_path: Path) -> None:
    one, other = laid(world, tmp_path / "one"), laid(world, tmp_path / "other")
    compacted(other, per="day")
    asyncio.run(written(world, [change(8, nine(30))]))
    compacted(laid(world, one))  # the late row with those of its hour
    shutil.copytree(one, other, dirs_exist_ok=True)
    assert sorted(found(other)) == [f"e{number}" for number in range(1, 9)]


def test_a_tables_rows_come_with_its_gaps(tmp_path: Path) -> None:
    world = World()
    mine, other = (
        gap_row(Gap("no images", told, nine(), table=name, event_id=f"gap-{name}"), hide=hide_with(Redactor(KEYS[0])))
        for name, told in ((TABLE, "a" * 32), ("others", "b" * 32))
    )
    asyncio.run(written(world, [change(1, nine()), mine, other]))
    laid(world, tmp_path)
    assert found(tmp_path, Span(table=TABLE)) == ["e1", f"gap-{TABLE}"]


def test_without_duckdb_the_command_says_how_to_get_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(NoEngine, match=r"requirements/archive\.txt"):
        found(root)


def _lines(world: World, key: str) -> list[str]:
    return contents(world.bucket, key).decode().splitlines()


def test_what_expired_is_nothing_to_compact_and_what_was_deleted_is(root: Path) -> None:
    shutil.rmtree(root / f"table={TABLE}/year=2026/month=11/day=20/hour=09")

    def types(days: int) -> list[str]:
        async def all_of_it() -> list[str]:
            ages = Ages(now=LATER + timedelta(days=days))
            return [
                type(each).__name__
                async for each in compact(InFolder(root), table=TABLE, until=LATER, per="hour", ages=ages)
            ]

        return asyncio.run(all_of_it())

    assert types(days=0) == ["Refused", "Manifest", "Manifest"]
    assert types(days=395) == []


def test_an_actor_with_an_address_within_is_found_by_all_of_it(tmp_path: Path) -> None:
    world, actor = World(), "arn:aws:sts::111122223333:assumed-role/Admin/anna@example.com"
    rows = [change(number, nine(number), key=key, actor=actor) for number, key in enumerate(KEYS, start=1)]
    asyncio.run(written(world, rows))
    assert found(laid(world, tmp_path), actor=actor) == [f"e{number}" for number in range(1, 6)]


def test_gaps_of_the_last_hour_of_the_calendar_hinder_no_search(root: Path) -> None:
    folder = root / "table=gaps/year=9999/month=12/day=31/hour=23"
    folder.mkdir(parents=True)
    (folder / f"20261121T120000000Z-{'f' * 16}.ndjson.gz").write_bytes(gzip.compress(b'{"activity":"gap"}\n'))
    assert found(root, Span(since=nine(0)), actor="user-7") == ["e6"]
