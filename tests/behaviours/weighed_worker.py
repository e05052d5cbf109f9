"""A worker's container process, as it ships, that says at its end how much memory it had at most."""

import asyncio
import os
import resource
import sys

from shared.container import process
from workers import roster

if __name__ == "__main__":
    asyncio.run(process.run(roster.app(sys.argv[1]), os.environ))
    sys.stdout.write(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}\n")
