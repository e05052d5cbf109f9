"""Connections to customers: looked up, guarded, dialled, kept for a while and used again."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from workers.webhook_delivery.egress.answer import Ended
from workers.webhook_delivery.egress.guard import AddressRefused
from workers.webhook_delivery.egress.names import OURS, Address, Names, NoAddress

CONNECT_SECONDS: Final = 5.0
"""For one address to accept the connection, and as long for the TLS handshake."""
IDLE_SECONDS: Final = 4.0
"""How long an unused connection is kept: less than Node's five, so that we close it and not the endpoint as we write."""
LONGEST_LIFE: Final = 60.0
"""Seconds after which a connection is not used again: a customer who moves to another address is followed."""

_LARGEST_BUFFER: Final = 65_536
_BYTES_ACKED: Final = slice(120, 128)
"""tcpi_bytes_acked in Linux's struct tcp_info (since 4.1)."""


class Origin(NamedTuple):
    """Where a connection leads."""

    host: str
    port: int
    is_tls: bool


class Connection(asyncio.Protocol):
    """What came over one connection and is not read yet. `is_spent`: it has ended, or more came than was asked for."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.is_used = False
        self.is_spent = False
        self.began = self.rested = asyncio.get_running_loop().time()
        self._transport: asyncio.Transport | None = None
        self._more: asyncio.Future[None] | None = None
        self._in_use = True
        self._error: Exception | None = None
        self._acked: int | None = None
        self._heard = False
        self._took_nothing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self.buffer += data
        if not self._in_use:
            self.close()
        elif len(self.buffer) > _LARGEST_BUFFER and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._error = exc
        self._end()

    def write(self, request: bytes) -> None:
        """Begin a request; whatever came before it does not answer it."""
        assert self._transport is not None
        self._in_use, self._heard = True, False
        self._acked = _acked(self._transport)
        self._transport.write(request)

    def rest(self) -> None:
        """The answer was read to its end."""
        self._in_use, self.is_used = False, True
        self.rested = asyncio.get_running_loop().time()

    async def more(self) -> None:
        """Wait for more bytes. Raises ConnectionError at the connection's end."""
        if self.is_spent:
            raise self._error if isinstance(self._error, OSError) else Ended("the peer has closed it")
        assert self._transport is not None
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self._more = asyncio.get_running_loop().create_future()
        try:
            await self._more
        finally:
            self._more = None

    @property
    def took_nothing(self) -> bool:
        """Whether it is certain that the peer had closed a used connection before it got a byte of the request: its end
        acknowledges none, and no byte of an answer came.
        """
        return self.is_used and self._took_nothing

    def close(self) -> None:
        self.is_spent = True
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        if not self.is_spent and self._in_use and not self._heard and self._transport is not None:
            self._took_nothing = self._acked is not None and _acked(self._transport) == self._acked
        self.is_spent = True
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


class Connections:
    """Dials, and keeps what can be used again: at most `most` idle connections, for IDLE_SECONDS each."""

    def __init__(
        self,
        names: Names,
        *,
        make_socket: Callable[[Address], socket.socket],
        tls: ssl.SSLContext,
        most: int,
    ) -> None:
        self._names = names
        self._make_socket = make_socket
        self._tls = tls
        self._most = most
        self._idle: dict[Origin, list[Connection]] = {}
        self._idle_of: dict[Connection, Origin] = {}  # in the order in which they came to rest

    def kept(self, origin: Origin) -> Connection | None:
        """The idle connection that was used last; None where there is none."""
        now = asyncio.get_running_loop().time()
        while waiting := self._idle.get(origin):
            found = waiting[-1]
            self._forget(found, origin)
            # A sandbox that was frozen comes here before any timer.
            if not found.is_spent and now - found.began < LONGEST_LIFE and now - found.rested < IDLE_SECONDS:
                return found
            found.close()
        return None

    def keep(self, connection: Connection, origin: Origin) -> None:
        """Keep a connection whose answer was read to its end."""
        if connection.is_spent or connection.buffer:
            connection.close()
            return
        connection.rest()
        self._idle.setdefault(origin, []).append(connection)
        self._idle_of[connection] = origin
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._expire, connection, connection.rested)
        while len(self._idle_of) > self._most:
            oldest, of = next(iter(self._idle_of.items()))
            self._forget(oldest, of)
            oldest.close()

    async def dial(self, origin: Origin) -> Connection:
        """A new connection. Raises AddressRefused, NoAddress, ssl.SSLError or another OSError."""
        fault: OSError = NoAddress("the name has no address")
        for address in await self._names.addresses(origin.host, origin.port):
            try:
                return await self._dial(origin, address)
            except (AddressRefused, ssl.SSLError):
                raise
            except OSError as error:
                fault = _without_ipv6(error, address)
                if fault.errno in OURS:
                    raise
        raise fault

    def close(self) -> None:
        for connection in self._idle_of:
            connection.close()
        self._idle_of.clear()
        self._idle.clear()
        self._names.close()

    async def _dial(self, origin: Origin, address: Address) -> Connection:
        loop = asyncio.get_running_loop()
        made = self._make_socket(address)
        try:
            made.setblocking(False)
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(made, address[4])
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    Connection,
                    sock=made,
                    ssl=self._tls if origin.is_tls else None,
                    server_hostname=origin.host.rstrip(".") if origin.is_tls else None,
                )
        except BaseException:
            made.close()
            raise
        return connection

    def _expire(self, connection: Connection, rested: float) -> None:
        origin = self._idle_of.get(connection)
        if origin is not None and connection.rested == rested:
            self._forget(connection, origin)
            connection.close()

    def _forget(self, connection: Connection, origin: Origin) -> None:
        del self._idle_of[connection]
        self._idle[origin].remove(connection)
        if not self._idle[origin]:
            del self._idle[origin]


def _without_ipv6(error: OSError, address: Address) -> OSError:
    """An address that cannot be had is a port that is used up, but for IPv6: where a machine has none, Linux says the same."""
    if error.errno == errno.EADDRNOTAVAIL and address[0] == socket.AF_INET6:
        return OSError(errno.ENETUNREACH, "no IPv6 here")
    return error


def _acked(transport: asyncio.Transport) -> int | None:
    """Bytes that the peer has acknowledged on this connection so far; None where the system does not tell."""
    try:
        told = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
        return int.from_bytes(told[_BYTES_ACKED], sys.byteorder) if len(told) == _BYTES_ACKED.stop else None
    except (AttributeError, OSError):
        return None
