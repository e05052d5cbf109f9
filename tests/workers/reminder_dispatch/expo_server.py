"""Expo on loopback: as strict as Expo about recipients and credentials, and as unreliable as a test wants it."""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer other than tickets; with `drop` the connection is reset after the request was read."""

    status: int = 200
    body: bytes = b"{}"
    drop: bool = False
    cut_body: bool = False


@dataclass
class ExpoServer:
    """`script` is played first, one entry for each request (None: tickets as usual); afterwards every request is served.

    `projects` maps token -> project; tokens in `gone` belong to devices that are not registered any more, and of
    one in `foreign` something before Expo makes a page of its own.
    """

    script: deque[Scripted | None] = field(default_factory=deque)
    access_token: str | None = None
    projects: Mapping[str, str] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    poison: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_post("/--/api/v2/push/send", self._send)
        runner = web.AppRunner(application, shutdown_timeout=0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}/--/api/v2/push/send"
        finally:
            await runner.cleanup()

    async def _send(self, request: web.Request) -> web.StreamResponse:
        messages = orjson.loads(await request.read())  # aiohttp has undone the gzip
        self.requests.append(messages)
        self.headers.append(dict(request.headers))
        scripted = self.script.popleft() if self.script else None
        if scripted is None:
            return self._judge(request, messages)
        assert request.transport is not None
        if scripted.drop:
            request.transport.abort()
        if scripted.cut_body:
            response = web.StreamResponse(status=scripted.status, headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(scripted.body)
            request.transport.abort()
            return response
        return web.Response(status=scripted.status, body=scripted.body, content_type="application/json")

    def _judge(self, request: web.Request, messages: list[dict[str, Any]]) -> web.Response:
        tokens = [message["to"] for message in messages]
        if self.access_token and request.headers.get("Authorization") != f"Bearer {self.access_token}":
            return error(401, "UNAUTHORIZED")
        if len(tokens) > RECIPIENTS:
            return error(400, "PUSH_TOO_MANY_NOTIFICATIONS")
        if self.foreign.intersection(tokens):
            return web.Response(status=400, text="<html>Bad Request</html>", content_type="text/html")
        if self.poison.intersection(tokens):
            return error(400, "VALIDATION_ERROR")
        projects: dict[str, list[str]] = {}
        for token in tokens:
            projects.setdefault(self.projects.get(token, ""), []).append(token)
        if len(projects) > 1:
            return error(400, "PUSH_TOO_MANY_EXPERIENCE_IDS", projects)
        return web.json_response({"data": [self._ticket(token) for token in tokens]})

    def _ticket(self, token: str) -> dict[str, Any]:
        if token in self.gone:
            return {"status": "error", "message": "gone", "details": {"error": "DeviceNotRegistered"}}
        self.accepted.append(token)
        return {"status": "ok", "id": f"ticket of {token}"}


def error(status: int, code: str, details: Any = None) -> web.Response:
    one = {"code": code, "message": code} | ({"details": details} if details else {})
    return web.json_response({"errors": [one]}, status=status)
