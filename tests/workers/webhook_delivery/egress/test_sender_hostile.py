"""Endpoints that mean harm: each attempt ends in time, holds little memory, and is a Reply, never an exception."""

import asyncio
import gzip
import resource
import socket
import struct
import time
from collections.abc import Callable

import pytest

from tests.traced import allowed
from tests.waiting import until
from tests.workers.webhook_delivery.egress.servers import Script, Server, answering, response, serving
from workers.webhook_delivery.egress.answer import KEPT, MOST_INTERIM
from workers.webhook_delivery.egress.sender import CUT, open_sender
from workers.webhook_delivery.rules import Reply

TIMEOUT = 0.5
GRACE = 5.0
"""Seconds for a machine that is at work for others."""


async def attempt(url: str, *, seconds: float = TIMEOUT, body: bytes = b"{}") -> tuple[Reply, float]:
    async with open_sender(allow_loopback=True, seconds=seconds, connections=5) as sender:
        started = time.monotonic()
        reply = await sender(url, headers={}, body=body)
        return reply, time.monotonic() - started


def dripping(head: bytes, drop: bytes, pause: float = 0.05) -> Callable[[Server], Script]:
    def script(server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(head)
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(pause)

        return play

    return script


def silent(server: Server) -> Script:
    async def play(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    return play


@pytest.mark.parametrize(
    "script",
    [
        silent,
        dripping(b"HTTP/1.1 200 ", b"x"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=TIMEOUT / 5),
    ],
    ids=["silence", "slow status line", "slow interim answers"],
)
async def test_no_answer_in_time_is_a_timeout(script: Callable[[Server], Script]) -> None:
    async with serving(script) as server:
        reply, took = await attempt(server.url())
        assert reply == Reply(0, "timeout")
        assert took < TIMEOUT + GRACE


async def test_a_tls_handshake_that_never_ends_is_a_timeout() -> None:
    async with serving(silent) as server:
        reply, took = await attempt(server.url(scheme="https"))
        assert reply == Reply(0, "timeout")
        assert took < TIMEOUT + GRACE


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ids=["plain", "chunked"],
)
async def test_a_body_that_drips_is_cut_and_the_status_stands(head: bytes) -> None:
    drop = b"1\r\nx\r\n" if b"chunked" in head else b"x"
    async with serving(dripping(head, drop)) as server:
        reply, took = await attempt(server.url())
        assert reply.status == int(head.split()[1])
        assert reply.error is None
        assert reply.body is not None
        assert reply.body.startswith("x")
        assert reply.body.endswith(CUT)
        assert took < TIMEOUT + GRACE


async def test_an_endless_body_is_read_up_to_the_cap_and_its_connection_closed() -> None:
    async with serving(dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, pause=0)) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reply, took = await attempt(server.url(), seconds=30)
        assert reply.status == 200
        assert reply.body is not None
        assert len(reply.body.encode()) <= KEPT
        assert reply.body.endswith(CUT)
        assert took < 15
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


