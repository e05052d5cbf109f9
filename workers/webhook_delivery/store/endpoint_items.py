"""How endpoints are spelled in the webhooks table, and how their rows are read: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from workers.webhook_delivery.egress.rate import FASTEST, SLOWEST
from workers.webhook_delivery.event import LONGEST_NAME, place_of
from workers.webhook_delivery.filters import Filter, PatternError, read_pattern
from workers.webhook_delivery.life import KINDS, STEPS, Change, Life, Owed
from workers.webhook_delivery.rules import Endpoint, Page, Subscription
from workers.webhook_delivery.signing.request import headers_fault
from workers.webhook_delivery.store.typed import (
    Item,
    Write,
    flag_of,
    iso,
    moment_of,
    number,
    number_of,
    numbers_of,
    string,
    text_of,
    texts_of,
)

PAGE: Final = 500
"""Endpoints that one query reads."""

MOST_RETRIES, LONGEST_DELAY = 99, 14 * 86_400.0
"""Retries of an endpoint's own schedule, and seconds before one."""


def retries_fault(delays: Sequence[float]) -> str | None:
    """Why an endpoint's own schedule cannot be so; None where it can. Not even one retry is a schedule, too."""
    if len(delays) > MOST_RETRIES:
        return f"at most {MOST_RETRIES} retries"
    right = all(0 <= each <= LONGEST_DELAY for each in delays)
    return None if right else f"each is 0 to {LONGEST_DELAY:.0f} seconds, two weeks, after the attempt before"


def rate_fault(rate: float) -> str | None:
    return None if SLOWEST <= rate <= FASTEST else f"{SLOWEST:g} to {FASTEST:g} requests a second"


def endpoints_of(tenant_id: str, *, after: str) -> Write:
    """A Query for a page of what fan-out needs, behind the sort key `after`: neither URLs nor secrets are read."""
    start: Write = {"ExclusiveStartKey": {"PK": string(f"TENANT#{tenant_id}"), "SK": string(after)}} if after else {}
    return start | {
        "KeyConditionExpression": "PK = :pk AND begins_with(SK, :endpoint)",
        "ExpressionAttributeValues": {":pk": string(f"TENANT#{tenant_id}"), ":endpoint": string("ENDPOINT#")},
        "ProjectionExpression": "SK, endpointId, eventTypes, enabled, channels, eventPattern, payloadLimit",
        "ConsistentRead": True,
        "Limit": PAGE,
    }


def page(answer: Item) -> Page:
    return Page(tuple(map(subscription, answer.get("Items", []))), text_of(answer.get("LastEvaluatedKey", {}), "SK"))


def endpoint_key(tenant_id: str, endpoint_id: str) -> Item:
    return {"PK": string(f"TENANT#{tenant_id}"), "SK": string(place_of(endpoint_id))}


def subscription(item: Item) -> Subscription:
    endpoint_id = text_of(item, "SK").removeprefix("ENDPOINT#")  # the row's own name: two rows never have one
    fault = "" if 1 <= len(endpoint_id) <= LONGEST_NAME and text_of(item, "endpointId") == endpoint_id else "endpointId"
    event_types, enabled = texts_of(item, "eventTypes"), flag_of(item, "enabled")
    return Subscription(
        endpoint_id,
        event_types,
        enabled=enabled,
        fault=fault or _fault(item, "enabled", "eventTypes", "channels", "eventPattern", "payloadLimit"),
        filter=Filter(text_of(item, "eventPattern"), texts_of(item, "channels")),
        payload_limit=int(number_of(item, "payloadLimit") or 0),
    )


@dataclass(frozen=True, slots=True)
class OldSecret:
    """A secret that was current once; it signs until `until` (epoch seconds), or for as long as it stands there."""

    text: str = field(repr=False)
    until: float | None = None

    def is_live(self, at: float) -> bool:
        return self.until is None or at < self.until


