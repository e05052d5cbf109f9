"""What all processes of one test run share: one emulator and one fleet behind each door, started by whoever needs it first.

The process that pytest was started in owns the run. Each shared thing lives in a process of its own (`tests.keeping`), which ends
when the run ends, or when its owner is gone.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from fleet.dev.emulators.ministack import Endpoint

RUN = "FLEET_TEST_RUN"
"""Names the run's folder to every process of it."""
STARTS_WITHIN = 120.0
ENDS_WITHIN = 20.0


def begin() -> None:
    """Open the run; its folder is found by every process that is started from here."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-test-run-"))
    (folder / "owner").write_text(str(os.getpid()))
    os.environ[RUN] = str(folder)


def end() -> None:
    """Close what was started, and wait for that."""
    folder = Path(os.environ.pop(RUN))
    (folder / "end").touch()
    deadline = time.monotonic() + ENDS_WITHIN
    while any(folder.glob("*.running")) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def emulator() -> Endpoint:
    """MiniStack as a process of its own, or what already answers at FLEET_TEST_ENDPOINT (LocalStack, say)."""
    given = os.environ.get("FLEET_TEST_ENDPOINT")
    environment = {**os.environ, "AWS_ENDPOINT_URL": given} if given else kept("ministack")
    return Endpoint.from_environment(environment)


def kept(name: str) -> Mapping[str, str]:
    """The environment that finds the shared thing of this name; it is started where it does not run yet."""
    folder = Path(os.environ[RUN])
    found, log = folder / f"{name}.json", folder / f"{name}.log"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _start(name, folder, log)
    environment: dict[str, str] = json.loads(found.read_text())
    return environment


def _start(name: str, folder: Path, log: Path) -> None:
    given = "FLEET_TEST_ENDPOINT" in os.environ  # with the keys that open it
    inherited = {variable: value for variable, value in os.environ.items() if given or not variable.startswith("AWS_")}
    with log.open("ab") as output:
        process = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "tests.keeping", name, str(folder)],
            inherited,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
            ],
            setsid=True,  # Ctrl-C reaches the run's owner alone, which ends the others in order
        )
    deadline = time.monotonic() + STARTS_WITHIN
    while not (folder / f"{name}.json").exists():
        ended, _ = os.waitpid(process, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            raise AssertionError(f"{name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)
