"""One running fleet for each door, driven from outside as any boto3 client would."""

import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from fleet.dev.crew import Crew, Post
from fleet.dev.deploy import deploy, session
from fleet.dev.dev import SENDER, Ground, Plan, manned, worker_environment
from fleet.dev.emulators.ministack import Endpoint, free_port
from tests.e2e.lambda_door import functions
from tests.e2e.outside import Outside

QUICK = {
    "AUDIT_BATCH_SECONDS": "0.5",
    "AUDIT_DIGEST_SECONDS": "1",
    "WEBHOOK_RETRY_SCHEDULE": "0,1,1,1",
    "WEBHOOK_TIMEOUT_SECONDS": "5",
    "VISIBILITY_SECONDS": "10",
    "POLL_WAIT_SECONDS": "5",
}
"""Retries within seconds instead of days, batches within a second: the same code, another clock."""


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["container", pytest.param("lambda", marks=pytest.mark.lambda_door)]
)
async def fleet(
    request: pytest.FixtureRequest, emulator: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Outside]:
    """The whole fleet behind one door, on a stack of its own."""
    home = tmp_path_factory.mktemp(request.param)
    ground = _ground(emulator)
    async with AsyncExitStack() as stack:
        if request.param == "container":
            plan = Plan(endpoint=emulator.url, home=home, tuning=QUICK)
            running = await stack.enter_async_context(manned(plan, ground, print))
            outside = Outside(ground, running.environment, crew=running.workers)
        else:
            environment = worker_environment(ground, port=free_port()) | QUICK
            around = await stack.enter_async_context(Crew([_stand_ins(environment, home)], say=print))
            await around.ready(seconds=30)
            stack.enter_context(functions(session(emulator), emulator.url, environment, home))
            outside = Outside(ground, environment, crew=None)
        yield await stack.enter_async_context(outside)


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
