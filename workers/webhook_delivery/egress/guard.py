"""Which addresses and URLs a webhook may reach: judged on the address that is dialled, for every socket.

A table of our own, because `ipaddress.is_global` changes between Python versions and says yes to NAT64, multicast and
more. Sources: the IANA special-purpose address registries for IPv4 and IPv6.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED_V4 = {
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "carrier-grade NAT",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local and metadata",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "protocol assignments",
    "192.0.2.0/24": "documentation",
    "192.31.196.0/24": "anycast DNS sink",
    "192.52.193.0/24": "tunnel relay",
    "192.88.99.0/24": "6to4 relay",
    "192.168.0.0/16": "private",
    "192.175.48.0/24": "anycast DNS sink",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved and broadcast",
}
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")  # all that IANA has opened for unicast; anything else is refused
_REFUSED_V6 = {
    "2001::/23": "protocol assignments and Teredo",
    "2001:db8::/32": "documentation",
    "2002::/16": "6to4",
    "2620:4f:8000::/48": "anycast DNS sink",
    "3ffe::/16": "returned 6bone",
    "3fff::/20": "documentation",
}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # interface identifiers that carry an IPv4 address (RFC 5214)

_V4 = tuple((ipaddress.IPv4Network(block), reason) for block, reason in _REFUSED_V4.items())
_V6 = tuple((ipaddress.IPv6Network(block), reason) for block, reason in _REFUSED_V6.items())


_SHAPE = re.compile(r"[A-Za-z]+://[^/?#\x00-\x20\x7f]*([/?#][!-~]*)?")  # a host may be written in any script


class AddressRefused(OSError):
    """A webhook was about to reach an address that is not the public internet's."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EACCES, f"address refused: {reason}")


def verdict(address: str | Address, *, allow_loopback: bool = False) -> str | None:
    """None where a webhook may reach `address`, else the reason why not. `allow_loopback` opens loopback and nothing more.

    IPv4-mapped and NAT64 addresses inherit the verdict of the IPv4 address that they carry.
    """
    try:
        given = ipaddress.ip_address(address)
    except ValueError:
        return "no address"
    if isinstance(given, ipaddress.IPv6Address):
        if given.ipv4_mapped is not None:
            return _verdict_v4(given.ipv4_mapped, allow_loopback=allow_loopback)
        return None if allow_loopback and given == ipaddress.IPv6Address("::1") else _verdict_v6(given)
    return _verdict_v4(given, allow_loopback=allow_loopback)


def url_fault(url: str, *, allow_loopback: bool = False) -> str | None:
    """None where `url` may be posted to, else what is wrong with it, in words that quote nothing of it.

    Visible ASCII behind the host, for it is sent as it stands here: what a URL cannot hold is registered percent-encoded.
    https only; plain http is for the development switch. No credentials: they would end in logs. Ports 443, 80 and
    1024 upwards: what listens below 1024 beside the web is mail, shells and name servers, which a POST must not probe.
    """
    if not _SHAPE.fullmatch(url):
        return "malformed, or something that a URL holds percent-encoded only"
    try:
        parsed = yarl.URL(url)
        host, port = parsed.host, parsed.port
    except ValueError:
        return "malformed"
    if parsed.scheme != "https" and not (allow_loopback and parsed.scheme == "http"):
        return "scheme is not https"
    if not host or parsed.user is not None or parsed.password is not None:
        return "credentials in the URL" if host else "no host"
    if port is None or not (port in {80, 443} or 1024 <= port <= 65535):
        return "port is neither 80, 443 nor above 1023"
    return None


def guarded_socket(*, allow_loopback: bool) -> Callable[[tuple[Any, ...]], socket.socket]:
    """The connector's socket factory: sees each concrete address after resolution, literals and all spellings included."""

    def create(address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if family not in {socket.AF_INET, socket.AF_INET6}:
            raise AddressRefused("no internet address")
        reason = verdict(address[0], allow_loopback=allow_loopback)
        if reason is not None:
            raise AddressRefused(reason)
        return socket.socket(family, kind, protocol)

    return create


class GuardedResolver(AbstractResolver):
    """Refuses a name of which any answer is refused: a mixed answer is an attack, or becomes one at the next dial."""

    def __init__(self, inner: AbstractResolver, *, allow_loopback: bool) -> None:
        self._inner = inner
        self._allow_loopback = allow_loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises AddressRefused, or OSError where the name has no address."""
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            reason = verdict(answer["host"], allow_loopback=self._allow_loopback)
            if reason is not None:
                raise AddressRefused(reason)
        if not answers:
            raise OSError(errno.ENOENT, "the name has no address")
        return answers

    async def close(self) -> None:
        """The inner resolver belongs to whoever made it."""


class PoolResolver(AbstractResolver):
    """getaddrinfo in threads of its own: a customer's hanging name server must not hold up our own look-ups."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """The executor belongs to whoever made it."""


def _verdict_v4(address: ipaddress.IPv4Address, *, allow_loopback: bool = False) -> str | None:
    if allow_loopback and address in ipaddress.IPv4Network("127.0.0.0/8"):
        return None
    return next((reason for block, reason in _V4 if address in block), None)


def _verdict_v6(address: ipaddress.IPv6Address) -> str | None:
    carried = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64:
        return _verdict_v4(carried)
    if address not in _GLOBAL_V6:
        return "not in 2000::/3"
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP and (reason := _verdict_v4(carried)) is not None:
        return f"ISATAP to {reason}"
    return next((reason for block, reason in _V6 if address in block), None)
