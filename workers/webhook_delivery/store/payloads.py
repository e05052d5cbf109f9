"""How payloads are kept in the webhooks table, and for how long: pure.

A small one stands in the row of its delivery's first attempt, which is written anyway; any other once for its event,
compressed, or in S3 where even that is large.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import datetime
from typing import Final

from workers.webhook_delivery.event import Published
from workers.webhook_delivery.store.typed import Item, Write, number, string, text_of

KEEPS: Final = 30 * 86_400
"""Seconds for which attempts, deliveries and payloads are kept."""
BESIDE: Final = 500
"""Bytes of a payload that the first attempt's row takes within the kilobyte that its write costs anyway."""
IN_TABLE: Final = 32_768
"""Bytes of a packed payload above which S3 is cheaper than a row, where there is a bucket."""
LARGEST_ITEM: Final = 380_000
"""Bytes of a packed payload that a row can hold: DynamoDB's limit is 400 KB."""
PAYLOAD: Final = "webhookPayload"
"""The attribute; the audit archive never shows it (workers/audit_archive/redaction)."""


def fits_beside(payload: str) -> bool:
    return len(payload) <= BESIDE and len(payload.encode()) <= BESIDE


def packed(payload: str) -> str:
    return base64.b64encode(zlib.compress(payload.encode())).decode()


UNPACKING: Final = (ValueError, zlib.error)
"""Of a text that `packed` did not make."""


def unpacked(text: str) -> str:
    """Raises one of UNPACKING."""
    return zlib.decompress(base64.b64decode(text)).decode()


def event_key(tenant_id: str, event_id: str) -> Item:
    """A webhook-id has no `#`: the tenant's is all that comes behind it."""
    return {"PK": string(f"EVENT#{event_id}#{tenant_id}"), "SK": string("PAYLOAD")}


def object_name(tenant_id: str, event_id: str) -> str:
    """A tenant's id may hold what a key in S3 had better not."""
    return f"webhook-payloads/{event_id}/{hashlib.sha256(tenant_id.encode()).hexdigest()}"


def keeping(event: Published, *, text: str, in_s3: bool, now: datetime) -> Write:
    """A put of an event's payload; it holds where there is none, so that what was expunged does not come back."""
    place = {"inS3": {"BOOL": True}} if in_s3 else {PAYLOAD: string(text)}
    return {
        "Item": {
            **event_key(event.tenant_id, event.event_id),
            "entity": string("payload"),
            "tenantId": string(event.tenant_id),
            "eventType": string(event.event_type),
            "TTL": kept_until(now),
            **place,
        },
        "ConditionExpression": "attribute_not_exists(PK)",
    }


def expunging(key: Item, *, now: str) -> Write:
    """An update that takes the payload out of a row; the row stays. It holds where there is one."""
    return {
        "Key": key,
        "UpdateExpression": "SET expungedAt = :now REMOVE #payload, inS3",
        "ConditionExpression": "attribute_exists(#payload) OR attribute_exists(inS3)",
        "ExpressionAttributeNames": {"#payload": PAYLOAD},
        "ExpressionAttributeValues": {":now": string(now)},
    }


def beside(rows: list[Item]) -> str | None:
    """The payload that stands in one of a delivery's own rows."""
    return next((text for row in rows if (text := text_of(row, PAYLOAD))), None)


def kept_until(now: datetime) -> dict[str, str]:
    return number(int(now.timestamp()) + KEEPS)
