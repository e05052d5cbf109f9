"""Signature Version 4 as the server's side checks it."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from tests.sqs_server.errors import SqsError
from tests.sqs_server.wire import header

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
WINDOW = 300.0
"""Seconds by which a request's time may differ from the server's."""


def access_key(head: bytes, lower: bytes) -> str:
    """The access key id a request is signed with; empty where it is not signed."""
    found = header(head, lower, b"authorization").partition(b"Credential=")[2]
    return found.partition(b"/")[0].decode()


def check_time(head: bytes, lower: bytes, now: float) -> None:
    """Raises where the request's clock and ours differ by more than five minutes."""
    stamp = header(head, lower, b"x-amz-date").decode()
    if not stamp:
        return
    sent = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(sent.timestamp() - now) > WINDOW:
        ours = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        raise SqsError(
            "InvalidSignatureException",
            f"Signature expired: {stamp} is now too far from {ours} (5 min.)",
            status=403,
        )


def check_signature(head: bytes, lower: bytes, body: bytes, secrets: Mapping[str, str]) -> None:
    """Raises where the request is not signed by one of these keys.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    found = AUTHORIZATION.fullmatch(header(head, lower, b"authorization").decode())
    if found is None:
        raise SqsError("MissingAuthenticationTokenException", "Request is missing Authentication Token", status=403)
    key, day, region, service, names, signature = found.groups()
    secret = secrets.get(key)
    if secret is None:
        raise SqsError(
            "UnrecognizedClientException", "The security token included in the request is invalid.", status=403
        )
    method, path, _ = head.partition(b"\r\n")[0].decode().split(" ")
    path, _, asked = path.partition("?")
    query = "&".join(sorted(each if "=" in each else f"{each}=" for each in asked.split("&") if each))
    lines = [f"{name}:{header(head, lower, name.encode()).decode()}\n" for name in names.split(";")]
    # S3 signs the path as it is sent, and the digest that it says; all others encode the path once more.
    digest = (service == "s3" and header(head, lower, b"x-amz-content-sha256").decode()) or hashlib.sha256(
        body
    ).hexdigest()
    if path != "/" and service != "s3":
        path = quote(path, safe="/~")
    canonical = f"{method}\n{path}\n{query}\n{''.join(lines)}\n{names}\n{digest}"
    stamp = header(head, lower, b"x-amz-date").decode()
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    own = hmac.new(_signing_key(secret, day, region, service), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(own, signature):
        raise SqsError(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
            status=403,
        )


@lru_cache(maxsize=64)
def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
