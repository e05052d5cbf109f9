"""A worker's container process, as it ships, that says at its end how much memory it had at most."""

import asyncio
import os
import sys
from pathlib import Path

from shared.container import process
from workers import roster

if __name__ == "__main__":
    asyncio.run(process.run(roster.app(sys.argv[1]), os.environ))
    # Not `ru_maxrss`, which begins with what the process had that started this one.
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    sys.stdout.write(f"peak {int(line.split()[1]) * 1024}\n")
