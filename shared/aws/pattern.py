"""What is copied from a request of botocore's, so that the next of its kind needs no botocore."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared.aws.signer import DATE, TOKEN, Keys, Signer

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest

    from shared.aws.operation import Parts

SIGNATURE = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]+"
)
ADDED = frozenset({"host", DATE, TOKEN})
"""Signed headers that the signer adds."""
SIGNED = frozenset({"content-type", "x-amz-target", "x-amzn-query-mode"})
"""Signed headers that are the same in all requests of a kind."""
CONSTANT = SIGNED | {"user-agent"}
OWN = frozenset({DATE, TOKEN, "authorization", "content-length", "amz-sdk-invocation-id", "amz-sdk-request"})
"""Headers of one request only; the last two tell retries apart, which are botocore's own requests."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where requests of a kind go, up to the segment of the path that is each call's own, the lines they begin with, and how
    they are signed.
    """

    url: str
    start: str
    head: str
    signer: Signer

    def whole(self, parts: Parts, keys: Keys, *, now: float) -> bytes:
        """A request, ready to be sent; `now` in epoch seconds."""
        body, segment = parts
        signed = "".join(
            f"{name}: {value}\r\n" for name, value in self.signer.sign(body, keys, now=now, segment=segment).items()
        )
        return f"{self.start}{segment}{self.head}{signed}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def pattern_of(request: AWSPreparedRequest, segment: str = "") -> Pattern | None:
    """What is left of a request without the last segment of its path, where that is the call's own. None where the request is
    of a form not known here (unsigned, another signature, headers of somebody's hook): such requests stay botocore's.
    """
    headers = {name.lower(): text(value) for name, value in request.headers.items()}
    found = SIGNATURE.fullmatch(headers.get("authorization", ""))
    if request.method != "POST" or found is None or headers.keys() - CONSTANT - OWN:
        return None
    region, service, names = found.groups()
    signed = {*names.split(";")} - ADDED
    if signed != headers.keys() & SIGNED or "?" in request.url:
        return None
    if not request.url.endswith(f"/{segment}" if segment else ""):
        return None
    url = request.url.removesuffix(segment)
    fixed = {name: value for name, value in headers.items() if name in CONSTANT}
    return made(url, {name: headers[name] for name in signed}, fixed, region=region, service=service)


def made(url: str, signed: dict[str, str], fixed: dict[str, str], *, region: str, service: str) -> Pattern:
    """A pattern by its parts: the headers that are the same in all requests, and those of them that are signed."""
    signer = Signer(url, signed, region=region, service=service)
    fixed = fixed | {"host": signer.host, "accept-encoding": "identity"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fixed.items())
    return Pattern(url, f"POST {urlsplit(url).path or '/'}", f" HTTP/1.1\r\n{lines}", signer)


def text(value: str | bytes) -> str:
    """A header's value, of which botocore makes bytes when it signs."""
    return value.decode() if isinstance(value, bytes) else value
