"""A customer's webhook endpoints for development: a good one, a flaky one, a gone one, a slow one; all check signatures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from aiohttp import web

from fleet.dev.stand_ins.remembered import LARGEST_BODY, Remembered

TOLERANCE = 300
"""Seconds a timestamp may lie off, either way: what every official Standard Webhooks library allows."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request; `received_at` in epoch seconds, `fault` is why its signature was refused (None: it was right).

    `payload` is the JSON text of what was signed; of what was not, nothing is kept.
    """

    received_at: float
    endpoint: str
    webhook_id: str
    timestamp: str
    status: int
    fault: str | None
    payload: bytes | None

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "payload": orjson.Fragment(self.payload or b"null")}

    @property
    def size(self) -> int:
        """Bytes of its text."""
        return len(self.payload or b"") + sum(map(len, (self.endpoint, self.webhook_id, self.timestamp)))


@dataclass(slots=True)
class WebhookReceiver:
    """POST /ok, /flaky (fails `failures` times for each webhook-id), /down (503 once for each), /gone (410), /slow; GET /received tells what came.

    A path may go on after the first word, so that one receiver plays many customers: /ok/anna, /ok/bert. A request whose
    signature is wrong is answered 401 whatever the endpoint.
    """

    secret: str
    failures: int = 2
    slow_seconds: float = 30.0
    now: Callable[[], float] = time.time
    received: Remembered[Receipt] = field(default_factory=Remembered)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_get("/received", self._tell)
        application.router.add_post("/{behaviour:ok|flaky|down|gone|slow}{rest:(/.*)?}", self._receive)
        return application

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        fault = signature_fault(self.secret, request.headers, body, now=self.now())
        status = 401 if fault else self._status(request)
        receipt = Receipt(
            received_at=self.now(),
            endpoint=_endpoint(request),
            webhook_id=request.headers.get("webhook-id", ""),
            timestamp=request.headers.get("webhook-timestamp", ""),
            status=status,
            fault=fault,
            payload=None if fault else _object(body),
        )
        self.received.add(receipt, receipt.size)
        if request.match_info["behaviour"] == "slow" and not fault:
            await asyncio.sleep(self.slow_seconds)
        why = {"why": f"{fault}: endpoints here have the secret STAND_INS_WEBHOOK_SECRET"} if fault else {}
        return web.json_response({"received": status == 200, **why}, status=status)

    def _status(self, request: web.Request) -> int:
        match request.match_info["behaviour"]:
            case "gone":
                return 410
            case "flaky":
                return 500 if self._times(request) <= self.failures else 200
            case "down":
                return 503 if self._times(request) <= 1 else 200
            case _:
                return 200

    def _times(self, request: web.Request) -> int:
        """How often this webhook has come to this endpoint."""
        key = (_endpoint(request), request.headers.get("webhook-id", ""))
        self.seen[key] += 1
        if len(self.seen) > self.received.most:
            del self.seen[next(iter(self.seen))]
        return self.seen[key]

    async def _tell(self, _: web.Request) -> web.Response:
        received = [receipt.document() for receipt in self.received]
        return web.json_response(body=orjson.dumps({"received": received}))


def signature_fault(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> str | None:
    """Why a request is not what the holder of `secret` signed just now, or None where it is.

    Written from the specification (https://github.com/standard-webhooks/standard-webhooks, version 1.0.0) and not with
    the sender's code: the two must agree without sharing a line. `now` in epoch seconds.
    """
    webhook_id, timestamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (webhook_id and timestamp and given):
        return "a webhook header is missing"
    if not timestamp.isascii() or not timestamp.isdigit():
        return "the timestamp is not a number of seconds"
    if abs(now - int(timestamp)) > TOLERANCE:
        return "the timestamp is too old or too new"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((webhook_id.encode(), timestamp.encode(), body))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    for token in given.split(" "):
        version, _, signature = token.partition(",")
        if version == "v1" and hmac.compare_digest(signature.encode(), expected):
            return None
    return "no signature matches"


def _endpoint(request: web.Request) -> str:
    """The path below the place where the receiver is mounted."""
    return f"/{request.match_info['behaviour']}{request.match_info['rest']}"


def _object(body: bytes) -> bytes | None:
    """The body where it is a JSON object."""
    try:
        opened = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(opened, dict) else None
