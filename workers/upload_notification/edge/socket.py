"""The WebSocket's routes: who is let in, whose connection it is, and what happened while it was away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import structlog
from pydantic import Field, ValidationError

from shared import Wire
from workers.upload_notification import announcement, rules
from workers.upload_notification.client import NoSuchSession, Sessions

log = structlog.get_logger()

Event = Mapping[str, Any]
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html"""


class Resume(Wire):
    """`{"action": "resume", "lastSequencer": "..."}`; without a `lastSequencer`, whatever there is."""

    action: Literal["resume"]
    last_sequencer: str = Field(default="", alias="lastSequencer")
    last_status: str = Field(default="", alias="lastStatus")
    """For threats may be told after COMPLETE, of the same file."""


async def authorize(event: Event, sessions: Sessions) -> dict[str, Any]:
    """Let in whoever has a session's token, once; the session's id goes with every later event of the connection.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
    """
    asked = event.get("queryStringParameters") or {}
    session_id, token = str(asked.get("sessionId", "")), str(asked.get("token", ""))
    is_let_in = bool(session_id and token) and await sessions.admit(session_id, token)
    log.info("browser_admitted" if is_let_in else "browser_refused", session_id=session_id)
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Allow" if is_let_in else "Deny",
        "Resource": event["methodArn"],
    }
    return {
        "principalId": session_id or "nobody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"sessionId": session_id} if is_let_in else {},
    }


async def connect(event: Event, sessions: Sessions) -> dict[str, Any]:
    """`$connect`: the connection's id is written on its session."""
    session_id, connection_id = _whose(event)
    return {"statusCode": 200 if await sessions.connect(session_id, connection_id) else 403}


async def disconnect(event: Event, sessions: Sessions) -> dict[str, Any]:
    """`$disconnect`: exactly this id is forgotten. It may never come; then a post's 410 does the same."""
    session_id, connection_id = _whose(event)
    await sessions.disconnect(session_id, connection_id)
    return {"statusCode": 200}


async def resume(event: Event, sessions: Sessions) -> dict[str, Any]:
    """`resume`, which a browser sends after it has connected again: what it was to be told while it was away, if anything."""
    session_id, _ = _whose(event)
    try:
        asked = Resume.model_validate_json(event.get("body") or "")
    except ValidationError:
        return _answer(400, '{"type":"resume.unreadable","version":1}')
    try:
        state = await sessions.show(session_id)
    except NoSuchSession:
        return _answer(404, '{"type":"session.gone","version":1}')
    is_taken_back = state.status == rules.REJECTED != (asked.last_status or rules.REJECTED)
    is_known = state.document.get("sequencer") == asked.last_sequencer and not is_taken_back
    if state.is_told and not is_known:
        return _answer(200, announcement.again(state.document).decode())
    kind = "session.expired" if state.status == rules.EXPIRED else "session.unchanged"
    return _answer(200, f'{{"type":"{kind}","version":1}}')


def _whose(event: Event) -> tuple[str, str]:
    context = event["requestContext"]
    return str(context.get("authorizer", {}).get("sessionId", "")), str(context["connectionId"])


def _answer(status: int, body: str) -> dict[str, Any]:
    return {"statusCode": status, "body": body}
