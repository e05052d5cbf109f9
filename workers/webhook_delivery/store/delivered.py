"""A delivery's rows as a person sees them: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.store.items import attempt_key, endpoint_name
from workers.webhook_delivery.store.payloads import beside
from workers.webhook_delivery.store.typed import Item, Write, iso, string, text_of

State = Literal["DELIVERED", "PENDING", "EXHAUSTED", "CANCELLED"]
LAST: Final = "~"
"""Sorts behind every time."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One attempt. `http_status` 0: no answer, and `error` says why; `resent` who had it sent again, "" for the schedule."""

    webhook_id: str
    number: int
    status: str
    http_status: int
    error: str
    started_at: str
    resent: str = ""
    response: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event at one endpoint, with its attempts in order. `payload` is None where it stands in none of its own rows, `fingerprint` ""
    where no row tells it.
    """

    webhook_id: str
    event_type: str
    state: State
    attempts: tuple[Attempted, ...]
    fingerprint: str = ""
    payload: str | None = field(default=None, repr=False)

    @property
    def next_number(self) -> int:
        return max((each.number for each in self.attempts), default=0) + 1


def rows_of(job: DeliveryJob) -> Write:
    """A Query for all rows of a delivery."""
    return {
        "KeyConditionExpression": "PK = :pk",
        "ExpressionAttributeValues": {":pk": attempt_key(job)["PK"]},
        "ConsistentRead": True,
    }


def attempts_of(job: DeliveryJob, *, since: datetime, until: datetime | None) -> Write:
    """A Query of the index for an endpoint's attempts (and deliveries that were cancelled before any) begun from `since` to `until`."""
    end = f"ATTEMPT#{iso(until)}" if until else f"ATTEMPT#{LAST}"
    return {
        "IndexName": "GSI1",
        "KeyConditionExpression": "GSI1PK = :pk AND GSI1SK BETWEEN :since AND :until",
        "ExpressionAttributeValues": {
            ":pk": string(f"ENDPOINT#{endpoint_name(job)}"),
            ":since": string(f"ATTEMPT#{iso(since)}"),
            ":until": string(end),
        },
    }


def webhook_id_of(row: Item) -> str:
    return text_of(row, "PK").split("#")[1]


def attempted(row: Item) -> Attempted:
    return Attempted(
        webhook_id=webhook_id_of(row),
        number=int(text_of(row, "SK").partition("#")[2]),
        status=text_of(row, "status"),
        http_status=int(row.get("httpStatus", {}).get("N", 0)),
        error=text_of(row, "error"),
        started_at=text_of(row, "startedAt"),
        resent=text_of(row, "resent"),
        response=text_of(row, "response"),
    )


def delivery(rows: Sequence[Item]) -> Delivery:
    """Of one delivery's rows, at least one. Before its first attempt has a result it is pending."""
    state: Item = next((row for row in rows if text_of(row, "SK") == "DELIVERY"), {})
    attempts = sorted((attempted(row) for row in rows if is_attempt(row)), key=lambda each: each.number)
    fingerprint = next((text for row in rows if (text := text_of(row, "fingerprint"))), "")
    known: dict[str, State] = {"DELIVERED": "DELIVERED", "EXHAUSTED": "EXHAUSTED", "CANCELLED": "CANCELLED"}
    # Of two attempts by hand at the same time the earlier one may write the state last.
    last = attempts[-1].status if attempts else ""
    return Delivery(
        webhook_id=webhook_id_of(rows[0]),
        event_type=text_of(state, "eventType"),
        state="DELIVERED" if last == "DELIVERED" else known.get(text_of(state, "status"), "PENDING"),
        attempts=tuple(attempts),
        fingerprint=fingerprint,
        payload=beside([*rows]),
    )


def is_attempt(row: Item) -> bool:
    return text_of(row, "SK").startswith("ATTEMPT#")
