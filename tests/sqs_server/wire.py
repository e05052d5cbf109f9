"""HTTP/1.1 as far as AWS's clients speak it: requests with a Content-Length, answered in order on kept connections."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Protocol

REASONS = {200: b"OK", 400: b"Bad Request", 403: b"Forbidden", 404: b"Not Found", 429: b"Too Many Requests", 500: b"Internal Server Error",
           503: b"Service Unavailable"}  # fmt: skip
LARGEST_REQUEST = 8 * 2**20


class Serve(Protocol):
    """Takes a request (its head as it came, and in lower case) and answers it, now or later, through the connection."""

    def __call__(self, connection: "Connection", head: bytes, lower: bytes, body: bytes) -> None: ...


class Connection(asyncio.Protocol):
    """One client's connection. A request that comes while another is being answered waits for its turn."""

    __slots__ = ("_buffer", "_busy", "_connections", "_looping", "_need", "_serve", "_transport", "on_gone")

    def __init__(self, serve: Serve, connections: "set[Connection]") -> None:
        self._serve = serve
        self._connections = connections
        self._buffer = b""
        self._need = 0
        self._busy = False
        self._looping = False
        self._transport: asyncio.Transport | None = None
        self.on_gone: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)
        if self.on_gone is not None:
            self.on_gone()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy and len(self._buffer) >= self._need:
            self._advance()

    def _advance(self) -> None:
        self._looping = True
        while self._buffer and not self._busy and self._transport is not None:
            data = self._buffer
            end = data.find(b"\r\n\r\n")
            if end < 0:
                break
            head = data[:end]
            lower = head.lower()
            total = end + 4 + content_length(lower)
            if total > LARGEST_REQUEST:
                self.reset()
                break
            if len(data) < total:
                self._need = total
                break
            self._need = 0
            self._buffer = data[total:]
            self._busy = True
            self._serve(self, head, lower, data[end + 4 : total])
        self._looping = False

    def reply(self, answer: bytes, *, close: bool = False) -> None:
        """Send a whole answer, head and body; then the next request may come."""
        self.on_gone = None
        if self._transport is None:
            return
        self._transport.write(answer)
        self._busy = False
        if close:
            self._transport.close()
        elif self._buffer and not self._looping:
            self._advance()

    def cut(self, part: bytes) -> None:
        """Send a part of an answer, and hang up."""
        if self._transport is not None:
            self._transport.write(part)
            self._transport.close()

    def reset(self) -> None:
        """Hang up without a word: the client sees a connection reset."""
        if self._transport is not None:
            own: socket.socket = self._transport.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()


def content_length(lower: bytes) -> int:
    """Of a head in lower case; 0 where it names none."""
    return int(header(lower, lower, b"content-length") or 0)


def header(head: bytes, lower: bytes, name: bytes) -> bytes:
    """A header's value as it came; empty where it is absent."""
    start = lower.find(b"\r\n%b:" % name)
    if start < 0:
        return b""
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else None].strip()


def response(status: int, body: bytes, headers: bytes = b"") -> bytes:
    """`headers` are whole lines, each with its line end."""
    return b"HTTP/1.1 %d %b\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        REASONS.get(status, b"Status"),
        headers,
        len(body),
        body,
    )
