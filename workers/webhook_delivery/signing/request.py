"""The headers of one signed POST."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from workers.webhook_delivery.rules import Endpoint
from workers.webhook_delivery.signing.signatures import sign, signing_with

USER_AGENT = "sqs-worker-fleet-webhooks/1"


CORRELATION: Final = "x-correlation-id"
MOST_HEADERS: Final = 20
"""Headers of a customer's own."""
LONGEST_HEADER: Final = 4096
"""Characters of a header's value."""
RESERVED: Final = frozenset(
    "accept accept-encoding connection content-encoding content-length content-type date expect host keep-alive te trailer"
    " transfer-encoding upgrade user-agent metadata metadata-flavor".split()
)
"""Names that are ours, the connection's, or a cloud's metadata server's."""
RESERVED_STARTS: Final = ("webhook-", "proxy-", "sec-", "x-amz-", "x-aws-", "x-google-", "x-forwarded-", "svix-")

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)  # RFC 9110, 5.6.2
_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?", re.ASCII)


def header_fault(name: str, value: str) -> str:
    """Why a customer's header cannot be so, "" where it can; its value is not quoted."""
    if not _NAME.fullmatch(name):
        return "a name is 1 to 128 letters, digits or hyphens"
    if name.lower() in RESERVED or name.lower().startswith(RESERVED_STARTS):
        return f"{name} is reserved"
    if len(value) > LONGEST_HEADER or not _VALUE.fullmatch(value):
        return f"the value of {name} is 1 to {LONGEST_HEADER} visible ASCII characters, with blanks inside at most"
    return ""


def headers_fault(headers: Sequence[tuple[str, str]]) -> str:
    """The first fault of all of them."""
    if len(headers) > MOST_HEADERS:
        return f"at most {MOST_HEADERS} headers"
    if len({name.lower() for name, _ in headers}) < len(headers):
        return "one name is given twice"
    return next((why for name, value in headers if (why := header_fault(name, value))), "")


@dataclass(frozen=True, slots=True)
class Signed:
    """`passed_over` counts old secrets that could not be read."""

    headers: Mapping[str, str] = field(repr=False)
    passed_over: int


def signed(endpoint: Endpoint, *, message_id: str, at: datetime, body: bytes, correlation_id: str = "") -> Signed:
    """What goes with `body` to the endpoint at `at`; the correlation id is not signed, and a header of the customer's own by its name stands.
    Raises SignatureError where its current secret cannot sign.
    """
    timestamp = int(at.timestamp())
    secrets = signing_with(endpoint.secrets)
    headers = {
        **dict(endpoint.headers),
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, message_id=message_id, timestamp=timestamp, body=body),
    }
    if correlation_id and CORRELATION not in {name.lower() for name in headers}:
        headers[CORRELATION] = correlation_id
    return Signed(headers, passed_over=len(endpoint.secrets) - len(secrets))
