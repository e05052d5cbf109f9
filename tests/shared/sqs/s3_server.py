"""A hand-written S3 on a loopback port that fails what a test tells it to: no emulator answers 503 or lies on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiohttp import web

STATUS = {"NoSuchKey": 404, "NoSuchBucket": 404, "AccessDenied": 403, "InternalError": 500, "SlowDown": 503}


def never(_method: str, _key: str) -> str:
    return ""


@dataclass
class S3Server:
    """Objects by (bucket, key). `calls` keeps (method, key) in order; `fail` answers an error code, or "", for a call;
    `slow` is waited for before each answer; `checksum` is sent with each object; after `cut` bytes of one the connection ends.
    """

    port: int = 0
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    fail: Callable[[str, str], str] = never
    slow: asyncio.Event = field(default_factory=asyncio.Event)
    checksum: str = ""
    cut: int | None = None
    open_calls: int = 0
    most_open_calls: int = 0

    def __post_init__(self) -> None:
        self.slow.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str) -> int:
        return sum(1 for each, _ in self.calls if each == method)

    def client(self, *, attempts: int = 1) -> AbstractAsyncContextManager[Any]:
        session = aioboto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
        config = AioConfig(retries={"mode": "standard", "total_max_attempts": attempts})
        opened: AbstractAsyncContextManager[Any] = session.client("s3", endpoint_url=self.url, config=config)
        return opened

    async def answer(self, request: web.Request) -> web.StreamResponse:
        bucket, _, key = request.path.lstrip("/").partition("/")
        self.calls.append((request.method, key))
        self.open_calls += 1
        self.most_open_calls = max(self.most_open_calls, self.open_calls)
        try:
            content = await request.read()
            await self.slow.wait()
            await asyncio.sleep(0.01)
        finally:
            self.open_calls -= 1
        if code := self.fail(request.method, key):
            return _error(code)
        if request.method == "PUT":
            self.objects[bucket, key] = content
            return web.Response(headers={"ETag": '"e"'})
        found = self.objects.get((bucket, key))
        return _error("NoSuchKey") if found is None else await self._handed_out(found, request)

    async def _handed_out(self, found: bytes, request: web.Request) -> web.StreamResponse:
        about = {"ETag": '"e"'} | ({"x-amz-checksum-sha256": self.checksum} if self.checksum else {})
        if self.cut is None:
            return web.Response(body=found, headers=about)
        answer = web.StreamResponse(headers={**about, "Content-Length": str(len(found))})
        await answer.prepare(request)
        await answer.write(found[: self.cut])
        if request.transport is not None:
            request.transport.close()
        return answer


@asynccontextmanager
async def s3_server() -> AsyncIterator[S3Server]:
    """Serve while the context is open."""
    server = S3Server()
    application = web.Application(client_max_size=2**28)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]
        yield server
    finally:
        server.slow.set()
        await runner.cleanup()


def _error(code: str) -> web.Response:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>told so</Message></Error>"
    return web.Response(status=STATUS[code], text=text, content_type="application/xml")
