import asyncio
import errno
import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.outcome import is_outage
from tests.workers.webhook_delivery.egress.servers import FakeResolver, Script, Server, answering, response, serving
from workers.webhook_delivery.egress.answer import KEPT, BadAnswer, Ended
from workers.webhook_delivery.egress.names import OURS, NoAddress
from workers.webhook_delivery.egress.sender import CUT, error_class, excerpt, open_sender
from workers.webhook_delivery.rules import Reply

BODY = '{"é":"☃"}'.encode()


async def post(url: str, *, headers: dict[str, str] | None = None, seconds: float = 5.0) -> Reply:
    async with open_sender(allow_loopback=True, seconds=seconds, connections=10) as sender:
        return await sender(url, headers=headers or {}, body=BODY)


async def test_the_very_bytes_and_headers_go_over_the_wire() -> None:
    async with serving(answering(response(200, b"thanks"))) as server:
        reply = await post(server.url("/hook?a=b"), headers={"webhook-id": "msg_1", "content-type": "application/json"})
        (request,) = server.requests
        assert reply == Reply(200, body="thanks")
        assert reply.body == "thanks"
        assert request.line == "POST /hook?a=b HTTP/1.1"
        assert request.body == BODY
        assert request.headers["webhook-id"] == "msg_1"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["accept-encoding"] == "identity"
        assert request.headers["content-length"] == str(len(BODY))
        assert "cookie" not in request.headers


@pytest.mark.parametrize(
    ("registered", "called"),
    [
        ("/a%2Fb/%7Euser/%7euser", "/a%2Fb/%7Euser/%7euser"),
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("/hook?", "/hook?"),
        ("/hook?a=b+c&a=%20&&=", "/hook?a=b+c&a=%20&&="),
        ("/hook;v=1?x=[1]|{}^`#fragment", "/hook;v=1?x=[1]|{}^`"),
        ("?q=%c3%A9", "/?q=%c3%A9"),
        ("#fragment", "/"),
        ("", "/"),
    ],
)
async def test_the_registered_url_is_called_byte_for_byte(registered: str, called: str) -> None:
    async with serving(answering(response(200))) as server:
        assert (await post(server.url(registered))).status == 200
        assert server.requests[0].line == f"POST {called} HTTP/1.1"
        assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


async def test_a_header_with_a_line_break_is_not_sent() -> None:
    async with serving(answering(response(200))) as server:
        with pytest.raises(ValueError, match="line break"):  # ours, not the customer's
            await post(server.url(), headers={"webhook-id": "a\r\nx: y"})
        assert server.requests == []


@pytest.mark.parametrize("status", [200, 204, 302, 304, 400, 404, 410, 429, 500, 503, 599, 600, 999])
async def test_any_status_is_an_answer(status: int) -> None:
    async with serving(answering(response(status, b"", "Retry-After: 120"))) as server:
        reply = await post(server.url())
        assert (reply.status, reply.error, reply.retry_after, reply.body) == (status, None, "120", None)


async def test_connections_are_used_again() -> None:
    async with serving(answering(response(200, b"x" * KEPT), response(500, b"no"))) as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
            for _ in range(20):
                await sender(server.url(), headers={}, body=BODY)
        assert (len(server.requests), server.connections) == (20, 1)


async def test_one_endpoint_is_served_by_as_many_connections_as_there_are_slots() -> None:
    gate = asyncio.Event()

    def all_at_once(server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            if len(server.requests) == 50:
                gate.set()
            await gate.wait()
            writer.write(response(200))

        return play

    async with serving(all_at_once) as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=50) as sender:
            replies = await asyncio.gather(*(sender(server.url(), headers={}, body=BODY) for _ in range(50)))
        assert {reply.status for reply in replies} == {200}


async def test_cookies_of_one_customer_are_not_kept() -> None:
    async with serving(answering(response(200, b"", "Set-Cookie: a=b"))) as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
            for _ in range(2):
                await sender(server.url(), headers={}, body=BODY)
        assert "cookie" not in server.requests[1].headers


