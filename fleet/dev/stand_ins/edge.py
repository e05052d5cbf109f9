"""The upload worker's edge for development: its own functions behind the gateway's routes, as API Gateway would call them.

Sessions that were written by hand have no secret: here, and only here, their browsers connect without a token.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from fleet.dev.stand_ins.form_post import FormPost
from workers.upload_notification.client import NoSuchSession, Sessions
from workers.upload_notification.edge import calls, socket

Call = Callable[[Mapping[str, Any], Sessions], Awaitable[dict[str, Any]]]

UPLOAD: Final = "/upload"
"""Where the forms are sent."""
PAGE: Final = "/upload.html"

ARN: Final = "arn:aws:execute-api:eu-central-1:000000000000:gateway/dev/$connect"


@dataclass(frozen=True, slots=True)
class Edge:
    """The WebSocket's routes, and `application` with the HTTP calls. `forms` takes the forms that are handed out, None where nobody does."""

    sessions: Sessions
    forms: FormPost | None = None

    async def connect(self, query: Mapping[str, str], connection_id: str) -> bool:
        session_id = query["sessionId"]
        if "token" in query:
            answer = await socket.authorize({"methodArn": ARN, "queryStringParameters": query}, self.sessions)
            is_let_in = answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
        else:
            is_let_in = await self._has_no_secret(session_id)
        if not is_let_in:
            return False
        answer = await socket.connect(_event(session_id, connection_id), self.sessions)
        return bool(answer["statusCode"] == 200)

    async def disconnect(self, session_id: str, connection_id: str) -> None:
        await socket.disconnect(_event(session_id, connection_id), self.sessions)

    async def says(self, session_id: str, connection_id: str, text: str) -> str:
        answer = await socket.resume({**_event(session_id, connection_id), "body": text}, self.sessions)
        return str(answer.get("body", ""))

    async def _has_no_secret(self, session_id: str) -> bool:
        try:
            return not (await self.sessions.show(session_id)).has_secret
        except NoSuchSession:
            return False

    def add_to(self, application: web.Application) -> None:
        """Its HTTP calls, by the paths that they have on AWS."""
        for method, path, call in (
            ("POST", "/sessions", calls.open_session),
            ("GET", "/sessions/{sessionId}", calls.read_session),
            ("POST", "/sessions/{sessionId}/tokens", calls.make_token),
        ):
            application.router.add_route(method, path, self._answering(call))
        application.router.add_get(PAGE, _page)
        if self.forms:
            application.router.add_post(UPLOAD, self.forms.take)

    def _answering(self, call: Call) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            event = {
                "pathParameters": dict(request.match_info),
                "headers": {name.lower(): value for name, value in request.headers.items()},
                "body": b64encode(await request.read()).decode(),  # as API Gateway hands on what may be no text
                "isBase64Encoded": True,
            }
            made = await call(event, self.sessions)
            said = self._with_our_form(made["body"], request) if call is calls.open_session else made["body"]
            return web.Response(status=made["statusCode"], headers=made["headers"], text=said)

        return answer

    def _with_our_form(self, body: str, request: web.Request) -> str:
        """The emulator takes no forms: what was made for it is sent here, beside the call that it came from."""
        document = orjson.loads(body)
        if self.forms and "form" in document:
            document["form"]["url"] = f"{request.url.origin()}{request.path.removesuffix('/sessions')}{UPLOAD}"
        return orjson.dumps(document).decode()


async def _page(_: web.Request) -> web.StreamResponse:
    """The example of a browser, where the fleet runs from its repository."""
    path = Path(__file__).parents[3] / "examples" / "upload.html"
    if not path.is_file():
        raise web.HTTPNotFound
    policy = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self' ws:"
    return web.FileResponse(path, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})


def _event(session_id: str, connection_id: str) -> dict[str, Any]:
    return {"requestContext": {"connectionId": connection_id, "authorizer": {"sessionId": session_id}}}
