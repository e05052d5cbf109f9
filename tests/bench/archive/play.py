"""The archive's search and compaction, each figure in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.archive.fill import fill
from tests.bench.referee import ROOT

DAYS = 30


def take(*, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """30 days of one table, compacted by day, then searched: one actor, one id, a day and all days. `python -m tests.bench.archive`
    compacts by hour too.
    """
    with TemporaryDirectory() as folder:
        return played(
            Path(folder), rows=100_000 if quick else 1_000_000, times=2 if quick else 3, say=say, pers=("day",)
        )


def played(
    folder: Path, *, rows: int, times: int, say: Callable[[str], None], pers: Sequence[str] = ("hour", "day")
) -> dict[str, Any]:
    """An archive that a former run left in the folder, with what its compaction took, is searched as it is."""
    found: dict[str, Any] = {"rows": rows, "searches": []}
    for per in pers:
        root, told = folder / per, folder / f"{per}.json"
        if not told.exists():
            fill(root, rows=rows, days=DAYS)
            told.write_text(json.dumps(run("compact", str(root), per)))
        found[per] = json.loads(told.read_text())
        assert found[per]["rows"] == rows
        say(f"archive: compacted per {per}: {found[per]}")
        for days in (1, DAYS):
            for what in ("actor", "id"):
                taken = [run("find", str(root), what, str(days)) for _ in range(times)]
                one = {"per": per, "days": days, "what": what, "rows": taken[0]["rows"]}
                one |= {name: median(each[name] for each in taken) for name in ("ms", "cpu_ms", "again_ms")}
                found["searches"].append(one)
                say(f"archive: {one}")
    return found


def run(*arguments: str) -> dict[str, float]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.bench.archive.one", *arguments]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=900, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found
