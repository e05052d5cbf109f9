"""Every test of the SQS adapters, once more over the fast client."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.aws.fast_client import FastClient
from shared.sqs.queue import SqsQueue
from shared.sqs.sender import SqsSender
from tests.aws import Aws
from tests.shared.sqs import test_queue, test_refusals
from tests.shared.sqs.sqs_server import SqsServer, sqs_server
from tests.shared.sqs.test_queue import Emulated


@pytest.fixture
async def emulated(aws: Aws) -> AsyncIterator[Emulated]:
    url, dead_letter_url = aws.queue("uploads"), aws.queue("uploads-dlq")
    async with aws.open("sqs") as client:
        fast: Any = FastClient(client)
        await fast.receive_message(QueueUrl=url)  # the first call of each kind is botocore's
        yield Emulated(
            aws,
            url,
            dead_letter_url,
            SqsQueue(fast, name="uploads", url=url, dead_letter_url=dead_letter_url),
            SqsSender(fast, name="uploads", url=url),
        )


@pytest.fixture
async def server() -> AsyncIterator[SqsServer]:
    async with sqs_server() as serving:
        yield serving


@pytest.fixture
async def send(server: SqsServer) -> AsyncIterator[SqsSender]:
    async with server.client() as client:
        fast: Any = FastClient(client)
        yield SqsSender(fast, name="deliveries", url=server.queue_url)


@pytest.fixture
async def queue(server: SqsServer) -> AsyncIterator[SqsQueue]:
    async with server.client() as client:
        fast: Any = FastClient(client)
        url = server.queue_url
        yield SqsQueue(fast, name="deliveries", url=url, dead_letter_url=url, clock=lambda: 5_000.0)


for module in (test_queue, test_refusals):
    globals().update({name: test for name, test in vars(module).items() if name.startswith("test_")})
