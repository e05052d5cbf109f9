"""`python -m tests.bench.archive.one compact FOLDER hour|day`, or `find FOLDER actor|id DAYS`: one figure as a JSON line."""

import asyncio
import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import cast

import duckdb  # noqa: F401 - its import is the command's, not the search's

from fleet.archive.compact import compact
from fleet.archive.find import Wanted, find
from fleet.archive.manifest import Manifest
from fleet.archive.names import Per
from fleet.archive.opened import Span
from fleet.archive.places import InFolder
from fleet.archive.terms import forms
from tests.bench.archive.fill import BEGIN, TABLE
from workers.audit_archive.redaction.keys import HashKey

KEYS = tuple(HashKey(f"v{number}", bytes([number]) * 32) for number in range(1, 6))
TERMS = {"actor": "user-17", "id": "session-000017"}


async def compacted(root: Path, per: Per) -> dict[str, float]:
    begun, cpu = time.monotonic(), _cpu()
    made = [each async for each in compact(InFolder(root), table=TABLE, until=BEGIN + timedelta(days=99), per=per)]
    files = [each for each in made if isinstance(each, Manifest)]
    assert len(files) == len(made)
    return {
        "seconds": time.monotonic() - begun, "cpu": _cpu() - cpu, "files": len(files),
        "rows": sum(each.rows for each in files), "bytes": sum(each.size for each in files),
        "written_bytes": _written(root),
    }  # fmt: skip


async def found(root: Path, what: str, days: int) -> dict[str, float]:
    """With five hash keys; `again_ms` is the second search of a process, whose files are in memory."""
    span = Span(table=TABLE, since=BEGIN + timedelta(days=10 if days == 1 else 0))
    span = Span(table=TABLE, since=span.since, until=BEGIN + timedelta(days=11 if days == 1 else days))
    took, rows = [], 0
    for _ in range(2):
        begun, cpu = time.monotonic(), _cpu()
        wanted = Wanted(actor=forms(TERMS[what], KEYS)) if what == "actor" else Wanted(id=forms(TERMS[what], KEYS))
        answer = await find(InFolder(root), span, wanted, limit=100_000, is_whole=False)
        rows = len(answer.rows)
        took.append((1000 * (time.monotonic() - begun), 1000 * (_cpu() - cpu)))
    return {"ms": took[0][0], "cpu_ms": took[0][1], "again_ms": took[1][0], "rows": rows}


def _written(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob("table=*/**/*.gz"))


def _cpu() -> float:
    """Seconds of all threads; DuckDB's are not asyncio's."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    folder, given = Path(sys.argv[2]), sys.argv[3:]
    run = (
        compacted(folder, cast("Per", given[0])) if sys.argv[1] == "compact" else found(folder, given[0], int(given[1]))
    )
    sys.stdout.write(json.dumps(asyncio.run(run)) + "\n")
