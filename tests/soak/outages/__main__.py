"""Outages from the command line, one of each dependency, all at once: python -m tests.soak.outages --seconds 600"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak.outages.run import Met, outage
from tests.soak.outages.workers import DEPENDENCIES


async def each(seconds: float, logs: Path) -> list[Met]:
    """Beside each other, every one with a server, services and a process of its own."""
    folders = [logs / name for name in DEPENDENCIES]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    pairs = zip(DEPENDENCIES, folders, strict=True)
    return list(await asyncio.gather(*(outage(name, seconds=seconds, logs=folder) for name, folder in pairs)))


def row(met: Met) -> str:
    return (
        f"{met.dependency:<7} {met.sent:>5} sent, {met.backlog:>5} waited, red after {met.red_after:.1f} s, green {met.green_after:.1f} s"
        f" and worked off {met.worked_off_after:.1f} s after its end, {met.most_receipts} receipts at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.outages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long each is down (default: 600)")
    parser.add_argument("--logs", type=Path, default=None, help="keep the processes' logs here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(each(given.seconds, given.logs or Path(folder)))
    for met in found:
        print(row(met), *(f"FAULT {fault}" for fault in met.faults[:10]), sep="\n  ")  # noqa: T201  # speaks to a terminal
    sys.exit(1 if any(met.faults for met in found) else 0)


if __name__ == "__main__":
    main()
