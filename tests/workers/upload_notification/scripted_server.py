"""A small HTTP server on the loopback interface that answers AWS clients as a test has written down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.aws.answers.check import check_answers


@dataclass(frozen=True)
class Reply:
    """One answer; `error` is the code as AWS puts it into a header. A `cut` one breaks off after half of its body."""

    status: int = 200
    body: str = "{}"
    error: str = ""
    etag: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class ScriptedServer:
    """Gives its replies in order, the last one for ever; `calls` are (path as sent, body)."""

    replies: list[Reply]
    calls: list[tuple[str, bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.raw_path, await request.read()))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        headers = reply.headers | ({"x-amzn-ErrorType": reply.error} if reply.error else {})
        headers |= {"ETag": reply.etag} if reply.etag else {}
        if reply.cut:
            return await _cut(request, reply, headers)
        return web.Response(status=reply.status, text=reply.body, headers=headers)

    @asynccontextmanager
    async def serving(self, path: str = "") -> AsyncIterator[str]:
        """Serve on a free port; the URL of `path` there."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        async with TestServer(application, host="127.0.0.1") as server:
            yield str(server.make_url(path))

    @asynccontextmanager
    async def client(self, service: str, path: str = "", *, attempts: int = 4) -> AsyncIterator[Any]:
        """Serve, and open a client of an AWS service that talks to this server, configured as the fleet's are."""
        session = aioboto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-central-1")
        config = AioConfig(retries={"mode": "standard", "max_attempts": attempts})
        async with (
            self.serving(path) as url,
            # The stubs list every service by its literal name; a plain str fits none of the overloads.
            session.client(service, endpoint_url=url, config=config) as client,  # type: ignore[call-overload]
        ):
            check_answers(client)
            yield client


async def _cut(request: web.Request, reply: Reply, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=headers | {"Content-Length": str(len(reply.body))})
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2].encode())
    assert request.transport is not None
    request.transport.close()
    return response
