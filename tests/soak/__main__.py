"""A soak from the command line: python -m tests.soak --seconds 600 --seed 7"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.report import summary
from tests.soak.run import soak


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the storm lasts (default: 600)")
    parser.add_argument("--seed", type=int, default=None, help="repeats the schedule of an earlier soak")
    parser.add_argument("--logs", type=Path, default=None, help="keep the consumers' logs and the server's ledger here")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(2**32)
    print(f"seed {seed}", flush=True)  # noqa: T201  # speaks to a terminal; said first, in case it does not end
    with tempfile.TemporaryDirectory() as folder:
        logs = given.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        soaked = asyncio.run(soak(seed, seconds=given.seconds, logs=logs))
    print(summary(soaked))  # noqa: T201  # as above
    sys.exit(1 if soaked.verdict.faults else 0)


if __name__ == "__main__":
    main()
