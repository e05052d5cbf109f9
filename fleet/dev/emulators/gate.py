"""Who may speak to an emulator: whoever signs with this run's key, to its own address, about a service that the fleet uses.

An emulator runs what it is told to run and believes any key. A web page reaches every port of this machine, and so does
every other user of it. This check stands inside the emulator's process before anything else, so there is no way around it.

The standard library alone: the interpreter of the emulator's own environment imports it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"

SKEW = 900.0
"""Seconds that a signature's time may lie off, as on AWS."""

LARGEST_BODY = 128 * 1024 * 1024
"""Bytes of a request: a function's zip in Base64, the largest that this project sends, has 40 MB."""

SERVICES = frozenset(
    {
        "cloudformation",
        "dynamodb",
        "events",
        "kms",
        "monitoring",
        "s3",
        "secretsmanager",
        "ses",
        "sns",
        "sqs",
        "ssm",
        "sts",
    }
)
"""What the topology, the workers and the commands use, by the names that signatures carry."""

FUNCTIONS = frozenset({"lambda", "logs"})
"""What runs code of the caller, or says what it printed: only for who asks for it."""

_PART_OF_THE_RESOURCE = frozenset(
    """acl cors delete lifecycle location logging notification object-lock partNumber policy restore select select-type tagging
    uploadId uploads versionId versioning versions website response-cache-control response-content-disposition
    response-content-encoding response-content-language response-content-type response-expires""".split()
)
"""Query parameters that the old form of presigned S3 requests signs."""


