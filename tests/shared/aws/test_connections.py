"""The kept connections: what is read, what ends them, and TLS as the client has it."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aioboto3
import aiohttp
import pytest
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from shared.aws.connections import KEPT, Connection, Connections, NotConnected, Target
from shared.aws.fast_client import FastClient
from shared.aws.sessions import Checked
from shared.clients import Clients
from shared.clock import lease_time
from tests.sqs_server.account import REGION
from tests.sqs_server.running import ACCESS_KEY, SECRET, SqsServer

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CERTIFICATE = Path(__file__).parents[2] / "workers" / "webhook_delivery" / "egress" / "self-signed.pem"
REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\nX: y\r\n\r\n{}"


@asynccontextmanager
async def server(serve: Streams, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(served, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


@asynccontextmanager
async def to(
    port: int, *, silence: float = 5.0, most: int = 10, clock: Callable[[], float] = lease_time
) -> AsyncIterator[Connections]:
    connections = Connections(Target("127.0.0.1", port, None, connect=5.0, silence=silence, most=most), clock=clock)
    try:
        yield connections
    finally:
        await connections.close()


def answering(*pieces: bytes, pause: float = 0.0) -> Streams:
    """Answers every request of a connection with these pieces; counts connections."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)

    return serve


async def test_an_answer_is_its_status_head_and_body() -> None:
    async with server(answering(OK)) as port, to(port) as connections:
        status, head, body, is_usual = await connections.exchange(REQUEST)
    assert (status, body, is_usual) == (200, b"{}", True)
    assert head.endswith(b"X: y")


async def test_an_answer_in_pieces_is_put_together() -> None:
    pieces = [OK[place : place + 7] for place in range(0, len(OK), 7)]
    async with server(answering(*pieces, pause=0.005)) as port, to(port) as connections:
        assert (await connections.exchange(REQUEST))[2] == b"{}"


async def test_a_connection_is_used_again() -> None:
    opened = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await answering(OK)(reader, writer)

    async with server(serve) as port, to(port) as connections:
        for _ in range(3):
            await connections.exchange(REQUEST)
    assert opened == 1


async def test_a_connection_that_was_kept_while_the_machine_slept_is_not_used_again() -> None:
    now, ports = 1_000.0, list[int]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            ports.append(writer.get_extra_info("peername")[1])
            writer.write(OK)

    async with server(serve) as port, to(port, clock=lambda: now) as connections:
        for now in (1_000.0, 1_000.0 + KEPT - 1, 1_000.0 + 2 * KEPT):  # noqa: B007 - the clock reads it
            await connections.exchange(REQUEST)
    assert [each == ports[0] for each in ports] == [True, True, False]


async def test_a_connection_that_the_server_ends_is_not_used_again() -> None:
    closing = OK.replace(b"X: y", b"Connection: close\r\nKeep-Alive: timeout=5")
    async with server(answering(closing)) as port, to(port) as connections:
        for _ in range(3):
            assert ((await connections.exchange(REQUEST))[0], connections._idle) == (200, []), "its end may come later"


async def test_a_connection_that_is_about_to_end_takes_no_request() -> None:
    """What is written to it would be lost without a word, and be taken for a request that the service may have carried out."""
    async with server(answering(OK)) as port, to(port) as connections:
        await connections.exchange(REQUEST)
        [ending] = connections._idle
        assert ending._transport is not None
        ending.eof_received()
        ending._transport.close()
        assert (await connections.exchange(REQUEST))[0] == 200


async def test_a_connection_that_ended_before_anything_was_sent_is_none() -> None:
    connection = Connection(silence=5.0)
    with pytest.raises(NotConnected):
        await connection.exchange(REQUEST)


async def test_a_long_request_that_goes_out_slowly_is_not_silence() -> None:
    long, silence = b"x" * 3_000_000, 0.08

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = len(REQUEST) + len(long)
        while left > 0:
            left -= len(await reader.read(65_536))
            await asyncio.sleep(0.005)
        writer.write(OK)

    async with server(serve) as port, to(port, silence=silence) as connections:
        began = asyncio.get_running_loop().time()
        assert (await connections.exchange(REQUEST + long))[0] == 200
        assert asyncio.get_running_loop().time() - began > silence


