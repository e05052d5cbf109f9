"""Kept HTTP/1.1 connections to one endpoint, at the level of asyncio's protocols: one request at a time on each."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.aws.answers.head import LONGEST_HEAD, START, Unread, form_of, is_last, length_of, may_be_usual
from shared.clock import lease_time

if TYPE_CHECKING:  # else loaded where an answer is not a usual one: its import takes as long as all the rest of a start
    from aiohttp.client_proto import ResponseHandler

SHORT = 10.0
"""Seconds of silence after which a call that the server does not hold open is given up and tried again."""
KEPT = 12.0
"""Seconds that a connection without work is kept: as long as aiobotocore keeps its own. Counted also while this machine sleeps, for
meanwhile it may have died in silence, and whoever used it first would wait for nobody.
"""
SLOWEST = 100_000
"""Bytes of a request that go out in a second at least: an answer is waited for as much longer as these take (TLS does not tell how far it is)."""
RACE = 0.25
"""Seconds after which a name's next address is tried beside the first, as aiohttp does (RFC 8305)."""


class NotConnected(Exception):
    """No connection could be made, so nothing was sent: whoever tries next will learn the reason."""


class Answer(NamedTuple):
    """An answer's status, its head and its body. One that is not usual was read by aiohttp."""

    status: int
    head: bytes
    content: bytes
    is_usual: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """Where connections go; `tls` is None for plain HTTP; times in seconds, `silence` between two pieces of an answer."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    connect: float
    silence: float
    most: int

    def short(self) -> Target:
        """The same for calls that are answered at once."""
        return replace(self, silence=min(self.silence, SHORT))

    def held(self) -> Target:
        """The same for calls that the server holds open: none of them waits for a place."""
        return replace(self, most=sys.maxsize)


class Connections:
    """As many connections as there are requests at once, up to `most`; the one used last is used next. `clock` in seconds."""

    def __init__(self, target: Target, *, clock: Callable[[], float] = lease_time) -> None:
        self._target = target
        self._clock = clock
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(target.most)
        self._closed = False

    async def exchange(self, request: bytes, *, is_bodiless: bool = False, most: int | None = None) -> Answer:
        """Send a whole request and read its answer, which has no body where the request asks for its head alone. `most`: bytes of a
        success's body.

        Raises NotConnected, Unread, or aiohttp's error for what happened to the connection.
        """
        async with self._places:
            connection = self._take_idle() or await self._connect()
            reusable = False
            try:
                answer = await connection.exchange(request, is_bodiless=is_bodiless, most=most)
                reusable = not connection.closing
            finally:
                if reusable and not self._closed:
                    connection.idle_since = self._clock()
                    self._idle.append(connection)
                else:
                    connection.close()
        return answer

    async def close(self) -> None:
        """Close what is idle now, and the others as they end."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take_idle(self) -> Connection | None:
        oldest = self._clock() - KEPT
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since > oldest and not connection.closing:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        target, loop = self._target, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(target.connect):
                _, connection = await loop.create_connection(
                    lambda: Connection(target.silence),
                    target.host,
                    target.port,
                    ssl=target.tls,
                    happy_eyeballs_delay=None if _is_address(target.host) else RACE,
                )
        except OSError as error:  # a time that ran out is one too
            raise NotConnected from error
        return connection


