"""How endpoints, attempts and deliveries are spelled in the webhooks table: pure, in DynamoDB's typed JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from workers.webhook_delivery.event import LONGEST_NAME, DeliveryJob
from workers.webhook_delivery.rules import (
    Again,
    Attempt,
    Claimed,
    Delivered,
    Endpoint,
    Exhausted,
    Failed,
    Gone,
    Held,
    Page,
    Result,
    Subscription,
    Succeeded,
)

KEEPS: Final = 30 * 86_400
"""Seconds for which the log of attempts and deliveries is kept."""

PAGE: Final = 500
"""Endpoints that one query reads."""

Item = Mapping[str, Any]
Write = dict[str, Any]
"""Arguments of a PutItem or UpdateItem, without the table's name."""

_STATUS: Final = {"#status": "status"}
_PLAIN: Final = re.compile(r"[A-Za-z0-9._@-]{1,256}", re.ASCII)


def endpoints_of(tenant_id: str, *, after: str) -> Write:
    """A Query for a page of what fan-out needs, behind the sort key `after`: neither URLs nor secrets are read."""
    start: Write = {"ExclusiveStartKey": {"PK": _s(f"TENANT#{tenant_id}"), "SK": _s(after)}} if after else {}
    return start | {
        "KeyConditionExpression": "PK = :pk AND begins_with(SK, :endpoint)",
        "ExpressionAttributeValues": {":pk": _s(f"TENANT#{tenant_id}"), ":endpoint": _s("ENDPOINT#")},
        "ProjectionExpression": "SK, endpointId, eventTypes, enabled",
        "ConsistentRead": True,
        "Limit": PAGE,
    }


def page(answer: Item) -> Page:
    return Page(tuple(map(subscription, answer.get("Items", []))), _text(answer.get("LastEvaluatedKey", {}), "SK"))


def endpoint_key(tenant_id: str, endpoint_id: str) -> Item:
    return {"PK": _s(f"TENANT#{tenant_id}"), "SK": _s(f"ENDPOINT#{endpoint_id}")}


def attempt_key(job: DeliveryJob) -> Item:
    return {"PK": _s(f"DELIVERY#{job.event_id}#{endpoint_name(job)}"), "SK": _s(f"ATTEMPT#{job.attempt:04d}")}


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
    return {**attempt_key(job), "SK": _s("DELIVERY")}


def subscription(item: Item) -> Subscription:
    endpoint_id = _text(item, "SK").removeprefix("ENDPOINT#")  # the row's own name: two rows never have one
    fault = "" if 1 <= len(endpoint_id) <= LONGEST_NAME and _text(item, "endpointId") == endpoint_id else "endpointId"
    event_types, enabled = _texts(item, "eventTypes"), _flag(item, "enabled")
    return Subscription(endpoint_id, event_types, enabled=enabled, fault=fault or _fault(item, "enabled", "eventTypes"))


def endpoint(item: Item, *, tenant_id: str, endpoint_id: str) -> Endpoint:
    """A missing URL or secret is an empty one: refused at the attempt, where the customer can see it."""
    return Endpoint(
        tenant_id=tenant_id,
        endpoint_id=endpoint_id,
        url=_text(item, "url"),
        secrets=(_text(item, "secret"), *_texts(item, "previousSecrets")),
        enabled=_flag(item, "enabled"),
        fault=_fault(item, "enabled"),
    )


def attempt(item: Item) -> Attempt:
    match item["status"]["S"]:
        case "DELIVERED":
            return Succeeded()
        case "SENDING":
            return Held(until=float(item["claimedUntil"]["N"]))
        case _:
            return Failed(
                status=int(item["httpStatus"]["N"]),
                error=_text(item, "error") or None,
                next_at=datetime.fromisoformat(item["nextAt"]["S"]) if "nextAt" in item else None,
                settled=_flag(item, "settled"),
            )


