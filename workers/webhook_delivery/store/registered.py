"""An endpoint's row as whoever registered it sees it and changes it: pure, and no secret is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from workers.webhook_delivery.signing import kind_of
from workers.webhook_delivery.store.endpoint_items import (
    UNREADABLE,
    OldSecret,
    delivery_fault,
    endpoint_key,
    headers_of,
    old_secrets,
    subscription,
)
from workers.webhook_delivery.store.typed import (
    Item,
    Write,
    flag_of,
    iso,
    number,
    number_of,
    numbers_of,
    string,
    text_of,
)

Kind = Literal["v1", "v1a"]
_EXISTS: Final = "attribute_exists(PK)"


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key by its kind; `expires_at` None: until it is rotated."""

    kind: Kind
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """An endpoint as it stands in the table, the current key first. `fault` names the attribute that cannot be read."""

    tenant_id: str
    endpoint_id: str
    url: str = field(repr=False)
    event_types: tuple[str, ...]
    enabled: bool
    keys: tuple[Key, ...]
    disabled_reason: str = ""
    created_at: str = ""
    fault: str = ""
    channels: tuple[str, ...] = ()
    pattern: str = ""
    header_names: tuple[str, ...] = ()
    payload_limit: int = 0
    failing_since: str = ""
    retries: tuple[float, ...] | None = None
    at_most_once: bool = False
    expires_after: float | None = None
    rate: float | None = None


def registered(item: Item, *, at: float) -> Registered:
    """Keys that expired before `at` (epoch seconds) are left out."""
    seen = subscription(item)
    old = _live(item, at)
    return Registered(
        tenant_id=text_of(item, "PK").removeprefix("TENANT#"),
        endpoint_id=seen.endpoint_id,
        url=text_of(item, "url"),
        event_types=seen.event_types,
        enabled=flag_of(item, "enabled"),
        keys=(Key(_kind(text_of(item, "secret"))), *(Key(_kind(each.text), _moment(each.until)) for each in old)),
        disabled_reason=text_of(item, "disabledReason"),
        created_at=text_of(item, "createdAt"),
        fault=seen.fault or delivery_fault(item),
        channels=seen.filter.channels,
        pattern=seen.filter.pattern,
        header_names=tuple(name for name, _ in headers_of(item)),
        payload_limit=seen.payload_limit,
        failing_since=text_of(item, "failingSince"),
        retries=numbers_of(item, "retrySchedule") if "retrySchedule" in item else None,
        at_most_once=flag_of(item, "atMostOnce"),
        expires_after=number_of(item, "expiresAfter"),
        rate=number_of(item, "rateLimit"),
    )


def registration(row: Item, *, tenant_id: str, endpoint_id: str, now: datetime) -> Write:
    """A put of a new endpoint, whose own attributes are `row`; it holds where there is none of this name."""
    return {
        "Item": {
            **endpoint_key(tenant_id, endpoint_id),
            "GSI1PK": string(f"ENDPOINT#{tenant_id}#{endpoint_id}"),
            "GSI1SK": string("ENDPOINT"),
            "entity": string("endpoint"),
            "tenantId": string(tenant_id),
            "endpointId": string(endpoint_id),
            "enabled": {"BOOL": True},
            "createdAt": string(iso(now)),
            **row,
        },
        "ConditionExpression": "attribute_not_exists(PK)",
    }


def rotation(item: Item, secret: str, *, until: float, at: float) -> Write:
    """An update that makes `secret` the current one; the one before signs until `until` (epoch seconds), unless it is no text. It holds while
    that is still the current one. What expired before `at` is dropped.
    """
    current = text_of(item, "secret")
    old, is_there = _live(item, at), "secret" in item
    kept: list[Any] = []
    if current and until > at:
        kept.append({"M": {"secret": string(current), "expiresAt": number(f"{until:.3f}")}})
    kept += [
        {"M": {"secret": string(each.text), "expiresAt": number(f"{each.until:.3f}")}}
        if each.until is not None
        else string(each.text)
        for each in old
    ]
    return {
        "Key": _key(item),
        "UpdateExpression": "SET secret = :new, previousSecrets = :old",
        "ConditionExpression": "secret = :current" if is_there else f"{_EXISTS} AND attribute_not_exists(secret)",
        "ExpressionAttributeValues": {":new": string(secret), ":old": {"L": kept}}
        | ({":current": item["secret"]} if is_there else {}),
    }


def changing(item: Item, wanted: Mapping[str, Any]) -> Write | None:
    """An update of these attributes, None for one that is to go; it holds while each is as it was read. None where all are so already.
    With another URL nothing of what was noted of its failures stays.
    """
    changed = {name: value for name, value in wanted.items() if value != item.get(name)}
    if not changed:
        return None
    removes = [f"#{name}" for name, value in changed.items() if value is None]
    removes += ["failingSince", "failedAt", "warned"] if "url" in changed else []
    sets = [f"#{name} = :new_{name}" for name, value in changed.items() if value is not None]
    conditions = [f"#{name} = :old_{name}" if name in item else f"attribute_not_exists(#{name})" for name in changed]
    values = {f":new_{name}": value for name, value in changed.items() if value is not None}
    values |= {f":old_{name}": item[name] for name in changed if name in item}
    return {
        "Key": _key(item),
        "UpdateExpression": " ".join(
            [*([f"SET {', '.join(sets)}"] if sets else []), *([f"REMOVE {', '.join(removes)}"] if removes else [])]
        ),
        "ConditionExpression": " AND ".join([_EXISTS, *conditions]),
        "ExpressionAttributeNames": {f"#{name}": name for name in changed},
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def disabled(tenant_id: str, endpoint_id: str, reason: str) -> Write:
    return {
        "Key": endpoint_key(tenant_id, endpoint_id),
        "UpdateExpression": "SET enabled = :no, disabledReason = :reason",
        "ConditionExpression": _EXISTS,
        "ExpressionAttributeValues": {":no": {"BOOL": False}, ":reason": string(reason)},
    }


def enabled(tenant_id: str, endpoint_id: str) -> Write:
    """Begins anew: nothing of what was noted of its failures stays."""
    return {
        "Key": endpoint_key(tenant_id, endpoint_id),
        "UpdateExpression": "SET enabled = :yes REMOVE disabledReason, failingSince, failedAt, warned",
        "ConditionExpression": _EXISTS,
        "ExpressionAttributeValues": {":yes": {"BOOL": True}},
    }


def removal(tenant_id: str, endpoint_id: str) -> Write:
    return {"Key": endpoint_key(tenant_id, endpoint_id), "ConditionExpression": _EXISTS}


def rows_of(tenant_id: str, *, after: str) -> Write:
    """A Query for whole rows of endpoints, behind the sort key `after`."""
    start: Write = {"ExclusiveStartKey": {"PK": string(f"TENANT#{tenant_id}"), "SK": string(after)}} if after else {}
    return start | {
        "KeyConditionExpression": "PK = :pk AND begins_with(SK, :endpoint)",
        "ExpressionAttributeValues": {":pk": string(f"TENANT#{tenant_id}"), ":endpoint": string("ENDPOINT#")},
        "ConsistentRead": True,
    }


def _live(item: Item, at: float) -> list[OldSecret]:
    return [each for each in old_secrets(item) if each != UNREADABLE and each.is_live(at)]


def _key(item: Item) -> Item:
    return {"PK": item["PK"], "SK": item["SK"]}


def _kind(secret: str) -> Kind:
    return "v1a" if kind_of(secret) == "v1a" else "v1"


def _moment(until: float | None) -> datetime | None:
    return None if until is None else datetime.fromtimestamp(until, UTC)
