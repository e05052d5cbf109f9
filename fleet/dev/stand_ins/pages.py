"""Which requests of a browser the stand-ins take: those of their own page, and the WebSocket of one that this machine serves."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler


@web.middleware
async def closed_to_other_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse with 403 what a page from elsewhere sends, directly or under a name that it makes point to this machine."""
    if not is_own_name(request.host):
        raise web.HTTPForbidden(text="the Host is another one's")
    origin = request.headers.get("Origin")
    is_ours = origin == f"http://{request.host}" or is_websocket(request)
    if origin is not None and not (is_ours and is_loopback(origin)):
        raise web.HTTPForbidden(text="web pages of other origins have no business here")
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge as refusal:
        # Not raised on: while the rest of the body is awaited, for ten seconds, the error would keep what was read of it.
        return web.Response(status=refusal.status, text=refusal.text)


def is_own_name(host: str) -> bool:
    """Whether this host can be meant: an address, or a name without a dot, which no public name server answers for."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return bool(name) and ("." not in name or _is_address(name))


def is_loopback(origin: str) -> bool:
    """Whether a page of this origin was served by this machine."""
    try:
        name = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