class Connection(asyncio.Protocol):
    """One connection. It reads answers that say how long they are; whatever else comes is aiohttp's to read, and its last."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer | ResponseHandler] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._need = 0
        self._is_bodiless = False
        self._most: int | None = None
        self._form: re.Pattern[bytes] | None = None
        self.used_at = 0.0
        self.idle_since = 0.0
        self.closing = False

    async def exchange(self, request: bytes, *, is_bodiless: bool = False, most: int | None = None) -> Answer:
        if self._transport is None or self.closing:
            raise NotConnected
        self._answer = self._loop.create_future()
        self._buffer, self._need, self._is_bodiless, self._most = b"", 0, is_bodiless, most
        self.used_at = self._loop.time() + len(request) / SLOWEST
        if self._timer is None:
            self._timer = self._loop.call_at(self.used_at + self._silence, self._look)
        self._transport.write(request)
        try:
            answer = await self._answer
        finally:
            self._answer = None
        if isinstance(answer, Answer):
            return answer
        from shared.aws.answers.unusual import read_on

        return Answer(*await read_on(answer, is_limited=most is not None), is_usual=False)

    def close(self) -> None:
        self.closing = True
        if self._transport is not None:
            self._transport.abort()  # nothing is left to be sent, and TLS's farewell would keep the socket open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.used_at = self._loop.time()
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked
            return
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) < self._need:
            return
        end = self._buffer.find(b"\r\n\r\n")
        begun = len(self._buffer) if end < 0 else end
        if end >= 0 and begun <= LONGEST_HEAD and self._buffer.startswith(START):
            self._read(end)
        elif begun > LONGEST_HEAD or not may_be_usual(self._buffer):
            self._hand_over()

    def _read(self, end: int) -> None:
        found = None if self._form is None or self._is_bodiless else self._form.fullmatch(self._buffer, 0, end)
        length = int(found[1]) if found is not None else self._length(end)
        if length is None or len(self._buffer) > end + 4 + length:
            self._hand_over()
            return
        if self._most is not None and length > self._most and self._buffer[9:10] == b"2":
            self.closing = True
            if self._answer is not None and not self._answer.done():
                self._answer.set_exception(Unread())
            return
        self._need = end + 4 + length
        if len(self._buffer) < self._need:
            return
        head = self._buffer[:end]
        self._settle(Answer(int(head[9:12]), head, self._buffer[end + 4 : self._need]))

    def _length(self, end: int) -> int | None:
        """Bytes of the body, by a look at the whole head; the next heads are compared with it."""
        head = self._buffer[:end]
        lower = head.lower()
        length = length_of(head, lower, is_bodiless=self._is_bodiless)
        self.closing = self.closing or is_last(lower)
        if length is not None and self._form is None and not (self._is_bodiless or self.closing):
            self._form = form_of(head)
        return length

    def _hand_over(self) -> None:
        """What comes now is read as botocore's own would be; nothing follows it on this connection."""
        self.closing = True
        if self._transport is not None:
            from shared.aws.answers.unusual import take_over

            self._settle(take_over(self._transport, self._buffer, silence=self._silence, is_bodiless=self._is_bodiless))

    def _settle(self, answer: Answer | ResponseHandler) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def eof_received(self) -> None:
        """The server sends no more answers, and the connection ends of itself, turns of the loop later: what is written meanwhile is lost without a word."""
        self.closing = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(exc, OSError):
            self._fail("ClientOSError", *exc.args)
        elif self._need:
            self._fail("ClientPayloadError", "an answer without its end")
        else:
            self._fail("ServerDisconnectedError")

    def _look(self) -> None:
        """Whether it has been silent for too long. One timer serves all exchanges that begin before it ends."""
        self._timer = None
        ends = self.used_at + self._silence
        if self._answer is None:
            return  # nothing is waited for
        if ends <= self._loop.time():
            self._fail("SocketTimeoutError", "Timeout on reading data from socket")
        else:
            self._timer = self._loop.call_at(ends, self._look)

    def _fail(self, kind: str, *about: Any) -> None:
        self.closing = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(_failure(kind, *about))


def _failure(kind: str, *about: Any) -> Exception:
    """Aiohttp's error of this kind: botocore knows what to make of it."""
    from shared.aws.answers.unusual import failure

    return failure(kind, *about)


def failures() -> tuple[type[Exception], ...]:
    """Aiohttp's errors for what happened to a connection: to be asked where something was raised, as none was before it is loaded."""
    aiohttp = sys.modules.get("aiohttp")
    return () if aiohttp is None else (aiohttp.ClientError,)


def times(service: str, silence: float | None) -> tuple[float, float]:
    """Seconds to connect to a service, and of silence, which may be given: twice the longest poll; elsewhere all tries of a service
    that is silent end inside a handler's time.
    """
    return 5.0 if service == "sqs" and silence is None else 2.0, silence or (40.0 if service == "sqs" else 5.0)


def _is_address(host: str) -> bool:
    """An address has nothing to race against; asyncio would leave a coroutine behind for it that never ran."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
