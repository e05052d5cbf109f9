"""Restarts from the command line: python -m tests.soak.restarts --restarts 200 --seed 7"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.soak.restarts.run import Restarted, restarts


def rows(restarted: Restarted) -> Iterator[str]:
    tally, verdict = restarted.fleet.tally, restarted.verdict
    yield f"seed                   {restarted.seed}"
    yield f"load, calm until empty {restarted.seconds:.0f} s, {restarted.calm:.1f} s"
    yield f"restarts               {restarted.restarts} ({len(tally.killed)} by kill -9)"
    yield f"longest drain          {tally.longest_drain:.1f} s"
    yield f"messages               {verdict.findings.sent:,} sent, {verdict.findings.deleted:,} deleted"
    yield f"received again         {verdict.again:,} messages, one of them {verdict.most_receipts} times"
    for name, found in verdict.faults.items():
        yield f"FAULT {name}: {'; '.join(found)}"
    if not verdict.faults:
        yield "nothing buried, lost or out of order, nothing done twice but by a killed process, each further receipt explained by a restart"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.restarts", description=__doc__)
    parser.add_argument("--restarts", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=None, help="draws the same loads and restarts again")
    parser.add_argument("--logs", type=Path, default=None, help="keep the processes' logs here")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(2**32)
    with tempfile.TemporaryDirectory() as folder:
        logs = given.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        restarted = asyncio.run(restarts(seed, count=given.restarts, logs=logs))
    print(*rows(restarted), sep="\n")  # noqa: T201  # speaks to a terminal
    sys.exit(1 if restarted.verdict.faults else 0)


if __name__ == "__main__":
    main()
