"""A delivery's rows as a person sees them: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.rules import RESERVED
from workers.webhook_delivery.store.items import attempt_key, endpoint_name
from workers.webhook_delivery.store.payloads import beside
from workers.webhook_delivery.store.typed import Item, Write, iso, number_of, string, text_of

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
    and `correlation_id` "" where no row tells it.
    """

    webhook_id: str
    event_type: str
    state: State
    attempts: tuple[Attempted, ...]
    fingerprint: str = ""
    correlation_id: str = ""
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
    """A Query of the index for an endpoint's deliveries: by their first attempt, by one that ended them without success or was asked
    for by hand, begun from `since` to `until`, or by when they were cancelled.
    """
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
        http_status=int(number_of(row, "httpStatus") or 0),
        error=text_of(row, "error"),
        started_at=text_of(row, "startedAt"),
        resent=text_of(row, "resent"),
        response=text_of(row, "response"),
    )


def delivery(rows: Sequence[Item]) -> Delivery:
    """Of one delivery's rows, at least one."""
    attempts = sorted((attempted(row) for row in rows if is_attempt(row)), key=lambda each: each.number)
    return Delivery(
        webhook_id=webhook_id_of(rows[0]),
        event_type=next((text for row in rows if (text := text_of(row, "eventType"))), ""),
        state=_state(rows),
        attempts=tuple(attempts),
        fingerprint=next((text for row in rows if (text := text_of(row, "fingerprint"))), ""),
        correlation_id=next((text for row in rows if (text := text_of(row, "correlationId"))), ""),
        payload=beside([*rows]),
    )


def _state(rows: Sequence[Item]) -> State:
    """What the last attempt says that has a result, unless the delivery was cancelled behind it. Before there is one it is pending."""
    ended = [row for row in rows if is_attempt(row) and text_of(row, "status") != "SENDING"]
    last: Item = max(ended, key=lambda row: attempted(row).number, default={})
    number = attempted(last).number if last else 0
    other: Item = next((row for row in rows if text_of(row, "SK") == "DELIVERY"), {})
    if text_of(other, "status") == "CANCELLED" and number <= (number_of(other, "attempts") or 0):
        return "CANCELLED"
    if not last or "nextAt" in last:
        return "PENDING"
    if text_of(last, "status") == "DELIVERED":
        return "DELIVERED"
    return "CANCELLED" if text_of(last, "outcome") == "CANCELLED" else "EXHAUSTED"


def is_begun(row: Item, *, after: int) -> bool:
    """Whether it is of an attempt behind `after` that somebody is or was at."""
    is_later = is_attempt(row) and attempted(row).number > after
    return is_later and (text_of(row, "status") != "SENDING" or number_of(row, "claimedUntil") != RESERVED)


def is_attempt(row: Item) -> bool:
    kind, _, number = text_of(row, "SK").partition("#")
    return kind == "ATTEMPT" and number.isascii() and number.isdigit()
