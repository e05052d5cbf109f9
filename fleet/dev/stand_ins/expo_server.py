"""An Expo push server for development: answers tickets as Expo does and remembers what it was sent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from aiohttp import web

from fleet.dev.stand_ins.remembered import LARGEST_BODY, Remembered

MOST_RECIPIENTS = 100
"""Recipients of one request (https://docs.expo.dev/push-notifications/sending-notifications/): not messages."""

LARGEST_MESSAGE = 4096
"""Bytes of one notification's payload."""


@dataclass(frozen=True, slots=True)
class Push:
    """One recipient's notification; `received_at` is in epoch seconds, `message` is its JSON, empty where it was too big."""

    received_at: float
    to: str
    ticket: Mapping[str, Any]
    message: bytes

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "message": orjson.Fragment(self.message or b"{}")}


@dataclass(slots=True)
class ExpoServer:
    """POST /--/api/v2/push/send and /push/getReceipts as Expo serves them, and GET /received for whoever checks.

    A token that contains "dead" belongs to a device that is gone, one that contains "refused" to a project that takes nothing of us.
    With an `access_token`, others are refused.
    """

    access_token: str | None = None
    received: Remembered[Push] = field(default_factory=Remembered)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_post("/--/api/v2/push/send", self._send)
        application.router.add_post("/--/api/v2/push/getReceipts", self._receipts)
        application.router.add_get("/received", self._tell)
        return application

    async def _send(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        body = await _json(request)
        messages = body if isinstance(body, list) else [body]
        if not messages or not all(isinstance(message, dict) and recipients(message) for message in messages):
            return _errors(400, "VALIDATION_ERROR", "every message needs a recipient in `to`")
        if any("refused" in token for message in messages for token in recipients(message)):
            return _errors(401, "UNAUTHORIZED", "this project takes nothing of this access token")
        wanted = sum(len(recipients(message)) for message in messages)
        if wanted > MOST_RECIPIENTS:
            return _errors(400, "PUSH_TOO_MANY_NOTIFICATIONS", f"{wanted} recipients, {MOST_RECIPIENTS} are allowed")
        now = time.time()
        tickets = []
        for message in messages:
            for token in recipients(message):
                tickets.append(ticket(token, message))
                self._remember(Push(now, token, tickets[-1], _kept(message)))
        return web.json_response({"data": tickets})

    def _remember(self, push: Push) -> None:
        self.received.add(push, len(push.to) + len(push.message))

    async def _receipts(self, request: web.Request) -> web.Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        body = await _json(request)
        asked = body.get("ids", []) if isinstance(body, dict) else []
        known = {push.ticket.get("id") for push in self.received}
        return web.json_response({"data": {each: {"status": "ok"} for each in asked if each in known}})

    async def _tell(self, _: web.Request) -> web.Response:
        received = [push.document() for push in self.received]
        return web.json_response(body=orjson.dumps({"received": received}))

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.access_token and request.headers.get("Authorization") != f"Bearer {self.access_token}":
            return _errors(401, "UNAUTHORIZED", "the access token is missing or wrong")
        return None


def recipients(message: Mapping[str, Any]) -> list[str]:
    """The tokens of a message, whose `to` is one token or a list of them."""
    to = message.get("to")
    return [to] if isinstance(to, str) and to else [token for token in to or [] if isinstance(token, str)]


def ticket(token: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """What Expo answers for one recipient."""
    if "dead" in token:
        text = f'"{token}" is not a registered push notification recipient'
        details = {"error": "DeviceNotRegistered", "expoPushToken": token}
        return {"status": "error", "message": text, "details": details}
    payload = {name: value for name, value in message.items() if name != "to"}
    if len(orjson.dumps(payload)) > LARGEST_MESSAGE:
        return {"status": "error", "message": "the payload is too large", "details": {"error": "MessageTooBig"}}
    return {"status": "ok", "id": str(uuid.uuid4())}


def _kept(message: Mapping[str, Any]) -> bytes:
    text = orjson.dumps(message)
    return text if len(text) <= LARGEST_MESSAGE * 2 else b""


async def _json(request: web.Request) -> Any:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return {}


def _errors(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status)