UNREADABLE: Final = OldSecret("")
_LIFE: Final = {"failingSince", "failedAt", "warned", "owed"}
_LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999."""


def old_secrets(item: Item) -> list[OldSecret]:
    """A list or set of texts, or of maps of `secret` and `expiresAt`; the newest first. What is neither is UNREADABLE, and signs nothing."""
    given = item.get("previousSecrets", {})
    if given and not given.keys() & {"L", "SS"}:
        return [UNREADABLE]
    return [*map(OldSecret, given.get("SS", ())), *map(_old_secret, given.get("L", ()))]


def _old_secret(given: Item) -> OldSecret:
    if "S" in given:
        return OldSecret(given["S"])
    fields = given.get("M", {})
    text, until = text_of(fields, "secret"), number_of(fields, "expiresAt")
    is_readable = text and until is not None and until <= _LATEST  # milliseconds lie far behind it
    return OldSecret(text, until) if is_readable else UNREADABLE


def endpoint(item: Item, *, tenant_id: str, endpoint_id: str, at: float) -> Endpoint:
    """A missing URL or secret is an empty one: refused at the attempt, where the customer can see it. Old secrets sign until
    they expire; `at` in epoch seconds.
    """
    return Endpoint(
        tenant_id=tenant_id,
        endpoint_id=endpoint_id,
        url=text_of(item, "url"),
        secrets=(text_of(item, "secret"), *(each.text for each in old_secrets(item) if each.is_live(at))),
        enabled=flag_of(item, "enabled"),
        fault=delivery_fault(item),
        headers=headers_of(item),
        life=_life(item),
        retries=tuple(numbers_of(item, "retrySchedule")) if "retrySchedule" in item else None,
        at_most_once=flag_of(item, "atMostOnce"),
        expires_after=number_of(item, "expiresAfter"),
        rate=number_of(item, "rateLimit"),
    )


def delivery_fault(item: Item) -> str:
    """Which attribute keeps deliveries from being made, beside those that fan-out reads."""
    return _fault(item, "enabled", "customHeaders", "retrySchedule", "atMostOnce", "expiresAfter", "rateLimit")


def headers_of(item: Item) -> tuple[tuple[str, str], ...]:
    given = item.get("customHeaders", {}).get("M", {})
    return tuple((name, text_of(given, name)) for name in given)


def disabling(gone: Endpoint, owed: Owed) -> Write:
    """An update that holds while the endpoint is the one that answered: a customer may have given it another URL."""
    return {
        "Key": endpoint_key(gone.tenant_id, gone.endpoint_id),
        "UpdateExpression": "SET enabled = :no, disabledReason = :reason, owed = list_append(if_not_exists(owed, :none), :owed)",
        "ConditionExpression": "enabled = :yes AND #url = :url",
        "ExpressionAttributeNames": {"#url": "url"},
        "ExpressionAttributeValues": {
            ":no": {"BOOL": False},
            ":yes": {"BOOL": True},
            ":url": string(gone.url),
            ":reason": string("410 Gone"),
            ":none": {"L": []},
            ":owed": _owed((owed,)),
        },
    }


def living(tenant_id: str, endpoint_id: str, change: Change) -> Write:
    """An update of what is noted of the endpoint's failures; it holds while that is what it was."""
    before, after = change.before, change.after
    values: dict[str, Any] = {}
    sets: list[str] = []
    removes: list[str] = []
    wanted = {
        "failingSince": after.failing_since and string(iso(after.failing_since)),
        "failedAt": after.failed_at and string(iso(after.failed_at)),
        "warned": number(after.warned) if after.warned else None,
        "owed": _owed(after.owed) if after.owed else None,
        **({"enabled": {"BOOL": False}, "disabledReason": string(change.disable)} if change.disable else {}),
    }
    for name, value in wanted.items():
        if value is None:
            removes.append(name)
        else:
            sets.append(f"{name} = :{name}")
            values[f":{name}"] = value
    conditions = ["attribute_exists(PK)"]
    known = {
        "failingSince": before.failing_since and string(iso(before.failing_since)),
        "warned": number(before.warned) if before.warned else None,
        "owed": _owed(before.owed) if before.owed else None,
    }
    for name, value in known.items():
        conditions.append(f"{name} = :old_{name}" if value else f"attribute_not_exists({name})")
        values |= {f":old_{name}": value} if value else {}
    expression = (f"SET {', '.join(sets)} " if sets else "") + (f"REMOVE {', '.join(removes)}" if removes else "")
    return {
        "Key": endpoint_key(tenant_id, endpoint_id),
        "UpdateExpression": expression.strip(),
        "ConditionExpression": " AND ".join(conditions),
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def telling(endpoint: Endpoint) -> Write:
    """An update that forgets what was owed and has been told; it holds while nothing more is owed."""
    return {
        "Key": endpoint_key(endpoint.tenant_id, endpoint.endpoint_id),
        "UpdateExpression": "REMOVE owed",
        "ConditionExpression": "owed = :owed",
        "ExpressionAttributeValues": {":owed": _owed(endpoint.life.owed)},
    }


def odd_life(item: Item, *, at: float) -> list[str]:
    """Which attributes of what is noted of its failures are not as they are written here by `at` (epoch seconds): no condition on them would
    ever hold, or what they say keeps the endpoint from being told, disabled and well again. A day is left for clocks that disagree.
    """
    if not item.keys() & _LIFE:  # of nearly every endpoint
        return []
    life = _life(item)
    written = {
        "failingSince": _past(life.failing_since, at),
        "failedAt": _past(life.failed_at, at),
        "warned": number(life.warned) if life.warned in STEPS else None,
        "owed": _owed(life.owed) if life.owed and all(each.kind in KINDS for each in life.owed) else None,
    }
    return [name for name, value in written.items() if item.get(name) != value]


def _past(moment: datetime | None, at: float) -> Item | None:
    return string(iso(moment)) if moment is not None and moment.timestamp() < at + 86_400 else None


def beginning_anew(item: Item, names: Sequence[str]) -> Write:
    """An update that takes these attributes away; it holds while each is as it was read."""
    return {
        "Key": {"PK": item["PK"], "SK": item["SK"]},
        "UpdateExpression": "REMOVE " + ", ".join(names),
        "ConditionExpression": " AND ".join(f"{name} = :{name}" for name in names),
        "ExpressionAttributeValues": {f":{name}": item[name] for name in names},
    }


def _owed(owed: tuple[Owed, ...]) -> Item:
    return {"L": [{"M": {"kind": string(each.kind), "detail": string(each.detail)}} for each in owed]}


def _life(item: Item) -> Life:
    owed = [each.get("M", {}) for each in item.get("owed", {}).get("L", ())]
    return Life(
        failing_since=moment_of(item, "failingSince"),
        failed_at=moment_of(item, "failedAt"),
        warned=int(number_of(item, "warned") or 0),
        owed=tuple(Owed(text_of(each, "kind"), text_of(each, "detail")) for each in owed),
    )


def _is_pattern(value: Item) -> bool:
    try:
        read_pattern(str(value["S"]))
    except (KeyError, PatternError):
        return False
    return True


def _are_texts(value: Item) -> bool:
    return "SS" in value or all("S" in each for each in value.get("L", ({},)))


_READABLE: Final[Mapping[str, Callable[[Item], bool]]] = {
    "enabled": lambda value: "BOOL" in value,
    "eventTypes": lambda value: (
        _are_texts(value) and value != {"L": []}
    ),  # which takes nothing, and nobody would say so
    "channels": lambda value: not value or _are_texts(value),
    "eventPattern": lambda value: not value or _is_pattern(value),
    "retrySchedule": lambda value: (
        not value or retries_fault([float(each.get("N", "nan")) for each in value.get("L", [{}])]) is None
    ),
    "atMostOnce": lambda value: not value or "BOOL" in value,
    "expiresAfter": lambda value: not value or float(value.get("N", 0)) > 0,
    "rateLimit": lambda value: not value or rate_fault(float(value.get("N", "nan"))) is None,
    "payloadLimit": lambda value: not value or float(value.get("N", -1)) >= 0,
    "customHeaders": lambda value: (
        not value or ("M" in value and not headers_fault(headers_of({"customHeaders": value})))
    ),
}


def _fault(item: Item, *names: str) -> str:
    """The first of these attributes that is missing or of another type: `"true"` is a text and says neither yes nor no."""
    return next((name for name in names if not _READABLE[name](item.get(name, {}))), "")
