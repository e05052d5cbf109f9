"""Who may speak with the console: whoever sits at this computer, came by the printed address, and sends its own pages' forms."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakSet

from aiohttp import web

COOKIE = "fleet-console"
LIVE, ENTER = "/live", "/enter"
LET_IN = web.RequestKey("let_in", bool)
"""Of a request that brought the session's cookie."""
LONGEST_BODY = 4 << 20
"""Bytes of a request's body: the longest of a message, each of whose bytes may be spelt with three."""
TO_ENTER, MOST_WAITING = 30.0, 100
NONCE = web.RequestKey("nonce", str)
NOBODY = -1
ROOT = 0
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""Linux's connections and whose they are: https://docs.kernel.org/networking/proc_net_tcp.html"""
SAFE = ("GET", "HEAD")

_MAPPED = "0000000000000000FFFF0000"
"""Before an IPv4 address in a table of IPv6."""
End = tuple[str, int]
"""An address and a port."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def holder(lines: Iterable[str], far: End, near: End) -> int:
    """The uid of whoever holds the far end of a connection, by lines of `TABLES`; NOBODY where no process does: what was closed is shown
    as root's.
    """
    ends = [f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}" for host, port in (far, near)]
    between = " ".join(ends)
    for line in lines:
        if between in line.replace(f" {_MAPPED}", " "):
            uid, _, inode = line.split()[7:10]
            return int(uid) if inode != "0" else NOBODY
    return NOBODY


def is_ours(far: End, near: End) -> bool:
    """Whether this user, or root, holds the far end; True where the system does not tell."""
    tables = [each for each in TABLES if each.is_file()]
    lines = (line for each in tables for line in each.read_text().splitlines())
    return not tables or holder(lines, far, near) in (os.geteuid(), ROOT)


@dataclass
class Lobby:
    """Connections that have not brought the session's cookie yet. Each has TO_ENTER seconds for it, and the oldest of more than
    MOST_WAITING makes room: who opens thousands and says nothing keeps nobody out.
    """

    _waiting: dict[asyncio.BaseTransport, asyncio.TimerHandle] = field(default_factory=dict, repr=False)

    def come(self, connection: asyncio.Transport) -> None:
        self._waiting[connection] = asyncio.get_running_loop().call_later(TO_ENTER, connection.abort)
        if len(self._waiting) > MOST_WAITING:
            oldest = next(iter(self._waiting))
            self.leave(oldest)
            oldest.abort()  # type: ignore[attr-defined]  # as `come` took it

    @property
    def count(self) -> int:
        return len(self._waiting)

    def leave(self, connection: asyncio.BaseTransport | None) -> None:
        """It is let in, or gone."""
        if connection is not None and (timer := self._waiting.pop(connection, None)) is not None:
            timer.cancel()


@dataclass
class Door:
    """One console's address (`127.0.0.1:PORT`), the token that opens it once, and the session that it opens. `is_ours` answers whether
    the far end of a connection (then the near one) is this user's.
    """

    address: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    is_ours: Callable[[End, End], bool] = is_ours
    lobby: Lobby = field(default_factory=Lobby, repr=False)
    _known: WeakSet[asyncio.BaseTransport] = field(default_factory=WeakSet, repr=False)

    @property
    def cookie(self) -> str:
        """Its own name for each port: a browser gives a host's cookies to all its ports, also to those where others listen."""
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
        - A connection of this user (else 403): the cookie is shown to every server on 127.0.0.1, and some are of other users.
        - GET and HEAD change nothing, but some start a command that reads much: what a page of another origin embeds or fetches is
          refused (403), a link on it that a person follows is not.
        - POST comes from a page of this console, as the browser itself says (else 403). What sends no
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
        self._of_this_user(request)
        self.lobby.leave(request.transport)
        request[LET_IN] = True
        if request.method in SAFE:
            self._asked_by_a_person(request)
            return await handler(request)
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, [*SAFE, "POST"])
        if request.headers.getall("Sec-Fetch-Site", []) != ["same-origin"]:
            raise web.HTTPForbidden(text="this was not sent by a page of this console; scripts have `fleet dlq`")
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPUnsupportedMediaType(text="the console reads plain forms alone")
        return await handler(request)

    def _entered(self, request: web.Request) -> web.StreamResponse:
        self._of_this_user(request)
        if request.method != "GET" or not self.may_enter(request.query.get("token", "")):
            raise web.HTTPUnauthorized
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(self.cookie, self.session, httponly=True, samesite="Strict", path="/")
        return answer

    def _asked_by_a_person(self, request: web.Request) -> None:
        """Raises HTTPForbidden. A page on another port of 127.0.0.1 is of the same site, and its requests bring the cookie."""
        site, *how = (request.headers.get(f"Sec-Fetch-{name}") for name in ("Site", "Mode", "Dest", "User"))
        if site in (None, "same-origin", "none") or how == ["navigate", "document", "?1"]:
            return
        raise web.HTTPForbidden(text="a page of another origin asked for this; open it yourself")

    def _of_this_user(self, request: web.Request) -> None:
        """Raises HTTPForbidden."""
        connection = request.transport
        if connection is None:
            raise web.HTTPForbidden(text="the connection is closed")
        if connection in self._known:
            return
        if not self.is_ours(connection.get_extra_info("peername"), connection.get_extra_info("sockname")):
            raise web.HTTPForbidden(
                text="another user of this computer began the console, and it answers that one alone"
            )
        self._known.add(connection)


def nonce(request: web.BaseRequest) -> str:
    """Of this answer's script and style alone."""
    if NONCE not in request:
        request[NONCE] = secrets.token_urlsafe(16)
    return request[NONCE]


async def sealed(request: web.Request, answer: web.StreamResponse) -> None:
    """As a signal of the application."""
    seal(request, answer)


def seal(request: web.BaseRequest, answer: web.StreamResponse) -> None:
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
