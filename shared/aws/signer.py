"""Signature Version 4 for one kind of request: what never changes is prepared once, a signature then takes some 10 us."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Protocol
from urllib.parse import quote, urlsplit

TOKEN = "x-amz-security-token"  # noqa: S105  # the name of a header
DATE = "x-amz-date"
DEFAULT_PORTS = {"http": 80, "https": 443}


class Keys(Protocol):
    """What signs: botocore's frozen credentials."""

    @property
    def access_key(self) -> str | None: ...
    @property
    def secret_key(self) -> str | None: ...
    @property
    def token(self) -> str | None: ...


def fit_a_header(keys: Keys) -> bool:
    """Whether these are plain text, as AWS's own are. A line's end behind one, or quotation marks out of a document, came with the copying."""
    return all(not each or (each.isascii() and each.isprintable()) for each in (keys.access_key, keys.token))


class Signer:
    """Signs requests that differ only in body, time, keys and the end of their path: the same bytes as botocore's SigV4Auth.

    `headers` are all that is signed beside the host, the date and the session token, which are added here. A path is
    signed as encoded twice; S3 alone has it encoded once, as it is sent.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        region: str,
        service: str,
        method: str = "POST",
        is_encoded_once: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.query or not parts.hostname:
            raise ValueError("only an absolute URL without a query can be signed")
        self.host = _host(parts.scheme, parts.hostname, parts.port)
        self.path = parts.path
        self._once = is_encoded_once
        path = parts.path if is_encoded_once else quote(_normalized(parts.path), safe="/~")
        self._start = f"{method}\n{path}"
        fixed = {name.lower(): " ".join(value.split()) for name, value in headers.items()} | {"host": self.host}
        self._fixed = fixed
        self._scope = f"{region}/{service}/aws4_request"
        self._steps = (region.encode(), service.encode(), b"aws4_request")
        self._templates = {kind: self._template({DATE, TOKEN} if kind else {DATE}) for kind in (False, True)}
        self._second = -1
        self._stamp = ""
        self._key: tuple[str | None, str, bytes] = ("", "", b"")

    def _template(self, changing: set[str]) -> tuple[str, str, str, str]:
        """The canonical request around the date and the token, and the names of what is signed."""
        names = sorted({*self._fixed, *changing})
        lines = "".join(f"{name}:{self._fixed.get(name, chr(0))}\n" for name in names)
        before, between, *after = lines.split(chr(0))  # the date's name sorts before the token's
        listed = ";".join(names)
        return f"\n\n{before}", between, f"{''.join(after)}\n{listed}\n", listed

    def sign(
        self,
        body: bytes,
        keys: Keys,
        *,
        now: float,
        segment: str = "",
        digest: str | None = None,
        query: str = "",
    ) -> dict[str, str]:
        """The headers that this request needs besides those it was made with; `now` in epoch seconds, `segment` what
        follows the path, percent-encoded once, `digest` the body's SHA-256 in hex where that is known, `query` one parameter, encoded.
        """
        if (second := int(now)) != self._second:
            self._second, self._stamp = second, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        stamp = self._stamp
        before, between, after, listed = self._templates[bool(keys.token)]
        token = " ".join(keys.token.split()) if keys.token else ""
        path = f"{self._start}{segment if self._once else segment.replace('%', '%25')}" if segment else self._start
        if query:
            before = f"\n{query}{before[1:]}"
        canonical = f"{path}{before}{stamp}{between}{token}{after}{digest or sha256(body).hexdigest()}"
        scope = f"{stamp[:8]}/{self._scope}"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(keys.secret_key, stamp[:8]), text.encode(), "sha256").hex()
        signed = {
            "X-Amz-Date": stamp,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}",
        }
        if keys.token:
            signed["X-Amz-Security-Token"] = keys.token
        return signed

    def _signing_key(self, secret: str | None, day: str) -> bytes:
        """Good for a whole day; kept until the day or the secret changes."""
        if self._key[:2] != (secret, day):
            key = hmac.digest(f"AWS4{secret}".encode(), day.encode(), "sha256")
            for step in self._steps:
                key = hmac.digest(key, step, "sha256")
            self._key = (secret, day, key)
        return self._key[2]


def _host(scheme: str, hostname: str, port: int | None) -> str:
    name = f"[{hostname}]" if ":" in hostname else hostname
    return name if port is None or port == DEFAULT_PORTS.get(scheme) else f"{name}:{port}"


def _normalized(path: str) -> str:
    """Without segments that are dots, as it is signed."""
    if "/." not in path and "//" not in path:
        return path or "/"
    from botocore.utils import normalize_url_path

    return normalize_url_path(path)
