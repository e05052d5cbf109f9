"""Compaction that is cut at any point, or runs twice at once, ends as one that was left alone."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.archive.compact import Refused, compact
from fleet.archive.find import query
from fleet.archive.manifest import Manifest
from fleet.archive.opened import Span
from fleet.archive.places import InFolder
from tests.fleet.archive.made import TABLE, change, laid, nine, written
from tests.workers.audit_archive.fakes import World


class Killed(Exception):
    """The process is gone."""


@dataclass
class Dying(InFolder):
    """Dies at its last write: before it, or as soon as it is done."""

    root: Path | None
    writes: int
    is_done: bool

    def __post_init__(self) -> None:
        assert self.root is not None
        super().__init__(self.root)

    async def put_new(self, key: str, body: bytes, metadata: Mapping[str, str]) -> bool:
        self.writes -= 1
        if self.writes or self.is_done:
            answer = await super().put_new(key, body, metadata)
            if self.writes:
                return answer
        raise Killed


async def compacted(place: InFolder) -> list[Manifest | Refused]:
    return [each async for each in compact(place, table=TABLE, until=nine(hour=23), per="hour")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    world = World()
    rows = [change(number, nine(hour=9 + number % 2)) for number in range(4)]
    asyncio.run(written(world, rows[:2], rows[2:]))
    return laid(world, tmp_path)


def counted(root: Path) -> tuple[object, ...]:
    found = asyncio.run(query(InFolder(root), Span(), "SELECT count(*), count(DISTINCT event_id) FROM rows"))
    return found.rows[0]


@pytest.mark.slow
@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_cut_at_any_write_the_next_run_finishes_and_no_row_is_lost_or_doubled(
    root: Path, *, write: int, is_done: bool
) -> None:
    with pytest.raises(Killed):
        asyncio.run(compacted(Dying(root, write, is_done)))
    assert counted(root) == (4, 4)
    asyncio.run(compacted(InFolder(root)))
    assert counted(root) == (4, 4)
    assert asyncio.run(compacted(InFolder(root))) == []
    files = sorted(path.name for path in (root / "parquet").rglob("*.parquet"))
    assert files == ["h09-0001.parquet", "h10-0001.parquet"]


def test_two_runs_at_once_make_each_file_once(root: Path) -> None:
    async def both() -> None:
        await asyncio.gather(compacted(InFolder(root)), compacted(InFolder(root)))

    asyncio.run(both())
    assert counted(root) == (4, 4)
    assert len([*(root / "parquet").rglob("*.parquet")]) == 2


@pytest.mark.long
def test_a_process_that_is_killed_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    world = World()
    rows = [change(number, nine(hour=number % 24)) for number in range(240)]
    asyncio.run(written(world, rows[:100], rows[100:]))
    root = laid(world, tmp_path)
    command = [sys.executable, "-m", "fleet.cli", "archive", "compact", "--directory", str(root)]
    command += ["--table", TABLE, "--until", "2026-11-21"]
    kills = 0
    while True:
        there = len([*root.rglob("*-0001.*")])
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
        ) as run:
            while (
                run.poll() is None and len([*root.rglob("*-0001.*")]) < there + 7
            ):  # 7 is odd: between file and manifest
                time.sleep(0.001)
            if run.poll() is not None:
                break
            run.kill()
            kills += 1
        assert counted(root) == (240, 240)
    assert (run.returncode, kills >= 5) == (0, True)
    assert counted(root) == (240, 240)
    assert len([*(root / "parquet").rglob("h*.parquet")]) == len([*(root / "manifests").rglob("h*.json")]) == 24
