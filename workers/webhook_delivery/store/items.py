"""How attempts and deliveries are spelled in the webhooks table: pure, in DynamoDB's typed JSON."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any, Final

from shared import Reject
from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.rules import (
    RESERVED,
    Again,
    Attempt,
    Claimed,
    Delivered,
    Exhausted,
    Failed,
    Gone,
    Held,
    Result,
    Succeeded,
)
from workers.webhook_delivery.store.payloads import PAYLOAD, fits_beside, kept_until
from workers.webhook_delivery.store.typed import Item, Write, flag_of, iso, moment_of, number, string, text_of

_STATUS: Final = {"#status": "status"}
_LONGEST_HUSH: Final = 86_400.0
"""Seconds: what would keep an endpoint's end from being told for longer, no worker has written."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9._@-]{1,256}", re.ASCII)


def attempt_key(job: DeliveryJob) -> Item:
    return {"PK": string(f"DELIVERY#{job.event_id}#{endpoint_name(job)}"), "SK": string(f"ATTEMPT#{job.attempt:04d}")}


def endpoint_name(job: DeliveryJob) -> str:
    """`{tenantId}#{endpointId}`: one name for one endpoint of the table.

    A tenant's id with other characters than letters, digits, `.`, `_`, `@` and `-` is `sha256:` and its digest, so that
    no `#` in it can make two names one.
    """
    tenant_id = job.tenant_id
    if not _PLAIN.fullmatch(tenant_id):
        tenant_id = f"sha256:{hashlib.sha256(tenant_id.encode()).hexdigest()}"
    return f"{tenant_id}#{job.endpoint_id}"


def delivery_key(job: DeliveryJob) -> Item:
    return {**attempt_key(job), "SK": string("DELIVERY")}


def attempt(item: Item) -> Attempt:
    """Raises Reject where the row cannot be read: nobody knows then what was posted."""
    try:
        return _attempt(item)
    except (KeyError, ValueError) as error:
        where = f"{text_of(item, 'PK')} {text_of(item, 'SK')}"
        raise Reject(f"the attempt's row {where} cannot be read, correct it and replay: {error!r}") from error


def _attempt(item: Item) -> Attempt:
    match item["status"]["S"]:
        case "DELIVERED":
            return Succeeded()
        case "SENDING":
            return Held(until=float(item["claimedUntil"]["N"]))
        case _:
            return Failed(
                status=int(item["httpStatus"]["N"]),
                error=text_of(item, "error") or None,
                next_at=_next_at(item) if "nextAt" in item else None,
                settled=flag_of(item, "settled"),
                made_by=text_of(item, "madeBy"),
            )


def _next_at(item: Item) -> datetime:
    found = moment_of(item, "nextAt")
    if found is None:  # not a delivery's end, as none at all would be
        raise ValueError("nextAt")
    return found


def is_reused(item: Item, job: DeliveryJob) -> bool:
    """Whether the attempt was begun with another payload; a row need not say with which."""
    return text_of(item, "fingerprint") not in {"", job.identified()}


def claim(
    job: DeliveryJob,
    claimed: Claimed,
    *,
    now: datetime,
    take_over: bool = True,
    reserved: bool = False,
    without_payload: bool = False,
) -> Write:
    """A put that holds where nobody has begun the attempt, or whoever did, with this very payload, has not finished
    within his lease; without `take_over` nobody may have been at it. A number that a resend has reserved is its own, unless `reserved` says otherwise.
    A payload that was expunged meanwhile is taken over by `without_payload` alone, which does not bring it back.
    """
    kept = {"expungedAt": string(iso(now))} if without_payload else _kept_beside(job, job.attempt)
    return {
        "Item": {
            **attempt_key(job),
            "entity": string("attempt"),
            "status": string("SENDING"),
            "fingerprint": string(job.identified()),
            "startedAt": string(iso(now)),
            "claimedUntil": number(claimed.until),
            "TTL": kept_until(now),
            **kept,
            **_named(job),
        },
        "ConditionExpression": "attribute_not_exists(PK) OR (#status = :sending AND claimedUntil <= :now"
        " AND claimedUntil >= :least AND fingerprint = :fingerprint"
        f" AND attribute_{'' if without_payload else 'not_'}exists(expungedAt))",
        "ExpressionAttributeNames": _STATUS,
        "ExpressionAttributeValues": {
            ":sending": string("SENDING"),
            ":now": number(f"{now.timestamp():.3f}" if take_over else RESERVED),
            ":least": number(RESERVED if reserved or job.resent else 1),
            ":fingerprint": string(job.identified()),
        },
    }


