"""The figures of the archive are taken by real processes over a real archive."""

from pathlib import Path

import pytest

from tests.bench.archive import tables
from tests.bench.archive.fill import fill
from tests.bench.archive.play import run


def test_what_was_found_in_the_archive_stands_beside_what_is_aimed_at() -> None:
    search = {"per": "day", "days": 30, "what": "actor", "rows": 200, "ms": 150.4, "cpu_ms": 210.0, "again_ms": 90.0}
    compaction = {"seconds": 4.0, "cpu": 6.0, "files": 30, "bytes": 50e6, "written_bytes": 90e6}
    found = [*tables.lines({"rows": 1_000_000, "day": compaction, "searches": [search]})]
    assert found[0][2] == "4.0 s (6.0 s of CPU), 30 files, 50 MB of 90 MB as gzip"
    assert found[1][1:] == ("200 ms", "150 ms (210 ms of CPU), again 90 ms")


@pytest.mark.slow
def test_a_filled_archive_is_compacted_whole_and_its_actor_is_found(tmp_path: Path) -> None:
    fill(tmp_path, rows=20_000, days=2)
    assert run("compact", str(tmp_path), "day")["rows"] == 20_000
    assert run("find", str(tmp_path), "actor", "30")["rows"] > 0
