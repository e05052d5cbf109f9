"""Who may speak with the console: whoever sits at this computer, came by the printed address, and sends its own pages' forms."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

COOKIE = "fleet-console"
LIVE, ENTER = "/live", "/enter"
LET_IN = web.RequestKey("let_in", bool)
"""Of a request that brought the session's cookie."""
LONGEST_BODY = 4 << 20
"""Bytes of a request's body: the longest of a message, each of whose bytes may be spelt with three."""
NONCE = web.RequestKey("nonce", str)
SAFE = ("GET", "HEAD")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Door:
    """One console's address (`127.0.0.1:PORT`), the token that opens it once, and the session that it opens."""

    address: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def cookie(self) -> str:
        """Its own for each port: a browser gives a host's cookies to all its ports."""
        return f"{COOKIE}-{self.address.rpartition(':')[2]}"

    @property
    def url(self) -> str:
        """To be printed, and good once."""
        return f"http://{self.address}{ENTER}?token={self.token}"

    def may_enter(self, token: str) -> bool:
        """Whether this is the token, for the first time."""
        known, is_it = self.token, _equal(token, self.token)
        if is_it:
            self.token = ""
        return bool(known) and is_it

    def knows(self, request: web.Request) -> bool:
        return _equal(request.cookies.get(self.cookie, ""), self.session)

    @web.middleware
    async def guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through, or answer it here; the first rule that it breaks decides.

        - Host is exactly the address that was bound (else 400): a foreign name that resolves to 127.0.0.1 is none.
        - The session's cookie (else 401), but for a sign of life without content and for the printed address.
        - GET and HEAD change nothing; POST comes from a page of this console, as the browser itself says (else 403). What sends no
          Sec-Fetch-Site is no browser: there is the command line for that.
        """
        if request.headers.getall("Host", []) != [self.address]:
            raise web.HTTPBadRequest(text="Invalid host header")
        if request.path == LIVE:
            return web.Response(status=204)
        if request.path == ENTER:
            return self._entered(request)
        if not self.knows(request):
            raise web.HTTPUnauthorized
        request[LET_IN] = True
        if request.method in SAFE:
            return await handler(request)
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, [*SAFE, "POST"])
        if request.headers.getall("Sec-Fetch-Site", []) != ["same-origin"]:
            raise web.HTTPForbidden(text="this was not sent by a page of this console; scripts have `fleet dlq`")
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPUnsupportedMediaType(text="the console reads plain forms alone")
        return await handler(request)

    def _entered(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET" or not self.may_enter(request.query.get("token", "")):
            raise web.HTTPUnauthorized
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(self.cookie, self.session, httponly=True, samesite="Strict", path="/")
        return answer


def nonce(request: web.Request) -> str:
    """Of this answer's script and style alone."""
    if NONCE not in request:
        request[NONCE] = secrets.token_urlsafe(16)
    return request[NONCE]


async def sealed(request: web.Request, answer: web.StreamResponse) -> None:
    """The headers of every answer: nothing is loaded from elsewhere, framed, kept or told to others."""
    own = f"'nonce-{nonce(request)}'"
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src {own}; style-src {own}; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Server"] = "fleet"


def _equal(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), known.encode())
