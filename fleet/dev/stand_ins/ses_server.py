"""Amazon SES's API v2 for development, which LocalStack lacks: takes e-mails and remembers them."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from aiohttp import web

from fleet.dev.stand_ins.remembered import LARGEST_BODY, Remembered

KINDS = {"Simple", "Template", "Raw"}


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail; `received_at` is in epoch seconds, `request` is the JSON of SendEmail."""

    received_at: float
    to: str
    request: bytes

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "request": orjson.Fragment(self.request)}


@dataclass(slots=True)
class SesServer:
    """POST /v2/email/outbound-emails as SES serves it, and GET /received for whoever checks. Every sender is verified here, and
    every template exists.
    """

    received: Remembered[Mail] = field(default_factory=Remembered)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_post("/v2/email/outbound-emails", self._send)
        application.router.add_get("/received", self._tell)
        return application

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        if (to := recipient(body)) is None:
            return web.json_response(
                {"message": "a sender, recipients and one kind of content"},
                status=400,
                headers={"x-amzn-ErrorType": "BadRequestException"},
            )
        self.received.add(Mail(time.time(), to, body), len(body))
        return web.json_response({"MessageId": str(uuid.uuid4())})

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(body=orjson.dumps({"received": [mail.document() for mail in self.received]}))


def recipient(body: bytes) -> str | None:
    """The first address that a request of SendEmail is for; None where SES would refuse it."""
    try:
        asked = orjson.loads(body)
        [kind] = asked["Content"]
        to = asked["Destination"]["ToAddresses"][0]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    is_whole = kind in KINDS and isinstance(to, str) and "@" in to and bool(asked.get("FromEmailAddress"))
    return to if is_whole else None
