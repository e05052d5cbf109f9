"""`python -m tests.bench.webhooks.bare URL COUNT`: CPU of one signed POST by aiohttp as one tunes it, and by the worker's own sender.

One JSON line: microseconds by name. Both sign anew for each POST, read the answer and keep their connections; aiohttp looks no address
over, bounds no answer and lets redirects be.
"""

import asyncio
import hashlib
import hmac
import json
import ssl
import sys
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import aiohttp

from tests.bench.cpu import cost
from tests.sqs_server.running import CERTIFICATE
from tests.workers.webhook_delivery.fakes import SECRET, endpoint, job
from workers.webhook_delivery.egress.sender import open_sender
from workers.webhook_delivery.signing.request import signed

KEY = b64decode(SECRET.removeprefix("whsec_"))


async def by_aiohttp(url: str, count: int) -> float:
    body = job().payload.encode()
    tls = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with (
        aiohttp.TCPConnector(limit=0, ssl=tls) as connector,
        aiohttp.ClientSession(connector=connector, skip_auto_headers={"Accept-Encoding", "User-Agent"}) as session,
    ):

        async def post() -> None:
            at = str(int(time.time()))
            signature = b64encode(hmac.digest(KEY, f"msg_1.{at}.".encode() + body, hashlib.sha256)).decode()
            headers = {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
            headers["content-type"] = "application/json"
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                assert answer.status == 200
                await answer.read()

        await cost(post, count // 5)
        return await cost(post, count)


async def by_sender(url: str, count: int) -> float:
    body, to = job().payload.encode(), endpoint(url=url)
    async with open_sender(allow_loopback=True, seconds=15, connections=50) as send:

        async def post() -> None:
            made = signed(to, message_id="msg_1", at=datetime.now(UTC), body=body)
            assert (await send(url, headers=made.headers, body=body)).status == 200

        await cost(post, count // 5)
        return await cost(post, count)


async def main(url: str, count: int) -> None:
    found = {"aiohttp": await by_aiohttp(url, count), "sender": await by_sender(url, count)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
