"""The two clients that stand behind one queue, opened on the fault-injecting server: `plain` and `fast`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.aws.fast_client import FastClient
from tests.sqs_server.running import SqsServer

ROADS = ("plain", "fast")


@asynccontextmanager
async def opened(server: SqsServer, road: str, *, attempts: int = 1, read_timeout: float = 60.0) -> AsyncIterator[Any]:
    """A client of that kind, which has made each of its calls once before, so that the fast one knows how and both have a connection."""
    async with server.open(attempts=attempts, read_timeout=read_timeout) as aioboto3_client:
        client: Any = aioboto3_client if road == "plain" else FastClient(aioboto3_client)
        url = server.make("warm")
        await client.send_message_batch(QueueUrl=url, Entries=[{"Id": "0", "MessageBody": "a"}])
        await client.send_message(QueueUrl=url, MessageBody="b")
        answer = await client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        entry = {"Id": "0", "ReceiptHandle": answer["Messages"][0]["ReceiptHandle"]}
        await client.change_message_visibility_batch(QueueUrl=url, Entries=[{**entry, "VisibilityTimeout": 60}])
        await client.delete_message_batch(QueueUrl=url, Entries=[entry])
        yield client
