"""The limit: aiohttp, our signer and orjson in a loop, without leases, retries or a drain."""

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
from botocore.credentials import ReadOnlyCredentials

from shared.aws.signer import Signer
from tests.bench.work import Work

POLLERS = 16
Handle = Callable[[str], Awaitable[None]]


class Raw:
    def __init__(self, session: aiohttp.ClientSession, endpoint: str) -> None:
        self._session = session
        self._endpoint = f"{endpoint}/"
        self._keys = ReadOnlyCredentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], None)
        self._signers: dict[str, tuple[dict[str, str], Signer]] = {}

    async def call(self, action: str, asked: dict[str, Any]) -> Any:
        if action not in self._signers:
            headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"AmazonSQS.{action}"}
            signer = Signer(self._endpoint, headers, region=os.environ["AWS_REGION"], service="sqs")
            self._signers[action] = (headers, signer)
        headers, signer = self._signers[action]
        body = orjson.dumps(asked)
        signed = headers | signer.sign(body, self._keys, now=time.time())
        async with self._session.post(self._endpoint, data=body, headers=signed) as response:
            content = await response.read()
        if response.status != 200:
            raise RuntimeError(content.decode())
        return orjson.loads(content)


def consume(work: Work) -> None:
    asyncio.run(consumed(work, work.handle_async))


async def consumed(work: Work, handle: Handle) -> None:
    bundle = os.environ.get("AWS_CA_BUNDLE")
    connector = aiohttp.TCPConnector(limit=100, ssl=ssl.create_default_context(cafile=bundle) if bundle else True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        raw = Raw(session, work.task.endpoint)
        async with asyncio.TaskGroup() as group:
            for _ in range(POLLERS):
                group.create_task(_poll(work, raw, group, handle))


async def _poll(work: Work, raw: Raw, group: asyncio.TaskGroup, handle: Handle) -> None:
    url = work.task.url
    asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20, "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}  # fmt: skip
    while True:
        messages = (await raw.call("ReceiveMessage", asked)).get("Messages", [])
        if work.task.wait:
            await asyncio.gather(*(handle(message["Body"]) for message in messages))
        else:
            for message in messages:
                await handle(message["Body"])
        entries = [{"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]} for place, each in enumerate(messages)]
        if entries:
            group.create_task(raw.call("DeleteMessageBatch", {"QueueUrl": url, "Entries": entries}))