async def test_a_failed_post_is_not_sent_again_in_secret() -> None:
    def hangs_up_on_the_second(server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(response(200))
            await server.request(reader)

        return play

    async with serving(hangs_up_on_the_second) as server:
        async with open_sender(allow_loopback=True, seconds=5, connections=2) as sender:
            assert (await sender(server.url(), headers={}, body=BODY)).status == 200
            assert await sender(server.url(), headers={}, body=BODY) == Reply(0, "connection_reset")
        assert (len(server.requests), server.connections) == (2, 1)


async def test_nobody_listening_is_connection_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    assert await post(f"http://127.0.0.1:{port}/") == Reply(0, "connection_refused")


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "http://user:pass@127.0.0.1:8080/", "http://127.0.0.1:22/"])
async def test_a_url_that_may_not_be_posted_to_is_an_answer_too(url: str) -> None:
    assert await post(url) == Reply(0, "url_refused")


async def test_a_name_too_long_to_be_asked_for_is_a_dns_error() -> None:
    assert (await post(f"http://{'a' * 70}.localhost:8080/")).error in {"dns_error", "url_refused"}


async def test_plain_http_where_tls_was_asked_for_is_a_tls_error() -> None:
    def refuses_at_once(_server: Server) -> Script:
        async def play(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(response(400))

        return play

    async with serving(refuses_at_once) as server:
        assert await post(server.url(scheme="https")) == Reply(0, "tls_error")


async def test_a_certificate_that_nobody_vouches_for_is_a_tls_error_and_nothing_is_sent() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(Path(__file__).with_name("self-signed.pem"))
    async with serving(answering(response(200)), tls=tls) as server:
        assert await post(server.url(scheme="https", host="localhost")) == Reply(0, "tls_error")
        assert server.requests == []


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (TimeoutError(), "timeout"),
        (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "timeout"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "connection_reset"),
        (BrokenPipeError(errno.EPIPE, "pipe"), "connection_reset"),
        (Ended(), "connection_reset"),
        (BadAnswer(), "protocol_error"),
        (NoAddress(), "dns_error"),
        (ValueError(), "protocol_error"),
        (UnicodeError(), "dns_error"),
        (ssl.SSLError(), "tls_error"),
    ],
)
def test_every_error_has_its_word(error: Exception, word: str) -> None:
    assert error_class(error) == word


@pytest.mark.parametrize("code", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES])
def test_a_network_that_has_no_way_there_is_unreachable(code: int) -> None:
    assert error_class(OSError(code, "no")) == "unreachable"


@pytest.mark.parametrize("code", sorted(OURS))
def test_what_this_machine_has_run_out_of_is_booked_neither_on_the_customer_nor_on_the_message(code: int) -> None:
    with pytest.raises(OSError, match="no") as raised:
        error_class(OSError(code, "no"))
    assert is_outage(raised.value)


async def test_a_fault_of_this_machine_is_raised_out_of_the_post() -> None:
    resolver = FakeResolver(OSError(errno.EMFILE, "Too many open files"))
    async with open_sender(allow_loopback=True, seconds=5, connections=1, resolver=resolver) as sender:
        with pytest.raises(OSError, match="Too many open files"):
            await sender("https://customer.example/", headers={}, body=BODY)


@pytest.mark.parametrize(
    ("body", "whole", "kept"),
    [
        (b"", True, None),
        (b"", False, CUT),
        (b"ok", True, "ok"),
        (b"ok", False, f"ok{CUT}"),
        (b"x" * 20, True, "x" * 20),
        (b"x" * 21, False, "x" * 12 + CUT),
        ("é".encode() * 11, False, "é" * 6 + CUT),
        (b"\xff", True, "base64:/w=="),
        (b"\xff" * 20, True, "base64://///" + CUT),
        (b"\xff" * 21, False, "base64://///" + CUT),
    ],
)
def test_an_answer_is_kept_as_text_and_says_when_it_was_cut(body: bytes, kept: str | None, *, whole: bool) -> None:
    assert excerpt(body, cap=20, whole=whole) == kept


@given(st.binary(max_size=120), st.booleans())
def test_what_is_kept_never_exceeds_the_cap(body: bytes, whole: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
    kept = excerpt(body, cap=60, whole=whole)
    assert kept is None or len(kept.encode()) <= 60
    assert whole or kept is None or kept.endswith(CUT)