def is_reused(item: Item, job: DeliveryJob) -> bool:
    """Whether the attempt was begun with another payload."""
    return "fingerprint" in item and item["fingerprint"]["S"] != job.identified()


def claim(job: DeliveryJob, claimed: Claimed, *, now: datetime) -> Write:
    """A put that holds where nobody has begun the attempt, or whoever did, with this very payload, has not finished
    within his lease.
    """
    return {
        "Item": {
            **attempt_key(job),
            "GSI1PK": _s(f"ENDPOINT#{endpoint_name(job)}"),
            "GSI1SK": _s(f"ATTEMPT#{_iso(now)}"),
            "entity": _s("attempt"),
            "status": _s("SENDING"),
            "fingerprint": _s(job.identified()),
            "startedAt": _s(_iso(now)),
            "claimedUntil": _n(claimed.until),
            "TTL": _kept_until(now),
        },
        "ConditionExpression": "attribute_not_exists(PK) OR (#status = :sending AND claimedUntil <= :now"
        " AND fingerprint = :fingerprint)",
        "ExpressionAttributeNames": _STATUS,
        "ExpressionAttributeValues": {
            ":sending": _s("SENDING"),
            ":now": _n(f"{now.timestamp():.3f}"),
            ":fingerprint": _s(job.identified()),
        },
    }


def result(job: DeliveryJob, claimed: Claimed, made: Result) -> Write:
    """An update that holds while the claim is ours: a later claim always ends later, so its end tells them apart."""
    reply, verdict = made.reply, made.verdict
    milliseconds = max(0, round((made.finished - made.started).total_seconds() * 1000))
    values = {
        ":status": _s("DELIVERED" if isinstance(verdict, Delivered) else "FAILED"),
        ":httpStatus": _n(reply.status),
        ":finishedAt": _s(_iso(made.finished)),
        ":durationMs": _n(milliseconds),
        # A delivered or refused-for-good attempt has no sequel; a failed one has: a message or an event to be sent.
        ":settled": {"BOOL": isinstance(verdict, Delivered | Gone)},
        ":TTL": _kept_until(made.finished),
    }
    if reply.error is not None:
        values[":error"] = _s(reply.error)
    if reply.body is not None:
        values[":response"] = _s(reply.body)
    if isinstance(verdict, Again):
        values[":nextAt"] = _s(_iso(verdict.at))
    return {
        "Key": attempt_key(job),
        "UpdateExpression": "SET " + ", ".join(f"#{name[1:]} = {name}" for name in values),
        "ConditionExpression": "#status = :sending AND claimedUntil = :claimedUntil",
        "ExpressionAttributeNames": {f"#{name[1:]}": name[1:] for name in values},
        "ExpressionAttributeValues": {**values, ":sending": _s("SENDING"), ":claimedUntil": _n(claimed.until)},
    }


def state(job: DeliveryJob, made: Result) -> Write:
    """A put of the delivery as the attempt leaves it."""
    status = {Delivered: "DELIVERED", Again: "PENDING", Exhausted: "EXHAUSTED", Gone: "CANCELLED"}[type(made.verdict)]
    return {
        "Item": {
            **delivery_key(job),
            **_delivery_fields(job, status, made.finished),
            "attempts": _n(job.attempt),
            "lastStatus": _n(made.reply.status),
        }
    }


def cancellation(job: DeliveryJob, *, now: datetime) -> Write:
    """An update that ends a delivery, and holds where it has not ended already."""
    fields = {**_delivery_fields(job, "CANCELLED", now), "attempts": _n(job.attempt - 1), "lastStatus": _n(0)}
    kept = {"attempts", "lastStatus"}  # an earlier attempt knows them better
    sets = [f"#{name} = if_not_exists(#{name}, :{name})" if name in kept else f"#{name} = :{name}" for name in fields]
    return {
        "Key": delivery_key(job),
        "UpdateExpression": "SET " + ", ".join(sets),
        "ConditionExpression": "attribute_not_exists(PK) OR #status = :pending",
        "ExpressionAttributeNames": {f"#{name}": name for name in fields},
        "ExpressionAttributeValues": {f":{name}": value for name, value in fields.items()}
        | {":pending": _s("PENDING")},
    }