class Keys(NamedTuple):
    """An identity that signs."""

    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head: `path` and `query` as they were sent, still escaped; names of `headers` in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says of its own signature, in its Authorization header or, presigned, in its query.

    `at`: when it was made; in the old form of presigned S3 requests, which has no `scope`: epoch seconds of its end.
    """

    access_key_id: str
    scope: str
    service: str
    signed: tuple[str, ...]
    given: str
    at: str
    lasts: float | None
    """Seconds for which a presigned request holds; None for a header."""


class Refused(Exception):
    """The request goes no further; the message may be shown to whoever sent it."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The rule of one run. `port`: where the emulator listens on loopback; `controls`: those of its own that are open.

    `functions` opens Lambda, and lets the functions in: an emulator runs them under its account's 12 digits for a key id,
    and with this run's secret.
    """

    keys: Keys
    port: int
    functions: bool = False
    controls: frozenset[str] = frozenset()

    def admit(self, request: Request, *, now: float) -> Signature:
        """Check all but the signature's proof, before a body is read. `now` in epoch seconds. Raises Refused."""
        if request.headers.get("host") not in {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}:
            raise Refused("the Host is another one's: this endpoint answers to its own address alone")
        if "origin" in request.headers:
            raise Refused("web pages have no business here")
        if request.path.startswith("/_") and request.path not in self.controls:
            raise Refused("the emulator's own controls are closed")
        signature = signature_of(request)
        if signature is None:
            raise Refused("the request is not signed")
        if not self._is_ours(signature.access_key_id):
            raise Refused("the access key is not this run's")
        if signature.service not in (SERVICES | FUNCTIONS if self.functions else SERVICES):
            raise Refused(f"the service {signature.service} is not open here")
        if not _is_current(signature, now):
            raise Refused("the signature's time is too far off")
        return signature

    def prove(self, request: Request, signature: Signature, body: bytes) -> None:
        """Check that the run's secret made the signature; `body` counts where `signs_body` says so. Raises Refused."""
        if not signature.scope:
            self._prove_old_form(request, signature)
            return
        key = f"AWS4{self.keys.secret_access_key}".encode()
        for part in signature.scope.split("/"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        _compare(hmac.digest(key, _to_sign(request, signature, body).encode(), hashlib.sha256).hex(), signature)

    def _prove_old_form(self, request: Request, signature: Signature) -> None:
        """boto3 presigns for S3 in this form unless it is told otherwise.

        https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
        """
        key, text = self.keys.secret_access_key.encode(), _to_sign_in_old_form(request, signature).encode()
        _compare(base64.b64encode(hmac.digest(key, text, hashlib.sha1)).decode(), signature)

    def _is_ours(self, access_key_id: str) -> bool:
        if self.functions and len(access_key_id) == 12 and access_key_id.isdecimal():
            return True
        return hmac.compare_digest(access_key_id.encode(), self.keys.access_key_id.encode())


def new_keys() -> Keys:
    """A key of its own for each run, which nobody guesses."""
    return Keys(f"FLEET{secrets.token_hex(16).upper()}", secrets.token_hex(32))


def folded(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as a server reads them; one that comes twice is one with a comma, as signers see it."""
    result: dict[str, str] = {}
    for raw, value in headers:
        name, text = raw.decode("latin-1").lower(), value.decode("utf-8", "replace")
        result[name] = f"{result[name]},{text}" if name in result else text
    return result


def refusal(request: Request, why: str) -> tuple[str, bytes]:
    """Content type and body of a 403, in the shape that AWS's clients read."""
    said_by = request.headers.get("authorization", "/s3/")
    if "/s3/" in said_by or "x-www-form-urlencoded" in request.headers.get("content-type", ""):
        error = f"<Error><Code>AccessDenied</Code><Message>{escape(why)}</Message></Error>"
        return "text/xml", f"<ErrorResponse>{error}</ErrorResponse>".encode()
    return "application/json", json.dumps({"__type": "AccessDeniedException", "message": why}).encode()


def signs_body(request: Request, signature: Signature) -> bool:
    """Whether the body itself is part of what is signed; S3's clients sign a header that speaks for it."""
    return signature.lasts is None and "x-amz-content-sha256" not in request.headers


def signature_of(request: Request) -> Signature | None:
    """What the request says of its signature, or None where there is none to be read.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    algorithm, _, rest = request.headers.get("authorization", "").partition(" ")
    if algorithm == ALGORITHM:
        given = dict(_pair(part) for part in rest.split(","))
        at, lasts = request.headers.get("x-amz-date", ""), None
    else:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        if "AWSAccessKeyId" in query:
            return Signature(
                query["AWSAccessKeyId"], "", "s3", (), query.get("Signature", ""), query.get("Expires", ""), 0.0
            )
        if query.get("X-Amz-Algorithm") != ALGORITHM:
            return None
        given = {name: query.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature")}
        at, lasts = query.get("X-Amz-Date", ""), _seconds(query.get("X-Amz-Expires", ""))
    access_key_id, _, scope = given.get("Credential", "").partition("/")
    parts = scope.split("/")
    if len(parts) != 4 or not given.get("Signature") or not at.startswith(parts[0]):
        return None
    signed = tuple(given.get("SignedHeaders", "").split(";"))
    return Signature(access_key_id, scope, parts[2], signed, given["Signature"], at, lasts)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.strip().partition("=")
    return name, value


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0


def _compare(expected: str, signature: Signature) -> None:
    if not hmac.compare_digest(expected.encode(), signature.given.encode()):
        raise Refused("the signature does not fit")


def _is_current(signature: Signature, now: float) -> bool:
    if not signature.scope:
        return now <= _seconds(signature.at)
    try:
        at = datetime.strptime(signature.at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return at - SKEW <= now <= at + (SKEW if signature.lasts is None else signature.lasts)


def _to_sign(request: Request, signature: Signature, body: bytes) -> str:
    if signature.lasts is not None:
        payload = UNSIGNED if signature.service == "s3" else hashlib.sha256(b"").hexdigest()
    else:
        payload = request.headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
    lines = (
        request.method,
        # S3 signs the path as it is sent, all others escape it once more.
        request.path if signature.service == "s3" else quote(request.path, safe="/~"),
        "&".join(f"{name}={value}" for name, value in sorted(_signed_query(request.query))),
        *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in signature.signed),
        "",
        ";".join(signature.signed),
        payload,
    )
    canonical = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{ALGORITHM}\n{signature.at}\n{signature.scope}\n{canonical}"


def _to_sign_in_old_form(request: Request, signature: Signature) -> str:
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    said = {**{name.lower(): value for name, value in query.items()}, **request.headers}
    amazon = [f"{name}:{value}\n" for name, value in sorted(said.items()) if name.startswith("x-amz-")]
    parts = [
        f"{name}={value}" if value else name for name, value in sorted(query.items()) if name in _PART_OF_THE_RESOURCE
    ]
    resource = request.path + ("?" + "&".join(parts) if parts else "")
    lines = (request.method, said.get("content-md5", ""), said.get("content-type", ""), signature.at)
    return "\n".join(lines) + "\n" + "".join(amazon) + resource


def _signed_query(query: str) -> Iterator[tuple[str, str]]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "X-Amz-Signature":
            yield quote(name, safe="-_.~"), quote(value, safe="-_.~")
