"""`python -m tests.bench.units`: what a business message costs, as a table; 1 where something costs more than most.json says.
`--keep` writes what was found there.
"""

import argparse
import asyncio
import json
import os
import sys
import uuid

from fleet.dev.deploy import deploy
from shared.telemetry import logging
from tests import kept
from tests.aws import Aws
from tests.bench.units import limits
from tests.bench.units.bursts import BURSTS
from tests.bench.units.stories import STORIES, ground


def counted() -> dict[str, dict[str, float]]:
    """Every story, each on ground of its own."""
    emulator = kept.emulator()
    project = f"t{uuid.uuid4().hex[:8]}"
    aws = Aws(emulator, project, "dev", deploy(emulator, project=project, stage="dev"))
    found = {}
    for name, story in {**STORIES, **BURSTS}.items():
        on = ground(aws)
        os.environ.update(on.environment)
        found[name] = asyncio.run(story(on))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.units", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write what is found into most.json")
    given = parser.parse_args()
    logging.configure("error")
    kept.begin()
    try:
        found = counted()
    finally:
        kept.end()
    sys.stdout.write("\n".join(limits.table(found)) + "\n")
    if given.keep:
        (limits.FOLDER / "most.json").write_text(json.dumps(found, indent=2) + "\n")
        return 0
    more = {name: limits.risen(each, limits.most().get(name, {})) for name, each in found.items()}
    for name, faults in more.items():
        for fault in faults:
            sys.stderr.write(f"{name}: {fault}\n")
    return int(any(more.values()))


if __name__ == "__main__":
    sys.exit(main())
