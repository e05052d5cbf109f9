"""The fault-injecting server, one process for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.sqs_server.running import SqsServer, sqs_server


@pytest.fixture(scope="package")
def serving() -> Iterator[SqsServer]:
    with sqs_server() as server:
        yield server


@pytest.fixture
def server(serving: SqsServer) -> Iterator[SqsServer]:
    """Without queues, faults or memory of earlier tests."""
    serving.control.reset()
    yield serving
    serving.control.reset()
