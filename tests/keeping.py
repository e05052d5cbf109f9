"""Keeps one shared thing of a test run open until the run ends: `python -m tests.keeping NAME FOLDER`."""

import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fleet.dev.crew import Crew, Post
from fleet.dev.deploy import deploy, session
from fleet.dev.dev import SENDER, Ground, Plan, run_workers, signing_key, worker_environment
from fleet.dev.emulators.ministack import Endpoint, free_port, ministack
from tests import kept
from tests.e2e.lambda_door import functions

QUICK = {
    "AUDIT_BATCH_SECONDS": "0.5",
    "AUDIT_DIGEST_SECONDS": "1",
    "WEBHOOK_RETRY_SCHEDULE": "0,1,1,1",
    "WEBHOOK_TIMEOUT_SECONDS": "5",
    "WEBHOOK_BREAKER_SECONDS": "1",
    "VISIBILITY_SECONDS": "10",
    "POLL_WAIT_SECONDS": "5",
}
"""Retries within seconds instead of days, batches within a second: the same code, another clock."""
if "FLEET_TEST_AWS_CALLS" in os.environ:  # aioboto3: the same stories without the fast calls
    QUICK["AWS_CALLS"] = os.environ["FLEET_TEST_AWS_CALLS"]

CALLS = "FLEET_TEST_CALLS"
"""Names the file that every call to the emulator is written to."""


@asynccontextmanager
async def opened(name: str, folder: Path) -> AsyncIterator[Mapping[str, str]]:
    """The thing of this name, and the environment that finds it."""
    match name:
        case "ministack":
            calls = Path(os.environ[CALLS]) if CALLS in os.environ else None
            with ministack(log=folder / "emulator.log", functions=True, calls=calls) as endpoint:
                yield dict(endpoint.environment)
        case "container":
            emulator = kept.emulator()
            plan = Plan(endpoint=emulator.url, home=folder / name, tuning=QUICK)
            async with run_workers(plan, _ground(emulator), print) as running:
                yield {**emulator.environment, **running.environment}
        case "lambda":
            home = Path(tempfile.mkdtemp(dir=folder))
            async with _behind_lambda(kept.emulator(), home) as environment:
                yield environment
        case _:
            raise ValueError(name)


@asynccontextmanager
async def _behind_lambda(emulator: Endpoint, home: Path) -> AsyncIterator[Mapping[str, str]]:
    async with AsyncExitStack() as stack:
        environment = worker_environment(_ground(emulator), port=free_port()) | QUICK
        environment["AUDIT_SIGNING_KEY"] = signing_key(home)
        around = await stack.enter_async_context(Crew([_stand_ins(environment, home)], say=print))
        await around.ready(seconds=30)
        stack.enter_context(functions(emulator, environment, home))
        yield {**emulator.environment, **environment}


def _ground(emulator: Endpoint) -> Ground:
    """The topology under a project name of its own: several fleets share one emulator without meeting."""
    names = deploy(emulator, project=f"e{uuid.uuid4().hex[:8]}", stage="dev")
    ses = session(emulator).client("ses", endpoint_url=emulator.url_of("ses"))
    ses.verify_email_identity(EmailAddress=SENDER)
    return Ground(emulator, names)


def _stand_ins(environment: Mapping[str, str], home: Path) -> Post:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    url = f"http://{environment['STAND_INS_HOST']}:{environment['STAND_INS_PORT']}/readyz"
    return Post("stand-ins", ("stand-ins",), inherited | dict(environment), home / "stand-ins.log", url)


async def keep(name: str, folder: Path) -> None:
    """Open it, say where it is, and close it when the run is over; the emulator last, for the others need it."""
    running = folder / f"{name}.running"
    running.touch()
    try:
        async with opened(name, folder) as environment:
            unfinished = folder / f"{name}.json.part"
            unfinished.write_text(json.dumps(dict(environment)))
            unfinished.rename(folder / f"{name}.json")
            await asyncio.to_thread(_wait, folder, last=running if name == "ministack" else None)
    finally:
        running.unlink(missing_ok=True)


def _wait(folder: Path, *, last: Path | None) -> None:
    """Until the run is over, and for the `last` one until all others have closed."""
    while not _over(folder) or (last is not None and any(each != last for each in folder.glob("*.running"))):
        time.sleep(0.1)


def _over(folder: Path) -> bool:
    try:
        os.kill(int((folder / "owner").read_text()), 0)
    except (OSError, ValueError):
        return True
    return (folder / "end").exists()


if __name__ == "__main__":
    asyncio.run(keep(sys.argv[1], Path(sys.argv[2])))