async def test_no_more_connections_than_allowed_are_open_at_once() -> None:
    now = most = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        while await reader.readuntil(b"\r\n\r\n"):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1
            writer.write(OK)

    async with server(serve) as port, to(port, most=2) as connections:
        await asyncio.gather(*(connections.exchange(REQUEST) for _ in range(8)))
    assert most == 2


async def test_an_answer_that_is_not_usual_is_read_to_its_end_and_is_its_connections_last() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    pieces = [chunked[place : place + 9] for place in range(0, len(chunked), 9)]
    async with server(answering(*pieces, pause=0.002)) as port, to(port) as connections:
        status, head, body, is_usual = await connections.exchange(REQUEST)
        assert connections._idle == []
    assert (status, body, is_usual) == (200, b"{}", False)
    assert head.endswith(b"\r\nX: y")


async def test_silence_in_an_answer_that_is_not_usual_is_the_same_error() -> None:
    begun = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"
    async with server(answering(begun)) as port, to(port, silence=0.1) as connections:
        with pytest.raises(aiohttp.ServerTimeoutError):
            await connections.exchange(REQUEST)


async def test_silence_is_an_error_after_its_time() -> None:
    async with server(answering(OK[:10])) as port, to(port, silence=0.1) as connections:
        with pytest.raises(aiohttp.ServerTimeoutError):
            await connections.exchange(REQUEST)


async def test_an_answer_that_comes_slowly_is_not_silence() -> None:
    pieces = [OK[place : place + 10] for place in range(0, len(OK), 10)]
    async with server(answering(*pieces, pause=0.06)) as port, to(port, silence=0.15) as connections:
        assert (await connections.exchange(REQUEST))[2] == b"{}"


async def test_a_call_that_is_cancelled_takes_its_connection_with_it() -> None:
    async with server(answering(b"")) as port, to(port) as connections:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connections.exchange(REQUEST)
        assert connections._idle == []


async def test_where_nobody_listens_nothing_is_sent() -> None:
    async with server(answering(OK)) as port:
        pass
    async with to(port) as connections:
        with pytest.raises(NotConnected):
            await connections.exchange(REQUEST)


def certificate_of(name: str, file: Path) -> Path:
    """A certificate that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(plain + made.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize("calls", ["fast", "aioboto3"])
@pytest.mark.parametrize(("name", "is_right"), [("elsewhere.example", False), ("localhost", True)])
async def test_a_certificate_of_another_host_is_refused_whoever_signed_it(
    calls: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_right: bool
) -> None:
    file = certificate_of(name, tmp_path / "certificate.pem")
    known = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}
    for variable, value in (known | {"AWS_CA_BUNDLE": str(file)}).items():
        monkeypatch.setenv(variable, value)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(file)
    async with (
        server(answering(OK), tls=tls) as port,
        Clients({**os.environ, "AWS_CALLS": calls}) as clients,
    ):
        url = f"https://localhost:{port}"
        client = await clients.open("sqs", endpoint_url=url, attempts=1)
        for wait in (0, 1):  # a short call and a long poll have connections of their own
            with nullcontext() if is_right else pytest.raises(SSLError, match="Hostname mismatch"):
                await client.receive_message(QueueUrl=f"{url}/0/q", WaitTimeSeconds=wait)


async def test_over_tls_certificates_are_judged_as_the_client_judges_them(server_process: SqsServer) -> None:
    """A tunnel that ends TLS stands before the server; the client is told to trust its certificate."""

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server_process.port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()

        back = asyncio.create_task(pump(inner_reader, writer))
        try:
            await pump(reader, inner_writer)
        finally:
            inner_writer.close()
            back.cancel()

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)
    server_process.control.reset()
    url = server_process.make("secret")
    session = aioboto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET, region_name=REGION)
    async with (
        server(tunnel, tls=tls) as port,
        session.client("sqs", endpoint_url=f"https://127.0.0.1:{port}", verify=str(CERTIFICATE)) as client,
    ):
        fast = FastClient(client)
        first = await fast.receive_message(QueueUrl=url)
        second = await fast.receive_message(QueueUrl=url)
    assert "ResponseMetadata" in first
    assert "ResponseMetadata" not in second


def test_behind_a_proxy_certificates_are_judged_all_the_same() -> None:
    proxy = "http://127.0.0.1:9"
    session: Any = Checked(proxies={"https": proxy})
    context = session._setup_proxy_ssl_context(proxy)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
