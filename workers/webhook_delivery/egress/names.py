"""The addresses of customers' names: looked up once for all who ask at the same time, and used again for a few seconds."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, Final

from workers.webhook_delivery.egress.guard import AddressRefused

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver, ResolveResult

LOOK_UP_SECONDS: Final = 5.0
"""For which one delivery waits for a name's addresses."""
ANSWERS_KEPT: Final = 10.0
"""Seconds for which a name's addresses are used again; each is judged at every dial all the same."""
MOST_NAMES: Final = 2_000

OURS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""This machine has run out of something: not the customer's fault, so it is raised and the pipeline tries again."""

Address = tuple[Any, ...]
"""As socket.getaddrinfo gives it: family, kind, protocol, name, and what the socket connects to."""


class NoAddress(OSError):
    """A name has no address, or its name servers did not answer in time."""


class Names:
    """Looks names up: through `resolver` those that have answered, through `strangers` all others.

    A look-up that hangs holds one thread, for longer than any delivery waits: whoever asks for the same name meanwhile
    waits for the same look-up, and names that have answered do not wait behind it.
    """

    def __init__(self, resolver: AbstractResolver, strangers: AbstractResolver | None = None) -> None:
        self._resolver = resolver
        self._strangers = strangers or resolver
        self._answered: dict[tuple[str, int], None] = {}
        self._found: dict[tuple[str, int], asyncio.Task[list[ResolveResult]]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Of a name or a literal, IPv4 first. Raises AddressRefused, NoAddress, UnicodeError, or OSError where this machine
        has run out of something.
        """
        if (literal := _literal(host, port)) is not None:
            return [literal]
        looked_up = self._found.get((host, port)) or self._look_up(host, port)
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                answers = await asyncio.shield(looked_up)
        except TimeoutError as error:
            self._answered.pop((host, port), None)
            raise NoAddress("no name server answered in time") from error
        except (AddressRefused, UnicodeError):
            raise
        except OSError as error:
            if error.errno in OURS:
                raise
            raise NoAddress("the name has no address") from error
        found = [_of(answer) for answer in answers]
        return sorted(found, key=lambda address: address[0] != socket.AF_INET)

    def close(self) -> None:
        """Nobody waits any more for what is being looked up."""
        for task in self._found.values():
            task.cancel()

    def _look_up(self, host: str, port: int) -> asyncio.Task[list[ResolveResult]]:
        resolver = self._resolver if (host, port) in self._answered else self._strangers
        task = asyncio.create_task(resolver.resolve(host, port, socket.AF_UNSPEC))
        self._found[host, port] = task
        task.add_done_callback(lambda ended: self._keep(host, port, ended))
        while len(self._found) > MOST_NAMES:
            del self._found[next(iter(self._found))]
        return task

    def _keep(self, host: str, port: int, ended: asyncio.Task[list[ResolveResult]]) -> None:
        self._answered.pop((host, port), None)
        if ended.cancelled() or ended.exception() is not None:
            self._drop(host, port, ended)
        else:
            self._answered[host, port] = None
            if len(self._answered) > MOST_NAMES:
                del self._answered[next(iter(self._answered))]
            asyncio.get_running_loop().call_later(ANSWERS_KEPT, self._drop, host, port, ended)

    def _drop(self, host: str, port: int, ended: asyncio.Task[list[ResolveResult]]) -> None:
        if self._found.get((host, port)) is ended:
            del self._found[host, port]


def _literal(host: str, port: int) -> Address | None:
    try:
        given = ipaddress.ip_address(host)
    except ValueError:
        return None
    if given.version == 4:
        return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0))


def _of(answer: ResolveResult) -> Address:
    place = (answer["host"], answer["port"])
    return (answer["family"], socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)
