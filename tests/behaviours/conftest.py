"""One SQS server for all behaviours, and the two doors through which a case is played."""

from collections.abc import AsyncIterator

import pytest

from tests.behaviours.counters import Counters
from tests.behaviours.doors import ContainerDoor, Door, LambdaDoor
from tests.behaviours.stage import Stage
from tests.sqs_server.conftest import server, server_process
from tests.sqs_server.running import SqsServer

__all__ = ["container", "counters", "door", "server", "server_process", "stage"]


@pytest.fixture(scope="session")
def counters() -> Counters:
    return Counters()


@pytest.fixture
def stage(server: SqsServer, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A server without queues, and an environment that finds it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return Stage(server)


@pytest.fixture(params=["container", "lambda"])
async def door(stage: Stage, request: pytest.FixtureRequest) -> AsyncIterator[Door]:
    """The same case through a poller, and through an event source mapping that invokes a sandbox."""
    made = ContainerDoor(stage) if request.param == "container" else LambdaDoor(stage)
    yield made
    await made.closes()


@pytest.fixture
async def container(stage: Stage) -> AsyncIterator[ContainerDoor]:
    """For what only a container has to do."""
    made = ContainerDoor(stage)
    yield made
    await made.closes()
