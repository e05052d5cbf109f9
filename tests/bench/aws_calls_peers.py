"""Other clients making the same AWS call, in an environment of their own: `.bench-calls/bin/python -m tests.bench.aws_calls_peers`.

The first line of stdin says what is called; each further line is a number of calls, answered with CPU microseconds by client.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import orjson
from aiodynamo.client import Client  # type: ignore[import-not-found]  # only in the peers' environment
from aiodynamo.credentials import Key, StaticCredentials  # type: ignore[import-not-found]  # as above
from aiodynamo.expressions import F  # type: ignore[import-not-found]  # as above
from aiodynamo.http.aiohttp import AIOHTTP  # type: ignore[import-not-found]  # as above
from aiodynamo.models import ReturnValues  # type: ignore[import-not-found]  # as above
from awscrt.auth import (  # type: ignore[import-not-found]  # as above
    AwsCredentialsProvider,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest  # type: ignore[import-not-found]  # as above
from yarl import URL

from tests.bench.cpu import LANES, cost

REGION = "eu-west-1"
Made = Callable[[], Awaitable[Any]]


def dynamo(session: aiohttp.ClientSession, asked: dict[str, Any]) -> Made | None:
    """aiodynamo's call; it speaks with one service."""
    credentials = StaticCredentials(Key("AKIDEXAMPLE", "secret"))
    client = Client(AIOHTTP(session), credentials, REGION, endpoint=URL(asked["url"]))
    match asked["action"]:
        case "GetItem":
            return lambda: client.get_item("sessions", {"id": "u" * 36})
        case "UpdateItem":

            def update() -> Any:
                new = {"status": "done", "attempts": 1, "until": 1764160000, "owner": "a" * 36}
                changes = F("reason").remove()
                for name, value in new.items():
                    changes &= F(name).set(value)
                condition = F("status").does_not_exist() | F("until").lt(1764150000)
                return client.update_item(
                    "sessions", {"id": "u" * 36}, changes, return_values=ReturnValues.all_new, condition=condition
                )

            return update
    return None


async def runtime(asked: dict[str, Any]) -> Made:
    """awscrt: its connections, its signer, its thread; each future is awaited here."""
    url = URL(asked["url"])
    idle = [await asyncio.wrap_future(HttpClientConnection.new(url.host, url.port)) for _ in range(LANES)]
    provider = AwsCredentialsProvider.new_static("AKIDEXAMPLE", "secret")
    body = orjson.dumps(asked["body"])
    headers = {**asked["headers"], "host": f"{url.host}:{url.port}", "content-length": str(len(body))}

    async def make() -> Any:
        connection = idle.pop()
        got = bytearray()
        request = HttpRequest("POST", asked["path"], HttpHeaders([*headers.items()]), BytesIO(body))
        config = AwsSigningConfig(credentials_provider=provider, region=REGION, service=asked["service"])
        signed = await asyncio.wrap_future(aws_sign_request(request, config))
        stream = connection.request(signed, on_body=lambda **event: got.extend(event["chunk"]))
        stream.activate()
        await asyncio.wrap_future(stream.completion_future)
        idle.append(connection)
        return orjson.loads(got)

    return make


@asynccontextmanager
async def opened(asked: dict[str, Any]) -> AsyncIterator[dict[str, Made]]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = {"aiodynamo": dynamo(session, asked), "awscrt": await runtime(asked)}
        yield {name: make for name, make in found.items() if make is not None}


async def main() -> None:
    loop = asyncio.get_running_loop()
    async with opened(orjson.loads(sys.stdin.buffer.readline())) as clients:
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            times = {name: await cost(make, int(line)) for name, make in clients.items()}
            sys.stdout.buffer.write(orjson.dumps(times) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main())
