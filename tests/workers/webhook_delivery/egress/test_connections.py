"""Connections that are kept: for how long, and what becomes of a request on one that its peer has just closed."""

import asyncio
import errno
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.outcome import is_outage
from tests.waiting import until
from tests.workers.webhook_delivery.egress.servers import FakeResolver, Server, answering, response, serving
from workers.webhook_delivery.egress import connections, names
from workers.webhook_delivery.egress.sender import HANGING, error_class, open_sender
from workers.webhook_delivery.rules import Reply

OK = answering(response(200, b"ok"))


@dataclass
class Hasty:
    """Answers the first request of a connection, and closes it when told, without having read a second."""

    port: int = 0
    connections: int = 0
    close_now: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)


@contextmanager
def hasty() -> Iterator[Hasty]:
    """In a thread of its own: it closes while our loop is not looking."""
    server = Hasty()
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                server.connections += 1
                peer.recv(65_536)
                peer.sendall(response(200, b"ok"))
                server.close_now.wait(10)
            server.closed.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close_now.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux tells what was acknowledged")
async def test_a_request_on_a_connection_that_was_just_closed_goes_over_another_and_is_one_attempt() -> None:
    with hasty() as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
            url = f"http://127.0.0.1:{server.port}/"
            assert await sender(url, headers={}, body=b"1") == Reply(200, body="ok")
            server.close_now.set()
            server.closed.wait(5)  # blocks the loop, which so cannot see the end before it writes
            assert await sender(url, headers={}, body=b"2") == Reply(200, body="ok")
        assert server.connections == 2


async def test_an_idle_connection_that_its_peer_closed_is_not_used_again() -> None:
    async with serving(OK) as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
            await sender(server.url(), headers={}, body=b"")
            kept = next(iter(sender._connections._idle_of))
            kept.eof_received()
            assert await sender(server.url(), headers={}, body=b"") == Reply(200, body="ok")
        assert server.connections == 2


async def test_what_comes_unasked_on_an_idle_connection_is_no_answer_to_the_next_request() -> None:
    def twice(server: Server) -> object:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(response(200, b"ok"))
            await asyncio.sleep(0.02)
            writer.write(response(410, b"smuggled"))
            await reader.read()

        return play

    async with serving(twice) as server:  # type: ignore[arg-type]  # a script like any other
        async with open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
            await sender(server.url(), headers={}, body=b"")
            await until(lambda: not sender._connections._idle_of or next(iter(sender._connections._idle_of)).is_spent)
            assert await sender(server.url(), headers={}, body=b"") == Reply(200, body="ok")
        assert server.connections == 2


@pytest.mark.parametrize("limit", ["LONGEST_LIFE", "IDLE_SECONDS"])
async def test_a_connection_grows_old_and_is_then_replaced(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    async with serving(OK) as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
            await sender(server.url(), headers={}, body=b"")
            monkeypatch.setattr(connections, limit, 0.0)  # also where no timer ran: a sandbox may have been frozen
            await sender(server.url(), headers={}, body=b"")
        assert server.connections == 2


async def test_idle_connections_are_closed_after_a_while_and_are_never_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.2)
    async with serving(OK) as server, open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
        await asyncio.gather(*(sender(server.url(), headers={}, body=b"") for _ in range(5)))
        assert len(sender._connections._idle_of) <= 2
        await until(lambda: not sender._connections._idle_of, what="the end of all idle connections")


async def test_a_name_is_looked_up_once_for_all_who_ask_together() -> None:
    resolver = FakeResolver(["127.0.0.1"])
    async with serving(OK) as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=9, resolver=resolver) as sender:
            url = server.url(host="customer.example")
            replies = await asyncio.gather(*(sender(url, headers={}, body=b"") for _ in range(9)))
        assert {reply.status for reply in replies} == {200}
        assert resolver.asked == ["customer.example"]


async def test_a_name_whose_servers_never_answer_holds_one_look_up_and_is_a_dns_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names, "LOOK_UP_SECONDS", 0.05)

    class Hanging(FakeResolver):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list:  # type: ignore[type-arg]  # it never answers
            self.asked.append(host)
            return await asyncio.Event().wait()  # type: ignore[return-value]  # it never does

    resolver = Hanging()
    async with open_sender(allow_loopback=True, seconds=5, connections=9, resolver=resolver) as sender:
        for _ in range(3):
            assert await sender("https://hangs.example/", headers={}, body=b"") == Reply(0, "dns_error")
    assert resolver.asked == ["hangs.example"]


async def test_names_that_never_answer_hold_up_none_that_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a thread for as long as the system's resolver waits, and each delivery to another name begins one more."""
    monkeypatch.setattr(names, "ANSWERS_KEPT", 0.0)
    real, is_over = socket.getaddrinfo, threading.Event()

    def look_up(host: str, *arguments: Any, **named: Any) -> Any:
        if host.endswith(".example"):
            is_over.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no server answered")
        return real(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    closing = answering(response(200, b"ok", "Connection: close"))
    async with serving(closing) as server, open_sender(allow_loopback=True, seconds=20, connections=2) as sender:
        url = f"http://localhost:{server.port}/"
        try:
            assert (await sender(url, headers={}, body=b"")).status == 200
            hanging = [
                asyncio.create_task(sender(f"https://h{n}.example/", headers={}, body=b"")) for n in range(3 * HANGING)
            ]
            await asyncio.sleep(0)
            for _ in range(3):
                assert (await sender(url, headers={}, body=b"")).status == 200
        finally:
            is_over.set()
        assert {(await each).error for each in hanging} == {"dns_error"}


def dialled(family: socket.AddressFamily, fault: OSError) -> connections.Connections:
    """Connections to a name with an IPv4 address that refuses and an IPv6 one, of which those of `family` meet `fault`."""

    def make_socket(address: names.Address) -> socket.socket:
        raise fault if address[0] == family else ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    found = names.Names(FakeResolver(["127.0.0.1", "::1"]))
    return connections.Connections(found, make_socket=make_socket, tls=ssl.create_default_context(), most=1)


NO_ADDRESS = OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")


async def test_a_machine_without_ipv6_books_a_customers_outage_on_the_customer() -> None:
    """Else each try would raise, and after five of them a dead letter held what is to be retried for days."""
    with pytest.raises(OSError, match="no IPv6") as raised:
        await dialled(socket.AF_INET6, NO_ADDRESS).dial(connections.Origin("customer.example", 443, is_tls=True))
    assert error_class(raised.value) == "unreachable"


async def test_a_machine_without_ports_books_nothing_on_the_customer_and_no_run_on_the_message() -> None:
    with pytest.raises(OSError, match="Cannot assign") as raised:
        await dialled(socket.AF_INET, NO_ADDRESS).dial(connections.Origin("customer.example", 443, is_tls=True))
    with pytest.raises(OSError, match="Cannot assign"):
        error_class(raised.value)
    assert is_outage(raised.value)
