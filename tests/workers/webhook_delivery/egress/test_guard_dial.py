import socket
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest

from tests.workers.webhook_delivery.egress.servers import FakeResolver, answering, response, serving
from tests.workers.webhook_delivery.egress.test_guard import REFUSED
from workers.webhook_delivery.egress.guard import AddressRefused, guarded_socket
from workers.webhook_delivery.egress.sender import Sender, open_sender
from workers.webhook_delivery.rules import Reply

OK = answering(response(200))
REFUSED_REPLY = Reply(status=0, error="address_refused")
LITERALS = [f"[{each.partition('%')[0]}]" if ":" in each else each for each in REFUSED]


def opened(
    *, allow_loopback: bool = False, resolver: FakeResolver | None = None
) -> AbstractAsyncContextManager[Sender]:
    return open_sender(allow_loopback=allow_loopback, seconds=5, connections=10, resolver=resolver)


async def post(url: str, *, allow_loopback: bool = False, resolver: FakeResolver | None = None) -> Reply:
    async with opened(allow_loopback=allow_loopback, resolver=resolver) as sender:
        return await sender(url, headers={}, body=b"{}")


async def test_a_refused_address_as_a_literal_is_never_dialled() -> None:
    resolver = FakeResolver(["1.1.1.1"])
    async with opened(resolver=resolver) as sender:
        for literal in LITERALS:
            assert await sender(f"https://{literal}/", headers={}, body=b"{}") == REFUSED_REPLY, literal
            assert resolver.asked == [], literal


async def test_a_refused_address_as_the_answer_of_a_name_is_never_dialled() -> None:
    resolver = FakeResolver(*([address] for address in REFUSED))
    async with opened(resolver=resolver) as sender:
        for number, address in enumerate(REFUSED):
            url = f"https://innocent-{number}.example/"
            assert await sender(url, headers={}, body=b"{}") == REFUSED_REPLY, address
            assert len(resolver.asked) == number + 1, address


async def test_the_socket_refuses_it_also_where_the_resolver_looked_away() -> None:
    for address in (each for each in REFUSED if "%" not in each):
        connector = aiohttp.TCPConnector(
            resolver=FakeResolver([address]), socket_factory=guarded_socket(allow_loopback=False)
        )
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.post("https://innocent.example/")
        assert isinstance(caught.value.os_error, AddressRefused), address


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "@[::1]",
        "@127.0.0.1",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "１２７.０.０.１",  # noqa: RUF001  # full-width digits
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "%31%32%37.0.0.1",
        "127.0.0.1%00.example.com",
        "example.com@127.0.0.1",
        "0.0.0.0",
        "0",
    ],
)
async def test_no_spelling_of_loopback_reaches_a_listening_server(host: str) -> None:
    async with serving(OK) as server:
        reply = await post(server.url(scheme="https", host=host), resolver=FakeResolver(["127.0.0.1"]))
        assert reply.status == 0
        assert reply.error in {"address_refused", "url_refused"}
        assert server.connections == 0


@pytest.mark.parametrize(
    "answers", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700:4700::1111", "fd00::1", "8.8.8.8"]]
)
async def test_a_name_with_one_refused_answer_is_refused_altogether(answers: list[str]) -> None:
    async with serving(OK) as server:
        assert (
            await post(server.url(scheme="https", host="mixed.example"), resolver=FakeResolver(answers))
            == REFUSED_REPLY
        )
        assert server.connections == 0


async def test_a_name_that_changes_its_answer_after_the_check_never_reaches_the_new_address() -> None:
    async with serving(OK) as server:
        resolver = FakeResolver(["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"])
        async with open_sender(allow_loopback=True, seconds=5, connections=10, resolver=resolver) as sender:
            url = server.url(host="rebinding.example")
            assert (await sender(url, headers={}, body=b"")).status == 200
            assert resolver.asked == ["rebinding.example"]  # asked once, and dialled what was checked
        async with open_sender(allow_loopback=True, seconds=5, connections=10, resolver=resolver) as sender:
            assert await sender(url, headers={}, body=b"") == REFUSED_REPLY
            assert await sender(url, headers={}, body=b"") == REFUSED_REPLY
        assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/second", "http://127.0.0.1:{port}/second", "http://169.254.169.254/"])
async def test_a_redirect_is_an_answer_and_never_followed(status: int, target: str) -> None:
    async with serving(
        lambda server: answering(response(status, b"", f"Location: {target.format(port=server.port)}"))(server)
    ) as server:
        reply = await post(server.url("/first"), allow_loopback=True)
        assert reply.status == status
        assert [request.line for request in server.requests] == ["POST /first HTTP/1.1"]


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(OK) as proxy, serving(OK) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("no_proxy", "")
        assert (await post(server.url(), allow_loopback=True)).status == 200
        assert await post("https://10.0.0.1/") == REFUSED_REPLY
        assert proxy.connections == 0


@pytest.mark.parametrize("answer", [[], socket.gaierror(socket.EAI_NONAME, "Name or service not known")])
async def test_a_name_without_an_address_is_a_dns_error(answer: list[str] | OSError) -> None:
    assert await post("https://nowhere.example/", resolver=FakeResolver(answer)) == Reply(0, "dns_error")


async def test_the_system_s_resolver_is_asked_in_threads_of_its_own_and_guarded() -> None:
    async with serving(OK) as server:
        assert (await post(server.url(host="localhost"), allow_loopback=True)).status == 200
        assert await post(server.url(host="localhost", scheme="https")) == REFUSED_REPLY
        assert server.connections == 1
