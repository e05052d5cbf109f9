"""Standard Webhooks 1.0.0 signatures, both ways: the header a sender writes, the check a receiver makes.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md; version `v1`, HMAC-SHA256.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret."""
MOST_SECRETS = 10
"""That sign one request, the current one among them: each adds 48 bytes to a header."""
TOLERANCE = 300.0
"""Seconds a timestamp may lie off, either way: what every official library allows."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_IDENTIFIER = re.compile(r"[!-\-/-~]{1,256}", re.ASCII)  # visible ASCII without the dot, which separates what is signed
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


class SignatureError(Exception):
    """The webhook is not proven genuine, or cannot be signed; the text quotes no secret, signature or body."""


class SecretError(SignatureError):
    """A secret is not `whsec_` and the base64 of 24 to 64 bytes."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """One signing key. It shows itself nowhere: not in repr, str, logs or errors."""

    key: bytes = field(repr=False)

    def __repr__(self) -> str:
        return "Secret(***)"

    @classmethod
    def read(cls, text: str | bytes) -> Secret:
        """From its text form; padding may be missing. Raises SecretError."""
        if not isinstance(text, str) or not text.startswith(PREFIX):
            raise SecretError(f"a secret begins with {PREFIX}")
        encoded = text.removeprefix(PREFIX)
        bare = encoded.rstrip("=")
        if not _BASE64.fullmatch(encoded) or len(bare) % 4 == 1 or (encoded != bare and len(encoded) % 4):
            raise SecretError(f"a secret is standard base64 after {PREFIX}")
        key = base64.b64decode(bare + "=" * (-len(bare) % 4))
        if not SHORTEST <= len(key) <= LONGEST:
            raise SecretError(f"a secret has {SHORTEST} to {LONGEST} bytes, this one has {len(key)}")
        return cls(key)


def signing_with(texts: Sequence[str]) -> list[Secret]:
    """The secrets that sign a request, the current one first, ten at most. Old ones that cannot be read are passed over.

    Raises SecretError where the current one cannot be read.
    """
    secrets = [Secret.read(text) for text in texts[:1]]
    for text in texts[1:]:
        with suppress(SecretError):
            secrets.append(Secret.read(text))
    return secrets[:MOST_SECRETS]


def sign(secrets: Sequence[Secret], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one `v1` token for each secret, the current one first.

    `timestamp` is the attempt's unix time in whole seconds; `body` the very bytes that go on the wire. Raises
    SignatureError without a secret, or with an id that holds a dot or is unfit for a header.
    """
    if not secrets:
        raise SignatureError("there is no secret to sign with")
    if not _IDENTIFIER.fullmatch(message_id):
        raise SignatureError("an id is 1 to 256 visible ASCII characters without a dot")
    return " ".join(_token(secret, message_id, str(timestamp), body) for secret in secrets)


def verify(
    secrets: Sequence[Secret | str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: float = TOLERANCE,
) -> None:
    """Return if any token of any `v1` kind fits any of `secrets`; `now` in unix seconds. Raises only SignatureError.

    Header names are matched in any case, tokens of other versions and malformed ones are passed over, and each comparison
    takes constant time.
    """
    keys = [secret if isinstance(secret, Secret) else Secret.read(secret) for secret in secrets]
    if not keys:
        raise SignatureError("there is no secret to verify with")
    given = {str(name).lower(): str(value) for name, value in headers.items()}
    message_id, timestamp, signatures = (_header(given, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not _IDENTIFIER.fullmatch(message_id):
        raise SignatureError("webhook-id is malformed")
    if not _SECONDS.fullmatch(timestamp):
        raise SignatureError("webhook-timestamp is not a Unix time in whole seconds")
    if not abs(now - int(timestamp)) <= tolerance:  # also for a clock that is not a number
        raise SignatureError("webhook-timestamp lies too far off")
    expected = [_token(key, message_id, timestamp, body).encode() for key in keys]
    tokens = [token.encode("utf-8", "replace") for token in signatures.split(" ")]
    if not sum(hmac.compare_digest(token, right) for token in tokens for right in expected):  # each is compared
        raise SignatureError("no signature fits")


def _token(secret: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret.key, signed, hashlib.sha256)).decode()


def _header(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if not value:
        raise SignatureError(f"{name} is missing")
    return value
