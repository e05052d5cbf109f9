"""Standard Webhooks 1.0.0 signatures, both ways: the header a sender writes, the check a receiver makes.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md; version `v1`, HMAC-SHA256, and `v1a`, ed25519.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from workers.webhook_delivery.signing.keys import (
    SecretError,
    SignatureError,
    SigningKey,
    VerifyingKey,
    signing_key,
    verifying_key,
)

MOST_SECRETS = 10
"""That sign one request, the current one among them: each adds 48 bytes to a header, or 93."""
TOLERANCE = 300.0
"""Seconds a timestamp may lie off, either way: what every official library allows."""

_IDENTIFIER = re.compile(r"[!-\-/-~]{1,256}", re.ASCII)  # visible ASCII without the dot, which separates what is signed
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def signing_with(texts: Sequence[str]) -> list[SigningKey]:
    """The keys that sign a request, the current one first, ten at most. Old ones that cannot be read are passed over.

    Raises SecretError where the current one cannot be read.
    """
    keys = [signing_key(text) for text in texts[:1]]
    for text in texts[1:]:
        with suppress(SecretError):
            keys.append(signing_key(text))
    return keys[:MOST_SECRETS]


def sign(keys: Sequence[SigningKey], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one token for each key, the current one first.

    `timestamp` is the attempt's unix time in whole seconds; `body` the very bytes that go on the wire. Raises
    SignatureError without a key, or with an id that holds a dot or is unfit for a header.
    """
    if not keys:
        raise SignatureError("there is no secret to sign with")
    if not _IDENTIFIER.fullmatch(message_id):
        raise SignatureError("an id is 1 to 256 visible ASCII characters without a dot")
    signed = _signed(message_id, str(timestamp), body)
    return " ".join(key.token(signed) for key in keys)


def verify(
    secrets: Sequence[VerifyingKey | str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: float = TOLERANCE,
) -> None:
    """Return if any token fits any of `secrets`, whatever kinds they are (`whsec_`, `whpk_`, `whsk_`); `now` in unix seconds.
    Raises only SignatureError.

    Header names are matched in any case, tokens of other versions and malformed ones are passed over, and each is
    compared, in constant time.
    """
    keys = [each if isinstance(each, VerifyingKey) else verifying_key(each) for each in secrets]
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
    signed = _signed(message_id, timestamp, body)
    tokens = [token.encode("utf-8", "replace") for token in signatures.split(" ")]
    if not sum(key.fits(token, signed) for key in keys for token in tokens):
        raise SignatureError("no signature fits")


def _signed(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((message_id.encode(), timestamp.encode(), body))


def _header(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if not value:
        raise SignatureError(f"{name} is missing")
    return value