def result(job: DeliveryJob, claimed: Claimed, made: Result) -> Write:
    """An update that holds while the claim is ours: a later claim always ends later, so its end tells them apart. It holds again
    after its answer was lost, until what follows was done.

    A delivery stands in the index by its first attempt, and by one that ends it without success or that somebody asked for.
    """
    reply, verdict = made.reply, made.verdict
    milliseconds = max(0, round((made.finished - made.started).total_seconds() * 1000))
    values: dict[str, Any] = {
        ":status": string("DELIVERED" if isinstance(verdict, Delivered) else "FAILED"),
        ":httpStatus": number(reply.status),
        ":finishedAt": string(iso(made.finished)),
        ":durationMs": number(milliseconds),
        ":TTL": kept_until(made.finished),
    }
    if isinstance(verdict, Gone):  # as one that was delivered it has no sequel; a failed one has: a message or an event
        values[":settled"] = {"BOOL": True}
    if isinstance(verdict, Exhausted | Gone):
        values[":outcome"] = string("EXHAUSTED" if isinstance(verdict, Exhausted) else "CANCELLED")
    if job.attempt == 1 or job.resent or isinstance(verdict, Exhausted | Gone):
        values |= {f":{name}": value for name, value in _indexed(job, made.started).items()}
    if reply.error is not None:
        values[":error"] = string(reply.error)
    if reply.body is not None:
        values[":response"] = string(reply.body)
    if isinstance(verdict, Again):
        values[":nextAt"] = string(iso(verdict.at))
    return {
        "Key": attempt_key(job),
        "UpdateExpression": "SET " + ", ".join(f"#{name[1:]} = {name}" for name in values),
        "ConditionExpression": "claimedUntil = :claimedUntil AND (#status = :sending OR"
        " (#status = :status AND #finishedAt = :finishedAt AND attribute_not_exists(settled)))",
        "ExpressionAttributeNames": {f"#{name[1:]}": name[1:] for name in values},
        "ExpressionAttributeValues": {**values, ":sending": string("SENDING"), ":claimedUntil": number(claimed.until)},
    }


def is_expunged(row: Item) -> bool:
    return "expungedAt" in row


def cancellation(job: DeliveryJob, *, now: datetime, keeps: bool = True) -> Write:
    """A put that ends a delivery before this attempt; it holds where nobody has ended it before this one, or a later one.
    `keeps`: with the payload of a delivery that was never attempted.
    """
    fields = {**_delivery_fields(job, "CANCELLED", now), "attempts": number(job.attempt - 1), **_indexed(job, now)}
    if job.attempt == 1:  # there is no attempt that could be sent again
        fields |= {"fingerprint": string(job.identified()), **(_kept_beside(job, 1) if keeps else {})}
    return {
        "Item": {**delivery_key(job), **fields},
        # PENDING: as rows of this key were once written behind each attempt.
        "ConditionExpression": "attribute_not_exists(PK) OR #status = :pending OR attempts < :attempts",
        "ExpressionAttributeNames": _STATUS,
        "ExpressionAttributeValues": {":pending": string("PENDING"), ":attempts": number(job.attempt - 1)},
    }


def settlement(job: DeliveryJob) -> Write:
    """An update that notes that what follows from a failed attempt was done."""
    return {
        "Key": attempt_key(job),
        "UpdateExpression": "SET settled = :yes",
        "ConditionExpression": "#status = :failed",
        "ExpressionAttributeNames": _STATUS,
        "ExpressionAttributeValues": {":yes": {"BOOL": True}, ":failed": string("FAILED")},
    }


def announcement(job: DeliveryJob, *, now: datetime, seconds: float) -> Write:
    """A put that holds where no other delivery of this endpoint has told within its time, or that cannot be read as one."""
    return {
        "Item": {
            "PK": string(f"TENANT#{job.tenant_id}"),
            "SK": string(f"EXHAUSTED#{job.endpoint_id}"),
            "entity": string("announcement"),
            "eventId": string(job.event_id),
            "until": number(f"{now.timestamp() + seconds:.3f}"),
            "TTL": kept_until(now),
        },
        "ConditionExpression": "NOT (#until > :now AND #until < :latest) OR eventId = :eventId",
        "ExpressionAttributeNames": {"#until": "until"},
        "ExpressionAttributeValues": {
            ":now": number(f"{now.timestamp():.3f}"),
            ":latest": number(f"{now.timestamp() + _LONGEST_HUSH:.3f}"),
            ":eventId": string(job.event_id),
        },
    }


def _delivery_fields(job: DeliveryJob, status: str, now: datetime) -> dict[str, Any]:
    return {
        "entity": string("delivery"),
        "status": string(status),
        "tenantId": string(job.tenant_id),
        "endpointId": string(job.endpoint_id),
        "eventId": string(job.event_id),
        "eventType": string(job.event_type),
        "updatedAt": string(iso(now)),
        "TTL": kept_until(now),
    }


def placeholder(job: DeliveryJob, *, now: datetime) -> Write:
    """A put of an attempt that nobody is at yet, so that its number is nobody else's; it holds where there is none."""
    item = claim(job, Claimed(until=RESERVED), now=now)["Item"]
    return {"Item": item, "ConditionExpression": "attribute_not_exists(PK)"}


def _indexed(job: DeliveryJob, now: datetime) -> Item:
    return {"GSI1PK": string(f"ENDPOINT#{endpoint_name(job)}"), "GSI1SK": string(f"ATTEMPT#{iso(now)}")}


def _named(job: DeliveryJob) -> Item:
    names = {
        "eventType": job.event_type,
        "resent": job.resent,
        "madeBy": job.nonce,
        "correlationId": job.correlation_id,
    }
    return {name: string(text) for name, text in names.items() if text}


def _kept_beside(job: DeliveryJob, attempt: int) -> Item:
    """A small payload goes with the first attempt's row, at no cost."""
    return {PAYLOAD: string(job.payload)} if attempt == 1 and fits_beside(job.payload) else {}
