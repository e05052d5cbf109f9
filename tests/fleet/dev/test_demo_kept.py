"""`fleet demo --keep`: a console stands beside the fleet until somebody ends it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from fleet.cli.dev.demo import keep_open
from tests.waiting import until

STANDS = "import os, pathlib, time; pathlib.Path(os.environ['MARK']).write_text(str(os.getpid())); time.sleep(600)"


async def test_it_stands_until_it_is_cancelled_and_is_then_ended(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    keeping = asyncio.create_task(keep_open({"MARK": str(mark)}, (sys.executable, "-c", STANDS)))
    await until(lambda: mark.exists() and mark.read_text() != "", seconds=20, what="the console")
    pid = int(mark.read_text())
    keeping.cancel("the end of the test")
    await keeping
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_console_that_ends_by_itself_ends_the_demo_too() -> None:
    await keep_open({}, (sys.executable, "-c", "pass"))
