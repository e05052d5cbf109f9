"""Open long polls keep no other call from its connection, and no poll from its own."""

import asyncio
import os
from typing import Any

import pytest

from shared.clients import Clients
from tests.shared.aws.contract.answers import Odd, whole
from tests.shared.aws.contract.stub import stub
from tests.waiting import until

URL = "http://127.0.0.1/123456789012/orders"
POLLS = 12


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("calls", ["fast", "aioboto3", "aside"])
async def test_a_delete_does_not_wait_behind_more_polls_than_a_pool_has_connections(calls: str) -> None:
    usual = whole(b"{}")
    environment = {**os.environ, "AWS_CALLS": "aioboto3" if calls == "aioboto3" else "fast"}
    async with stub(Odd(usual)) as serving, Clients(environment, pool=2) as clients:
        client: Any = await clients.open("sqs", endpoint_url=serving.url, attempts=1)
        await client.receive_message(QueueUrl=URL)
        if calls == "aside":  # both calls are botocore's again
            serving.now = Odd(usual.replace(b"\r\n", b"\n"))
            await client.receive_message(QueueUrl=URL)
        serving.now, serving.held, serving.asked = serving.usual, b".ReceiveMessage", 0
        polls = [asyncio.create_task(client.receive_message(QueueUrl=URL)) for _ in range(POLLS)]
        await until(lambda: serving.asked == POLLS)
        for _ in range(2):
            async with asyncio.timeout(5):
                await client.delete_message_batch(QueueUrl=URL, Entries=[{"Id": "0", "ReceiptHandle": "h"}])
        for each in polls:
            each.cancel()
        await asyncio.wait(polls)
