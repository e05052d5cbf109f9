"""Receivers behind TLS: who is not the named host, in time and by a certificate that somebody vouches for, gets no byte of a webhook."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.workers.webhook_delivery.egress.servers import Script, Server, answering, response, serving
from workers.webhook_delivery.egress.sender import open_sender
from workers.webhook_delivery.rules import Reply

TIMEOUT = 0.5
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Authority:
    """A certificate authority that the sender trusts, as it trusts the machine's."""

    folder: Path
    key: ec.EllipticCurvePrivateKey

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def certificate(self, *, host: str = "localhost", days: tuple[int, int] = (-1, 1)) -> ssl.SSLContext:
        """A server's side of TLS, with a certificate for `host` that is valid between these days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        signed = (
            _certificate("receiver", key, days).add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{host}{days}.pem"
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(private + signed.public_bytes(PEM))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(path)
        return tls


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, days: tuple[int, int]) -> x509.CertificateBuilder:
    now, subject = datetime.now(UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]),
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now + timedelta(days=days[0]),
        not_valid_after=now + timedelta(days=days[1]),
    )


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    own = _certificate("authority", made.key, (-9, 9)).add_extension(constraints, critical=True)
    made.file.write_bytes(own.sign(made.key, hashes.SHA256()).public_bytes(PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def posted(server: Server) -> Reply:
    async with open_sender(allow_loopback=True, seconds=TIMEOUT, connections=5) as sender:
        return await sender(server.url(scheme="https", host="localhost"), headers={}, body=b"{}")


async def test_a_receiver_that_is_who_it_should_be_gets_the_webhook(trusted: Authority) -> None:
    async with serving(answering(response(200)), tls=trusted.certificate()) as server:
        assert await posted(server) == Reply(200)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("host", "days"),
    [("other.example", (-1, 1)), ("localhost", (-2, -1)), ("localhost", (1, 2))],
    ids=["another host's", "expired", "not yet valid"],
)
async def test_a_certificate_that_does_not_hold_is_a_tls_error_and_nothing_is_sent(
    trusted: Authority, host: str, days: tuple[int, int]
) -> None:
    async with serving(answering(response(200)), tls=trusted.certificate(host=host, days=days)) as server:
        assert await posted(server) == Reply(0, "tls_error")
        assert server.requests == []


def saying(*said: bytes, then_waits: bool = False) -> Callable[[Server], Script]:
    """Without TLS of its own: what it says instead of a handshake."""

    def script(_server: Server) -> Script:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                await reader.read(10)
                writer.writelines(said)
                await writer.drain()
                if then_waits:
                    await reader.read()

        return play

    return script


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (saying(then_waits=True), "timeout"),
        (saying(b"\x16\x03\x03\x40\x00", b"\x02", then_waits=True), "timeout"),
        (saying(b"\x15\x03\x03\x00\x02\x02\x28"), "tls_error"),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tls_error"),
        (saying(b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff" + b"A" * 1_000_000), "tls_error"),
    ],
    ids=["silence", "a cut record", "an alert", "plain HTTP", "an endless certificate"],
)
async def test_a_handshake_that_does_not_come_ends_in_time(
    trusted: Authority, script: Callable[[Server], Script], error: str
) -> None:
    async with serving(script) as server:
        assert (await posted(server)).error == error
