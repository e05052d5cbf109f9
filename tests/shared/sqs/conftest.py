"""A queue on a server that fails on demand, and the adapters on it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.sqs.queue import SqsQueue
from shared.sqs.sender import SqsSender
from tests.sqs_server.running import SqsServer


@pytest.fixture
def url(server: SqsServer) -> str:
    """Of the queue; from here on the server keeps what it is asked."""
    made = server.make("deliveries")
    server.control.options(keep_requests=True)
    return made


@pytest.fixture
async def client(server: SqsServer) -> AsyncIterator[Any]:
    async with server.open() as opened:
        yield opened


@pytest.fixture
def send(client: Any, url: str) -> SqsSender:
    return SqsSender(client, name="deliveries", url=url)


@pytest.fixture
def queue(client: Any, url: str) -> SqsQueue:
    return SqsQueue(client, name="deliveries", url=url, dead_letter_url=url, clock=lambda: 5_000.0)
