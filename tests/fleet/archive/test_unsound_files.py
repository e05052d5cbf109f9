"""What of an archive cannot be read, or is not as a manifest says, is named by a search and takes nothing else with it."""

import asyncio
import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson
import pytest
from click.testing import CliRunner

from fleet.archive.compact import compact
from fleet.archive.find import Wanted, find, query
from fleet.archive.manifest import BadManifest, Manifest
from fleet.archive.opened import Span
from fleet.archive.places import InFolder
from fleet.archive.searched import NotSearchable
from fleet.cli import fleet
from tests.fleet.archive.made import TABLE, change, laid, nine, written
from tests.fleet.archive.test_foreign_keys import Bucket
from tests.workers.audit_archive.fakes import World
from workers.audit_archive.source import InColdStorage

DAY = f"table={TABLE}/year=2026/month=11/day=20"
EVERY = ["e1", "e2", "e3"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of one row each, compacted."""
    world = World()
    asyncio.run(written(world, [change(number, nine(hour=8 + number)) for number in (1, 2, 3)]))
    root = laid(world, tmp_path_factory.mktemp("archive"))
    assert len(asyncio.run(compacted(root))) == 3
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


async def compacted(root: Path) -> list[Manifest]:
    made = compact(InFolder(root), table=TABLE, until=nine(hour=23), per="hour")
    return [each async for each in made if isinstance(each, Manifest)]


def parquet(root: Path, hour: int) -> Path:
    return root / f"parquet/{DAY}/h{hour:02}-0001.parquet"


def manifest(root: Path, hour: int) -> Path:
    return root / f"manifests/{DAY}/h{hour:02}-0001.json"


def as_written(root: Path, hour: int) -> Path:
    [found] = (root / f"{DAY}/hour={hour:02}").iterdir()
    return found


def found(root: Path) -> tuple[list[object], tuple[str, ...]]:
    answer = asyncio.run(find(InFolder(root), Span(), Wanted(), limit=99))
    return [row[answer.columns.index("event_id")] for row in answer.rows], answer.faults


def swapped(root: Path) -> None:
    nine, ten = parquet(root, 9), parquet(root, 10)
    content = nine.read_bytes(), ten.read_bytes()
    ten.write_bytes(content[0])
    nine.write_bytes(content[1])


def replaced(root: Path) -> None:
    """By a Parquet file of one row that says something else."""
    at = parquet(root, 9)
    duckdb.sql(
        f"COPY (SELECT * REPLACE ('nobody' AS actor, 'e9' AS event_id) FROM '{at}') TO '{at}.other' (FORMAT parquet)"
    )
    Path(f"{at}.other").rename(at)


def garbage(root: Path) -> None:
    parquet(root, 9).write_bytes(b"PAR1")


def of_other_columns(root: Path) -> None:
    """With a manifest that names its hash, so that reading it alone tells."""
    at, told = parquet(root, 9), manifest(root, 9)
    duckdb.sql(f"COPY (SELECT 1 AS one) TO '{at}.other' (FORMAT parquet)")
    Path(f"{at}.other").rename(at)
    told.write_bytes(
        orjson.dumps({**orjson.loads(told.read_bytes()), "sha256": hashlib.sha256(at.read_bytes()).hexdigest()})
    )


@pytest.mark.parametrize("changed", [swapped, replaced, garbage, of_other_columns])
def test_a_parquet_file_that_is_not_its_manifests_is_named_and_what_was_written_is_read(
    root: Path, changed: Callable[[Path], None]
) -> None:
    assert found(root) == (EVERY, ())
    changed(root)
    events, faults = found(root)
    assert events == EVERY
    named = [9, 10] if changed is swapped else [9]
    assert [each.split()[0] for each in faults] == [str(parquet(root, hour).relative_to(root)) for hour in named]
    assert all("is not what its manifest says" in each for each in faults)
    for hour in named:
        parquet(root, hour).unlink()
        manifest(root, hour).unlink()
    assert len(asyncio.run(compacted(root))) == len(named)
    assert found(root) == (EVERY, ())


def test_where_that_is_gone_too_the_rows_are_said_to_be(root: Path) -> None:
    lost = as_written(root, 9)
    lost.unlink()
    assert found(root) == (EVERY, ())
    garbage(root)
    events, faults = found(root)
    assert events == ["e2", "e3"]
    assert f"{lost.relative_to(root)} is gone, and with it its rows" in faults


@pytest.mark.parametrize(
    "body", [b"not gzip", b"", gzip.compress(b"{}\n" * 9, mtime=0)[:-9], gzip.compress(b"{}\n{not json\n", mtime=0)]
)
def test_an_object_that_is_no_ndjson_is_left_out_and_named(root: Path, body: bytes) -> None:
    shutil.rmtree(root / "manifests")
    shutil.rmtree(root / "parquet")
    bad = as_written(root, 10)
    bad.write_bytes(body)
    events, faults = found(root)
    assert events == ["e1", "e3"]
    assert [each.split()[0] for each in faults] == [str(bad.relative_to(root))]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"version":2}', b"null"])
def test_a_manifest_that_is_none_hides_no_rows_from_a_search_and_stops_compaction(root: Path, body: bytes) -> None:
    manifest(root, 9).write_bytes(body)
    events, faults = found(root)
    assert events == EVERY
    assert [each.split()[0] for each in faults] == [str(manifest(root, 9).relative_to(root))]
    with pytest.raises(BadManifest, match="h09-0001"):
        asyncio.run(compacted(root))


def test_a_manifest_at_another_hours_name_is_none(root: Path) -> None:
    manifest(root, 9).write_bytes(manifest(root, 10).read_bytes())
    events, faults = found(root)
    assert (events, len(faults)) == (EVERY, 1)


def test_a_question_that_is_wrong_is_not_answered_for_half_of_the_archive(root: Path) -> None:
    as_written(root, 9).write_bytes(b"not gzip")
    for sql in ("SELECT nothing FROM rows", "SELECT CAST('x' AS INT) FROM rows"):
        with pytest.raises(NotSearchable):
            asyncio.run(query(InFolder(root), Span(), sql))


def test_what_is_in_cold_storage_is_left_out_and_named(whole: Path) -> None:
    class Cold(Bucket):
        async def get(self, key: str) -> bytes | None:
            if "hour=09" in key:
                raise InColdStorage(key)
            return await super().get(key)

    bucket = Cold({f"{each.relative_to(whole)}": each.read_bytes() for each in whole.glob("table=*/**/*.gz")})
    answer = asyncio.run(find(bucket, Span(), Wanted(), limit=9))
    assert [row[answer.columns.index("event_id")] for row in answer.rows] == ["e2", "e3"]
    assert "is in cold storage" in answer.faults[0]


def test_the_command_says_so_and_ends_with_1(root: Path) -> None:
    swapped(root)
    for asked in (["find"], ["query", "SELECT count(*) FROM rows"]):
        done = CliRunner().invoke(fleet, ["archive", *asked, "--directory", str(root)])
        assert (done.exit_code, done.stderr.count("is not what its manifest says")) == (1, 2), done.output