def settlement(job: DeliveryJob) -> Write:
    """An update that notes that what follows from a failed attempt was done."""
    return {
        "Key": attempt_key(job),
        "UpdateExpression": "SET settled = :yes",
        "ConditionExpression": "#status = :failed",
        "ExpressionAttributeNames": _STATUS,
        "ExpressionAttributeValues": {":yes": {"BOOL": True}, ":failed": _s("FAILED")},
    }


def announcement(job: DeliveryJob, *, now: datetime, seconds: float) -> Write:
    """A put that holds where no other delivery of this endpoint has told within its time."""
    return {
        "Item": {
            "PK": _s(f"TENANT#{job.tenant_id}"),
            "SK": _s(f"EXHAUSTED#{job.endpoint_id}"),
            "entity": _s("announcement"),
            "eventId": _s(job.event_id),
            "until": _n(f"{now.timestamp() + seconds:.3f}"),
            "TTL": _kept_until(now),
        },
        "ConditionExpression": "attribute_not_exists(PK) OR #until <= :now OR eventId = :eventId",
        "ExpressionAttributeNames": {"#until": "until"},
        "ExpressionAttributeValues": {":now": _n(f"{now.timestamp():.3f}"), ":eventId": _s(job.event_id)},
    }


def disabling(gone: Endpoint) -> Write:
    """An update that holds while the endpoint is the one that answered: a customer may have given it another URL."""
    return {
        "Key": endpoint_key(gone.tenant_id, gone.endpoint_id),
        "UpdateExpression": "SET enabled = :no, disabledReason = :reason",
        "ConditionExpression": "enabled = :yes AND #url = :url",
        "ExpressionAttributeNames": {"#url": "url"},
        "ExpressionAttributeValues": {
            ":no": {"BOOL": False},
            ":yes": {"BOOL": True},
            ":url": _s(gone.url),
            ":reason": _s("410 Gone"),
        },
    }


def _delivery_fields(job: DeliveryJob, status: str, now: datetime) -> dict[str, Any]:
    return {
        "entity": _s("delivery"),
        "status": _s(status),
        "tenantId": _s(job.tenant_id),
        "endpointId": _s(job.endpoint_id),
        "eventId": _s(job.event_id),
        "eventType": _s(job.event_type),
        "updatedAt": _s(_iso(now)),
        "TTL": _kept_until(now),
    }


def _s(text: str) -> dict[str, str]:
    return {"S": text}


def _n(number: int | str) -> dict[str, str]:
    return {"N": str(number)}


def _iso(at: datetime) -> str:
    """In UTC and of one width, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _kept_until(now: datetime) -> dict[str, str]:
    return _n(int(now.timestamp()) + KEEPS)


def _text(item: Item, name: str) -> str:
    return str(item.get(name, {}).get("S", ""))


def _texts(item: Item, name: str) -> tuple[str, ...]:
    """The texts of a list or a set."""
    value = item.get(name, {})
    return tuple(value.get("SS", ())) + tuple(each["S"] for each in value.get("L", ()) if "S" in each)


_READABLE: Final = {
    "enabled": lambda value: "BOOL" in value,
    "eventTypes": lambda value: "SS" in value or all("S" in each for each in value.get("L", ({},))),
}


def _fault(item: Item, *names: str) -> str:
    """The first of these attributes that is missing or of another type: `"true"` is a text and says neither yes nor no."""
    return next((name for name in names if not _READABLE[name](item.get(name, {}))), "")


def _flag(item: Item, name: str) -> bool:
    return item.get(name, {}).get("BOOL") is True
