"""The HTTP calls of a browser: a session with a form for its file, its state, and a token for its WebSocket."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog
from pydantic import Field, ValidationError

from shared import Wire, in_words
from workers.upload_notification.client import NoSuchSession, Opening, Refused, Sessions, WrongField, checked_key

log = structlog.get_logger()

Event = Mapping[str, Any]
"""Payload format 2.0: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""

LARGEST_BODY: Final = 16_384


class Asked(Wire, extra="forbid"):
    """What may be asked of a new session, all of it optional; with a `name`, its first form is in the answer."""

    tenant_id: str = Field(default="", alias="tenantId")
    allowed_types: tuple[str, ...] = Field(default=(), alias="allowedTypes")
    max_bytes: int | None = Field(default=None, alias="maxBytes")
    min_bytes: int | None = Field(default=None, alias="minBytes")
    scan_required: bool = Field(default=False, alias="scanRequired")
    seconds: int = 900
    name: str = ""
    content_type: str = Field(default="", alias="contentType")
    sha256: str = ""


async def open_session(event: Event, sessions: Sessions) -> dict[str, Any]:
    """`POST /sessions`, for whom the API lets in: a session, its secret, a WebSocket token and, for a named file, a form.

    Whose webhooks hear of it is what the caller's own token claims (`tenantId`), where the API asks for one; else what the body says.
    """
    try:
        asked = Asked.model_validate_json(_body(event))
        opening = _opening(asked, tenant=_claimed(event))
        if asked.name:  # before anything is written
            of_file = {"content_type": asked.content_type, "sha256": asked.sha256}
            checked_key(opening.session_id, asked.name, allowed=opening.allowed_types, **of_file)
        opened = await sessions.open(opening)
        known: dict[str, Any] = {
            "sessionId": opened.session_id,
            "secret": opened.secret,
            "expiresAt": opened.expires_at,
            "token": await sessions.token(opened.session_id, secret=opened.secret),
        }
        if asked.name:
            made = await sessions.form(
                opened.session_id, asked.name, content_type=asked.content_type, sha256=asked.sha256
            )
            known["form"] = {"url": made.url, "fields": dict(made.fields), "expiresAt": made.expires_at}
    except Refused as error:
        return _answer(409, {"message": str(error)})
    except WrongField as error:
        return _answer(400, {"message": str(error), "field": error.field})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(each) for each in fault["loc"]) or "body"
        return _answer(400, {"message": f"{field}: {in_words(fault)}", "field": field})
    log.info("session_opened", session_id=opened.session_id)
    return _answer(201, known)


async def read_session(event: Event, sessions: Sessions) -> dict[str, Any]:
    """`GET /sessions/{sessionId}` with the session's secret as a bearer token: its state, as docs/uploads.md names it."""
    try:
        state = await sessions.show(_id(event), secret=_bearer(event))
    except NoSuchSession:
        return _nobody()
    return _answer(200, dict(state.document))


async def make_token(event: Event, sessions: Sessions) -> dict[str, Any]:
    """`POST /sessions/{sessionId}/tokens` with the session's secret as a bearer token: a token for one more WebSocket connection."""
    try:
        token = await sessions.token(_id(event), secret=_bearer(event))
    except NoSuchSession:
        return _nobody()
    except Refused as error:
        return _answer(409, {"message": str(error)})
    return _answer(201, {"token": token})


def _id(event: Event) -> str:
    return str((event.get("pathParameters") or {}).get("sessionId", ""))


def _bearer(event: Event) -> str:
    """HTTP APIs give the names of headers in lower case."""
    scheme, _, secret = str(event.get("headers", {}).get("authorization", "")).partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _opening(asked: Asked, *, tenant: str | None) -> Opening:
    if tenant is not None and asked.tenant_id not in ("", tenant):
        raise WrongField("tenantId", "leave it out: it is the one that your token claims")
    return Opening(
        asked.tenant_id if tenant is None else tenant,
        asked.allowed_types,
        asked.max_bytes,
        asked.min_bytes,
        asked.scan_required,
        asked.seconds,
    )


def _claimed(event: Event) -> str | None:
    """The tenant that the caller's verified token claims, "" where it claims none; None where the API asks for no such token."""
    claims = event.get("requestContext", {}).get("authorizer", {}).get("jwt", {}).get("claims")
    return None if claims is None else str(claims.get("tenantId", ""))


def _body(event: Event) -> bytes:
    text = str(event.get("body") or "{}")
    try:
        data = b64decode(text) if event.get("isBase64Encoded") else text.encode()
    except ValueError as error:
        raise WrongField("body", "JSON in UTF-8") from error
    if len(data) > LARGEST_BODY:
        raise WrongField("body", f"at most {LARGEST_BODY} bytes")
    return data


def _nobody() -> dict[str, Any]:
    """Whoever guesses is not told whether the id or the secret was wrong."""
    return _answer(404, {"message": "there is no such session, or the secret is another's"})


def _answer(status: int, document: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": orjson.dumps(document).decode()}
