"""One POST to an endpoint that nobody here controls: bounded in time and size, guarded, and never followed elsewhere."""

from __future__ import annotations

import base64
import errno
import ssl
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import aiohttp

from workers.webhook_delivery.egress.guard import (
    AddressRefused,
    GuardedResolver,
    PoolResolver,
    guarded_socket,
    url_fault,
)
from workers.webhook_delivery.rules import Reply

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

KEPT: Final = 8192
"""Bytes of an answer's body that are kept."""
CUT: Final = "…[cut]"

CONNECT_SECONDS: Final = 5.0
"""For one address to accept the connection and its TLS handshake; a name may have several."""
IDLE_SECONDS: Final = 4.0
"""How long an unused connection is kept: less than Node's five, so that we close it and not the endpoint as we write."""
LONGEST_HEADER: Final = 8190
MOST_HEADERS: Final = 128

_OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""This machine has run out of something: not the customer's fault, so it is raised and the pipeline tries again."""


class Sender:
    """Posts through one long-lived session. A customer's failure is a Reply with status 0 and an error class."""

    def __init__(self, session: aiohttp.ClientSession, *, allow_loopback: bool) -> None:
        self._session = session
        self._allow_loopback = allow_loopback

    async def __call__(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Reply:
        """Raises OSError only where this machine itself has run out of sockets, ports or memory.

        The status counts as soon as the answer's headers are here: an endpoint that said 200 and then stalls has the
        event, and only the stored body is cut short.
        """
        if url_fault(url, allow_loopback=self._allow_loopback) is not None:
            return Reply(status=0, error="url_refused")
        try:
            # Not a redirect's target: it was not registered, and a 302 would turn the POST into a GET without a body.
            response = await self._session.post(url, data=body, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(status=0, error=error_class(error))
        kept, whole = await _read(response)
        return Reply(
            status=response.status,
            retry_after=response.headers.get("Retry-After"),
            body=excerpt(kept, cap=KEPT, whole=whole),
        )


@asynccontextmanager
async def open_sender(
    *, allow_loopback: bool, seconds: float, connections: int, resolver: AbstractResolver | None = None
) -> AsyncIterator[Sender]:
    """A Sender of at most `seconds` for each POST. `connections` is how many may be in use at once: no fewer than the
    worker has slots, or waiting for one would be booked as an endpoint's time-out.

    `resolver` stands in for the system's; the guard is wrapped around it.
    """
    threads = ThreadPoolExecutor(max_workers=connections, thread_name_prefix="webhook-dns")
    try:
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(resolver or PoolResolver(threads), allow_loopback=allow_loopback),
            socket_factory=guarded_socket(allow_loopback=allow_loopback),
            limit=connections,
            limit_per_host=connections,
            keepalive_timeout=IDLE_SECONDS,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy would dial for us, behind the guard
            auto_decompress=False,  # 48 kB of gzip can be 50 MB
            headers={"Accept-Encoding": "identity"},
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            max_headers=MOST_HEADERS,
            timeout=aiohttp.ClientTimeout(
                total=seconds,
                sock_connect=min(CONNECT_SECONDS, seconds),
                sock_read=seconds,
                ceil_threshold=3600,  # else aiohttp rounds long time-outs up to the clock's next second
            ),
        )
        async with session:
            yield Sender(session, allow_loopback=allow_loopback)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # a look-up that hangs must not hold up the event loop


def error_class(error: Exception) -> str:
    """One word for what went wrong. Raises `error` itself where the fault is this machine's."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno in _OURS:
        raise error
    for kinds, word in _WORDS:
        if isinstance(cause, kinds) or isinstance(error, kinds):
            return word
    return "protocol_error"


_WORDS: Final[tuple[tuple[tuple[type[Exception], ...], str], ...]] = (
    ((AddressRefused,), "address_refused"),
    ((aiohttp.ClientConnectorDNSError, UnicodeError), "dns_error"),  # a label may be too long to be asked for
    ((aiohttp.ClientSSLError, ssl.SSLError, ssl.CertificateError), "tls_error"),
    ((TimeoutError,), "timeout"),
    ((ConnectionRefusedError,), "connection_refused"),
    ((aiohttp.InvalidURL,), "url_refused"),
    ((ConnectionError, aiohttp.ServerDisconnectedError), "connection_reset"),
    ((aiohttp.ClientConnectorError,), "unreachable"),
    ((aiohttp.ClientOSError,), "connection_reset"),
)


def excerpt(body: bytes, *, cap: int, whole: bool = True) -> str | None:
    """At most `cap` bytes of an answer as text, base64 where it is not UTF-8; ends in `CUT` where something is missing."""
    if not body and whole:
        return None
    if whole and len(body) <= cap:
        text = _text(body)
        return text if text is not None else _in_base64(body, cap=cap, whole=True)
    room = min(len(body), cap - len(CUT.encode()))
    for split in range(4):  # the cut may have split a character, which has four bytes at most
        text = _text(body[: max(0, room - split)])
        if text is not None:
            return text + CUT
    return _in_base64(body, cap=cap, whole=False)


def _in_base64(body: bytes, *, cap: int, whole: bool) -> str:
    text = "base64:" + base64.b64encode(body).decode()
    return text if whole and len(text) <= cap else text[: cap - len(CUT.encode())] + CUT


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


async def _read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """The body up to one byte more than is kept, and whether that is all; what is left unread closes the connection."""
    body = b""
    try:
        while len(body) <= KEPT:
            chunk = await response.content.read(KEPT + 1 - len(body))
            if not chunk:
                return body, True
            body += chunk
    except (aiohttp.ClientError, OSError):
        return body, False
    finally:
        response.close()  # at the body's end the connection has gone back to the pool already
    return body, False
