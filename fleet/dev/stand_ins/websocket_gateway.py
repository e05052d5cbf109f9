"""API Gateway's WebSocket side for development: browsers connect here, workers post to them by the management API."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

log = structlog.get_logger()

LARGEST_MESSAGE = 131_072
"""Bytes of one post (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""

MOST_BROWSERS = 1_000
"""Connections that are open at once."""

IDLE_SECONDS = 600.0
"""API Gateway closes a connection after ten idle minutes; pings keep an honest browser's open."""


class Routes(Protocol):
    """What is behind the API: `connect` lets a browser in or answers False, `says` answers what it says with a text, "" for none; `add_to` adds
    what is called by HTTP.
    """

    async def connect(self, query: Mapping[str, str], connection_id: str) -> bool: ...
    async def disconnect(self, session_id: str, connection_id: str) -> None: ...
    async def says(self, session_id: str, connection_id: str, text: str) -> str: ...
    def add_to(self, application: web.Application) -> None: ...


@dataclass(frozen=True, slots=True)
class Connection:
    socket: web.WebSocketResponse
    connected_at: datetime
    source_ip: str


@dataclass(slots=True)
class WebSocketGateway:
    """GET /ws?sessionId=...&token=... upgrades; POST, GET and DELETE /@connections/{id} are the management API.

    A stage prefix before `@connections` is accepted, as on AWS.
    """

    routes: Routes
    open: dict[str, Connection] = field(default_factory=dict)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_MESSAGE * 2)
        application.router.add_get("/ws", self._browser)
        for prefix in ("", "/{stage}"):
            application.router.add_post(prefix + "/@connections/{id}", self._post)
            application.router.add_get(prefix + "/@connections/{id}", self._get)
            application.router.add_delete(prefix + "/@connections/{id}", self._delete)
        self.routes.add_to(application)
        application.on_shutdown.append(self._close_all)
        return application

    async def _browser(self, request: web.Request) -> web.StreamResponse:
        connection_id = new_connection_id()
        if len(self.open) >= MOST_BROWSERS:
            return web.json_response({"message": "Limit Exceeded"}, status=429)
        session_id = request.query.get("sessionId", "")
        if not session_id or not await self.routes.connect(request.query, connection_id):
            return web.json_response({"message": "Forbidden"}, status=403)
        socket = web.WebSocketResponse(heartbeat=IDLE_SECONDS / 2, max_msg_size=LARGEST_MESSAGE)
        await socket.prepare(request)
        self.open[connection_id] = Connection(socket, datetime.now(UTC), request.remote or "")
        log.info("browser_connected", session_id=session_id)
        try:
            async for message in socket:  # which also answers its pings and notices its end
                if message.type is WSMsgType.ERROR:
                    break
                if message.type is WSMsgType.TEXT and (
                    said := await self.routes.says(session_id, connection_id, message.data)
                ):
                    await socket.send_str(said)
        finally:
            if self.open.pop(connection_id, None):
                await self.routes.disconnect(session_id, connection_id)
        return socket

    async def _post(self, request: web.Request) -> web.Response:
        data = await request.read()
        if len(data) > LARGEST_MESSAGE:
            return _fault(413, "PayloadTooLargeException", "the message is larger than 128 KB")
        connection = self.open.get(request.match_info["id"])
        if connection is None or connection.socket.closed:
            return _gone()
        try:
            await connection.socket.send_str(data.decode())
        except UnicodeDecodeError:
            return _fault(400, "BadRequestException", "the message is not UTF-8 text")
        except ConnectionError:
            return _gone()
        return web.Response()

    async def _get(self, request: web.Request) -> web.Response:
        connection = self.open.get(request.match_info["id"])
        if connection is None:
            return _gone()
        connected_at = connection.connected_at.isoformat()
        return web.json_response({"connectedAt": connected_at, "identity": {"sourceIp": connection.source_ip}})

    async def _delete(self, request: web.Request) -> web.Response:
        connection = self.open.pop(request.match_info["id"], None)
        if connection is None:
            return _gone()
        await connection.socket.close(code=WSCloseCode.GOING_AWAY)
        return web.Response(status=204)

    async def _close_all(self, _: web.Application) -> None:
        for connection in list(self.open.values()):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)


def new_connection_id() -> str:
    """An id that looks like API Gateway's, `L0SM9cOFvHcCIhw=`: its `=` must be escaped in a path."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def _gone() -> web.Response:
    return _fault(410, "GoneException", "the connection is gone")


def _fault(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": kind})
