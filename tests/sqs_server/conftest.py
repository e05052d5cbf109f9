"""One server for all of these tests, empty at the start of each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.sqs_server.running import SqsServer, sqs_server

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


@pytest.fixture(scope="session")
def server_process() -> Iterator[SqsServer]:
    with sqs_server() as made:
        yield made


@pytest.fixture
def server(server_process: SqsServer) -> SqsServer:
    server_process.control.reset()
    return server_process


@pytest.fixture
def sqs(server: SqsServer) -> "SQSClient":
    """A boto3 client that tries once."""
    return server.sqs
