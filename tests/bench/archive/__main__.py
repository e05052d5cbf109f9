"""`python -m tests.bench.archive FOLDER [--per day]`: the archive's rows of docs/performance/figures.md alone, without the peers.

A million rows are filled and compacted in the folder once, some minutes; with them there it ends within two minutes.
"""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.__main__ import FOLDER, keep, say
from tests.bench.archive.play import played


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.archive", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per", nargs="+", choices=["hour", "day"], default=["hour", "day"])
    given = parser.parse_args()
    found = played(given.folder, rows=1_000_000, times=5, say=say, pers=given.per)
    about = json.loads((FOLDER / "runs.json").read_text())["about"]  # of all the others, which stay as they were
    began = datetime.now(UTC).isoformat(timespec="minutes")
    keep({"about": about, "taken": {"archive": began}, "extras": {"archive": found}})


if __name__ == "__main__":
    main()
