"""The headers of one signed POST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from workers.webhook_delivery.rules import Endpoint
from workers.webhook_delivery.signing import sign, signing_with

USER_AGENT = "sqs-worker-fleet-webhooks/1"


@dataclass(frozen=True, slots=True)
class Signed:
    """`passed_over` counts old secrets that could not be read."""

    headers: Mapping[str, str] = field(repr=False)
    passed_over: int


def signed(endpoint: Endpoint, *, message_id: str, at: datetime, body: bytes) -> Signed:
    """What goes with `body` to the endpoint at `at`. Raises SignatureError where its current secret cannot sign."""
    timestamp = int(at.timestamp())
    secrets = signing_with(endpoint.secrets)
    headers = {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, message_id=message_id, timestamp=timestamp, body=body),
    }
    return Signed(headers, passed_over=len(endpoint.secrets) - len(secrets))
