"""`python -m tests.bench.units`: what a business message costs, as a table; 1 where something costs more than most.json says.
`--keep` writes what was found there,
`--where` says which table and operation takes which units.
"""

import argparse
import asyncio
import json
import os
import sys
import uuid
from collections.abc import Callable

from fleet.dev.deploy import deploy
from shared.telemetry import logging
from tests import kept
from tests.aws import Aws
from tests.bench.units import limits
from tests.bench.units.bursts import BURSTS
from tests.bench.units.stories import STORIES, ground


def counted(tell: Callable[[str], object]) -> dict[str, dict[str, float]]:
    """Every story, each on ground of its own; `tell` hears where its write units go."""
    emulator = kept.emulator()
    project = f"t{uuid.uuid4().hex[:8]}"
    aws = Aws(emulator, project, "dev", deploy(emulator, project=project, stage="dev"))
    found: dict[str, dict[str, float]] = {}
    for name in (*STORIES, *BURSTS):
        on = ground(aws)
        os.environ.update(on.environment)
        if name in BURSTS:
            found[name] = asyncio.run(BURSTS[name](on))
            continue
        tally = asyncio.run(STORIES[name](on))
        found[name] = tally.per_message()
        for each in tally.places():
            tell(f"{name}: {each.removeprefix(f'{project}-')}\n")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.units", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write what is found into most.json")
    parser.add_argument("--where", action="store_true", help="also where each message's write units go")
    given = parser.parse_args()
    logging.configure("error")
    kept.begin()
    try:
        found = counted(sys.stdout.write if given.where else lambda _: None)
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
