"""Every test of the SQS adapters, once more over the fast client."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.aws.fast_client import FastClient
from shared.sqs.queue import SqsQueue
from shared.sqs.sender import SqsSender
from tests.aws import Aws
from tests.shared.sqs import test_queue, test_refusals
from tests.shared.sqs.conftest import queue, send, url
from tests.shared.sqs.test_queue import Emulated
from tests.sqs_server.running import SqsServer

__all__ = ["queue", "send", "url"]


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
async def client(server: SqsServer) -> AsyncIterator[FastClient]:
    async with server.open() as opened:
        yield FastClient(opened)


for module in (test_queue, test_refusals):
    globals().update({name: test for name, test in vars(module).items() if name.startswith("test_")})
