"""The archive's search and compaction, each figure in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.archive.fill import fill
from tests.bench.referee import ROOT

DAYS = 30


def take(*, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """30 days of one table, compacted by hour and by day, then searched: one actor, one id, a day and all days."""
    rows = 100_000 if quick else 1_000_000
    found: dict[str, Any] = {"rows": rows, "searches": []}
    with TemporaryDirectory() as folder:
        for per in ("hour", "day"):
            root = Path(folder) / per
            fill(root, rows=rows, days=DAYS)
            found[per] = run("compact", str(root), per)
            say(f"archive: compacted per {per}: {found[per]}")
            for days in (1, DAYS):
                for what in ("actor", "id"):
                    taken = [run("find", str(root), what, str(days)) for _ in range(2 if quick else 5)]
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
