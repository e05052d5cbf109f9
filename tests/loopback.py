"""The tests' own wall: nothing in this process may reach beyond the loopback interface."""

import ipaddress
import sys
from typing import Any


class LeftTheMachine(Exception):
    """A test tried to reach another machine."""


attempts: list[str] = []
"""Every refused contact; the code under test may have swallowed the exception, this list has not."""


def stay() -> None:
    """Refuse, from now on and for good (an audit hook cannot be taken back), every contact beyond loopback."""
    sys.addaudithook(_watch)


def is_local(host: object) -> bool:
    """Whether `host`, a name or an address as given to the socket module, is this machine."""
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in {"", "localhost"} or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or (mapped is not None and bool(mapped.is_loopback))


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not is_local(host):
        attempts.append(f"{event} {host!r}")
        raise LeftTheMachine(f"{event} {host!r}: tests stay on the loopback interface")
