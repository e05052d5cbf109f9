"""One signed `webhook.test` to one endpoint, now, and what it answers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from workers.webhook_delivery.ports import Post
from workers.webhook_delivery.rules import Endpoint, Reply
from workers.webhook_delivery.signing import SignatureError
from workers.webhook_delivery.signing.request import signed

TEST: Final = "webhook.test"


@dataclass(frozen=True, slots=True)
class Trial:
    """`reply.status` 0: there was no answer, and `reply.error` says why in a word."""

    webhook_id: str
    reply: Reply

    @property
    def is_delivered(self) -> bool:
        return 200 <= self.reply.status <= 299


async def try_out(endpoint: Endpoint, *, post: Post, at: datetime) -> Trial:
    """Post once, whether the endpoint is enabled or not; nothing is recorded and nothing is tried again."""
    webhook_id = f"msg_test_{secrets.token_hex(16)}"
    moment = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"endpointId": endpoint.endpoint_id, "tenantId": endpoint.tenant_id}
    body = orjson.dumps({"type": TEST, "timestamp": moment, "data": data})
    try:
        made = signed(endpoint, message_id=webhook_id, at=at, body=body)
    except SignatureError:
        return Trial(webhook_id, Reply(status=0, error="secret_invalid"))
    return Trial(webhook_id, await post(endpoint.url, headers=made.headers, body=body))