async def test_a_gzip_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with serving(answering(response(200, bomb, "Content-Encoding: gzip"))) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reply, _ = await attempt(server.url(), seconds=5)
        assert reply.status == 200
        assert reply.body is not None
        assert reply.body.startswith("base64:H4sI")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 " + b"x" * 10_000_000 + b"\r\n\r\n",
        b"HTTP/9.9 2OO OK\r\n\r\n",
        b"HTTP/1.1 99999999999 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0" * 4096,
        b"\xff\xfe\xfd\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"",
    ],
)
async def test_nonsense_is_a_failed_attempt(answer: bytes) -> None:
    def script(server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(answer)
            await writer.drain()

        return play

    async with serving(script) as server:
        reply, took = await attempt(server.url(), seconds=3)
        assert reply.status == 0
        assert reply.error in {"protocol_error", "connection_reset"}
        assert took < 3 + GRACE


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
BROKEN = [
    b"HTTP/1.1 204 No Content\r\n\r\nbody",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1 204 No Content\r\n" + CHUNKED + b"0\r\n\r\n",
    OK + b"Content-Length: 50\r\n\r\nshort",
    OK + b"Content-Length: -5\r\n\r\n",
    OK + b"Content-Length: five\r\n\r\nshort",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    OK + b"Content-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n",
    OK + b"Transfer-Encoding: gzip\r\n\r\nshort",
    OK + CHUNKED + b"5\r\nshort\r\nzz\r\n",
    OK + CHUNKED + b"5\r\nshorter\r\n0\r\n\r\n",
    OK + CHUNKED + b"ffffffffffffffff\r\nshort",
    OK + b"X: " + b"x" * 10_000_000 + b"\r\n\r\n",
    OK + b"X: y\r\n" * 100_000 + b"\r\n",
    OK + b"X: y",
]
WHOLE = [
    OK + b"X-%d: y\r\n" * 300 % tuple(range(300)) + b"Content-Length: 5\r\n\r\nshort",
    OK + b"X: " + b"x" * 20_000 + b"\r\nContent-Length: 5\r\n\r\nshort",
    OK + b"no colon\r\nContent-Length: 5\r\n\r\nshort",
    OK + b"Content-Length: 5\r\nContent-Encoding: gzip\r\n\r\nshort",
    OK + b"Content-Length: 5\r\nSet-Cookie: \xff\r\n\r\nshort",
    OK + CHUNKED + b"3;x=y\r\nsho\r\n2\r\nrt\r\n0\r\nX: trailer\r\n\r\n",
    b"HTTP/1.1 200\nContent-Length: 5\n\nshort",
    b"HTTP/1.0 200 OK\r\n\r\nshort",
]


async def answered(answer: bytes, *, cuts: bool) -> tuple[Reply, int]:
    """The reply to an answer that comes in one packet, or in one for each line break."""

    def script(server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            for packet in answer.partition(b"\r\n\r\n") if cuts else [answer]:
                writer.write(packet)
                await writer.drain()
                await asyncio.sleep(0.02)

        return play

    async with serving(script) as server:
        reply, _ = await attempt(server.url(), seconds=3)
        return reply, len(server.requests)


@pytest.mark.parametrize("cuts", [False, True], ids=["one packet", "several"])
@pytest.mark.parametrize("answer", BROKEN)
async def test_a_broken_answer_leaves_its_status_as_it_is_and_its_body_marked_cut(answer: bytes, *, cuts: bool) -> None:
    reply, requests = await answered(answer, cuts=cuts)
    assert (reply.status, reply.error, requests) == (int(answer.split()[1]), None, 1)
    assert reply.body is not None or cuts
    assert (reply.body or CUT).endswith(CUT)


@pytest.mark.parametrize("cuts", [False, True], ids=["one packet", "several"])
@pytest.mark.parametrize("answer", WHOLE)
async def test_an_unusual_answer_is_read_whole(answer: bytes, *, cuts: bool) -> None:
    assert await answered(answer, cuts=cuts) == (Reply(200, body="short"), 1)


async def test_a_status_stands_also_where_its_headers_never_end() -> None:
    async with serving(dripping(OK, b"x")) as server:
        reply, took = await attempt(server.url())
        assert reply == Reply(200, body=CUT)
        assert took < TIMEOUT + GRACE


@pytest.mark.parametrize("behind", [b"Conte", b"X: " + b"a" * 70_000 + b"\r\n\r\n"], ids=["cut off", "too much"])
async def test_patience_asked_for_before_the_headers_broke_is_granted(behind: bytes) -> None:
    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n" + behind
    assert await answered(answer, cuts=False) == (Reply(503, retry_after="120", body=CUT), 1)


@pytest.mark.parametrize("count", [1, MOST_INTERIM])
async def test_a_few_interim_answers_are_passed_over(count: int) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * count
    assert await answered(hints + OK + b"Content-Length: 2\r\n\r\nok", cuts=False) == (Reply(200, body="ok"), 1)


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nL: </a>\r\n\r\n"])
async def test_a_flood_of_interim_answers_ends_at_once_and_costs_little(interim: bytes) -> None:
    async with serving(dripping(b"", interim * 1000, pause=0)) as server:
        before = time.process_time()
        reply, took = await attempt(server.url(), seconds=60)
        assert reply == Reply(0, "protocol_error")
        assert took < 30
        assert time.process_time() - before < allowed(2)  # with the flooding server, which shares this process


async def test_a_connection_reset_before_the_answer_is_a_failed_attempt() -> None:
    def script(server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            linger = struct.pack("ii", 1, 0)  # close with a reset
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        return play

    async with serving(script) as server:
        reply, _ = await attempt(server.url())
        assert reply == Reply(0, "connection_reset")


async def test_an_answer_that_comes_before_the_request_was_read_holds_nothing_up() -> None:
    def deaf(server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            await asyncio.Event().wait()

        return play

    async with serving(deaf) as server:
        reply, took = await attempt(server.url(), body=b"x" * 1_000_000)
        assert reply.status == 413 or reply.error == "timeout"
        assert took < TIMEOUT + GRACE


async def test_an_upgrade_nobody_asked_for_is_a_failed_attempt_and_ends() -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with serving(dripping(answer, b"x")) as server:
        reply, took = await attempt(server.url(), seconds=60)
        assert reply == Reply(101, body=CUT)
        assert took < 30, "its place is not held until the timeout"


@pytest.mark.slow
async def test_two_hundred_hostile_endpoints_at_once_leave_no_connection_open() -> None:
    open_now = 0

    def script(server: Server) -> Script:
        inner = dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000)(server)

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_now
            open_now += 1
            try:
                await inner(reader, writer)
            finally:
                open_now -= 1

        return play

    async with serving(script) as server, open_sender(allow_loopback=True, seconds=3, connections=200) as sender:
        replies = await asyncio.gather(*(sender(server.url(), headers={}, body=b"{}") for _ in range(200)))
        assert {reply.status for reply in replies} == {200}
        await until(lambda: open_now == 0, what="the end of every connection")
