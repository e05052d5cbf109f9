"""Good practice with aioboto3: as many pollers as it takes, ten a receive, deletes in batches."""

import asyncio
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

from tests.bench.work import Work

POLLERS = 16


def consume(work: Work) -> None:
    asyncio.run(_consume(work))


async def _consume(work: Work) -> None:
    config = AioConfig(max_pool_connections=100)
    async with aioboto3.Session().client("sqs", endpoint_url=work.task.endpoint, config=config) as client:
        await asyncio.gather(*(_poll(work, client) for _ in range(POLLERS)))


async def _poll(work: Work, client: Any) -> None:
    url = work.task.url
    while True:
        answer = await client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=20,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        if work.task.wait:
            await asyncio.gather(*(work.handle_async(message["Body"]) for message in messages))
        else:
            for message in messages:
                await work.handle_async(message["Body"])
        if messages:
            entries = [{"Id": each["MessageId"], "ReceiptHandle": each["ReceiptHandle"]} for each in messages]
            await client.delete_message_batch(QueueUrl=url, Entries=entries)
