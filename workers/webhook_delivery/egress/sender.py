"""One POST to an endpoint that nobody here controls: bounded in time and size, guarded, and never followed elsewhere."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import yarl

from workers.webhook_delivery.egress.answer import KEPT, Answer, BadAnswer, read
from workers.webhook_delivery.egress.connections import Connection, Connections, Origin
from workers.webhook_delivery.egress.guard import (
    AddressRefused,
    GuardedResolver,
    PoolResolver,
    guarded_socket,
    url_fault,
)
from workers.webhook_delivery.egress.names import OURS, Names, NoAddress
from workers.webhook_delivery.rules import Reply

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

CUT: Final = "…[cut]"
HANGING: Final = 5
"""Look-ups of names that never answer, under way for each connection: four fifths of the connections begin one in LOOK_UP_SECONDS, and
the system's resolver gives one up after 30 s (three servers, each asked twice for 5 s).
"""

_AFTER_AUTHORITY: Final = re.compile(r"[/?#]")
_LINE_BREAK: Final = re.compile(r"[\r\n\0]")


class Sender:
    """Posts over kept connections. A customer's failure is a Reply with status 0 and an error class."""

    def __init__(self, connections: Connections, *, allow_loopback: bool, seconds: float) -> None:
        self._connections = connections
        self._allow_loopback = allow_loopback
        self._seconds = seconds

    async def __call__(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Reply:
        """Raises OSError only where this machine itself has run out of sockets, ports or memory.

        The status counts as soon as its line is here: an endpoint that said 200 and then stalls, or sends nonsense, has
        the event, and only the stored body is cut short. A redirect's target is never called: it was not registered.
        """
        if url_fault(url, allow_loopback=self._allow_loopback) is not None:
            return Reply(status=0, error="url_refused")
        origin, head = _origin(url), _head(url, headers, len(body))
        answer = Answer()
        try:
            async with asyncio.timeout(self._seconds):
                await self._post(origin, head + body, answer)
        except (OSError, ValueError) as error:
            if not answer.status:
                return Reply(status=0, error=error_class(error))
        kept = excerpt(bytes(answer.body), cap=KEPT, whole=answer.is_whole)
        return Reply(status=answer.status, retry_after=answer.retry_after, body=kept)

    async def _post(self, origin: Origin, request: bytes, answer: Answer) -> None:
        """Over a kept connection, if there is one. Where its peer had closed it, and provably got nothing, over another."""
        while (kept := self._connections.kept(origin)) is not None:
            try:
                return await self._exchange(kept, origin, request, answer)
            except ConnectionError:
                if not kept.took_nothing:
                    raise
        return await self._exchange(await self._connections.dial(origin), origin, request, answer)

    async def _exchange(self, connection: Connection, origin: Origin, request: bytes, answer: Answer) -> None:
        try:
            connection.write(request)
            await read(connection, answer)
        finally:
            if answer.is_last:
                connection.close()
            else:
                self._connections.keep(connection, origin)


@asynccontextmanager
async def open_sender(
    *, allow_loopback: bool, seconds: float, connections: int, resolver: AbstractResolver | None = None
) -> AsyncIterator[Sender]:
    """A Sender of at most `seconds` for each POST. `connections`: about how many are in use at once; as many idle ones are
    kept, as many names looked up that have answered before, and HANGING times as many others: a look-up that hangs outlasts its POST.

    `resolver` stands in for the system's; the guard is wrapped around it.
    """
    threads = ThreadPoolExecutor(max_workers=connections, thread_name_prefix="webhook-dns")
    others = ThreadPoolExecutor(max_workers=HANGING * connections, thread_name_prefix="webhook-dns-new")
    tls = ssl.create_default_context()
    tls.set_alpn_protocols(["http/1.1"])
    known, strangers = (
        GuardedResolver(resolver or PoolResolver(pool), allow_loopback=allow_loopback) for pool in (threads, others)
    )
    kept = Connections(
        Names(known, strangers),
        make_socket=guarded_socket(allow_loopback=allow_loopback),
        tls=tls,
        most=connections,
    )
    try:
        yield Sender(kept, allow_loopback=allow_loopback, seconds=seconds)
    finally:
        kept.close()
        for pool in (threads, others):
            pool.shutdown(wait=False, cancel_futures=True)  # a look-up that hangs must not hold up the event loop


def error_class(error: Exception) -> str:
    """One word for what went wrong. Raises `error` itself where the fault is this machine's."""
    if isinstance(error, OSError) and error.errno in OURS:
        raise error
    return next((word for kinds, word in _WORDS if isinstance(error, kinds)), "protocol_error")


_WORDS: Final[tuple[tuple[tuple[type[Exception], ...], str], ...]] = (
    ((AddressRefused,), "address_refused"),
    ((NoAddress, UnicodeError), "dns_error"),  # a label may be too long to be asked for
    ((ssl.SSLError, ssl.CertificateError), "tls_error"),
    ((TimeoutError,), "timeout"),
    ((ConnectionRefusedError,), "connection_refused"),
    ((ConnectionError,), "connection_reset"),
    ((BadAnswer,), "protocol_error"),
    ((OSError,), "unreachable"),
)


def _origin(url: str) -> Origin:
    parsed = yarl.URL(url)
    return Origin(str(parsed.raw_host), int(parsed.port or 0), is_tls=parsed.scheme == "https")


def _head(url: str, headers: Mapping[str, str], length: int) -> bytes:
    """The URL's path and query are those that were registered, byte for byte."""
    parsed = yarl.URL(url)
    after = url.partition("//")[2]
    start = _AFTER_AUTHORITY.search(after)
    target = after[start.start() :].partition("#")[0] if start else ""
    port = "" if parsed.is_default_port() else f":{parsed.port}"
    lines = {
        "Host": f"{parsed.host_subcomponent}{port}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",  # 48 kB of gzip can be 50 MB
        **headers,
        "Content-Length": str(length),
    }
    if any(_LINE_BREAK.search(value) for value in lines.values()):
        raise ValueError("a header holds a line break")
    head = [f"POST {target if target[:1] == '/' else f'/{target}'} HTTP/1.1", *(f"{k}: {v}" for k, v in lines.items())]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")


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
