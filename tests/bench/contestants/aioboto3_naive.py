"""As most tutorials show it: one loop, one message after the other, one delete each."""

import asyncio

import aioboto3

from tests.bench.work import Work


def consume(work: Work) -> None:
    asyncio.run(_consume(work))


async def _consume(work: Work) -> None:
    async with aioboto3.Session().client("sqs", endpoint_url=work.task.endpoint) as client:
        while True:
            answer = await client.receive_message(
                QueueUrl=work.task.url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=20,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            )
            for message in answer.get("Messages", []):
                await work.handle_async(message["Body"])
                await client.delete_message(QueueUrl=work.task.url, ReceiptHandle=message["ReceiptHandle"])
