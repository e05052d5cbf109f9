"""An endpoint's terms: what a producer may say of each, and how it stands in the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from shared import mistyped
from workers.webhook_delivery.egress.guard import url_fault
from workers.webhook_delivery.event import LARGEST_PAYLOAD
from workers.webhook_delivery.filters import LONGEST_CHANNEL, MOST_CHANNELS, PatternError, read_pattern
from workers.webhook_delivery.rules import OWN
from workers.webhook_delivery.signing.request import headers_fault
from workers.webhook_delivery.store.endpoint_items import rate_fault, retries_fault
from workers.webhook_delivery.store.typed import number, string

MOST_TYPES: Final = 100
"""Event types of one endpoint."""
LONGEST_TYPE: Final = 128
"""Characters of a detail-type (EventBridge's limit)."""
LONGEST_URL: Final = 2048
"""Characters of a URL."""

LONGEST_EXPIRY: Final = 30 * 86_400.0


class WrongField(ValueError):
    """`field` cannot be so; the text begins with its name, says what to do, and quotes no value."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.field = name


class Terms(TypedDict, total=False):
    """What may be changed of an endpoint, each as in a Registration; (), "", 0, False or None where it shall have none of its own."""

    url: str
    event_types: tuple[str, ...]
    channels: tuple[str, ...]
    pattern: str
    headers: tuple[tuple[str, str], ...]
    payload_limit: int
    retries: tuple[float, ...] | None
    at_most_once: bool
    expires_after: float | None
    rate: float | None


@dataclass(frozen=True, slots=True)
class _Term:
    """Its attribute in the table, why a value of it cannot be so, and the value as it is written; None: it is not there."""

    attribute: str
    fault: Callable[[Any], str | None]
    written: Callable[[Any], Any]


def attributes(terms: Terms) -> dict[str, Any]:
    """The attributes of these terms in the table; None for one that is not to be there."""
    given: Mapping[str, Any] = {**terms}
    return {_TERMS[name].attribute: _TERMS[name].written(value) for name, value in given.items()}


def check(terms: Terms, *, allow_loopback: bool) -> None:
    """Raises WrongField for the first that cannot be so."""
    given: Mapping[str, Any] = {**terms}
    if unknown := given.keys() - _TERMS.keys():
        raise WrongField(min(unknown), "no term of an endpoint")
    check_types(Terms, given)
    for name, value in given.items():
        term = _TERMS[name]
        why = _url_fault(value, allow_loopback=allow_loopback) if name == "url" else term.fault(value)
        if why:
            raise WrongField(term.attribute, why)


def check_types(kind: type, given: Any) -> None:
    """Raises WrongField for the first that holds another type, by its name in Python."""
    if fault := mistyped(kind, given):
        raise WrongField(fault[0], f"it has to be {fault[1]}")


def types_fault(event_types: tuple[str, ...]) -> str | None:
    """An exact name, `upload.*` for all below `upload.`, or `*` for all."""
    if not 1 <= len(event_types) <= MOST_TYPES:
        return f"1 to {MOST_TYPES} types; '*' takes all"
    for each in event_types:
        if not 1 <= len(each) <= LONGEST_TYPE or not each.isprintable():
            return f"each has 1 to {LONGEST_TYPE} printable characters"
        stem = each.removesuffix(".*")
        if each != "*" and (not stem or "*" in stem):
            return "'*' stands alone or as the last part, as in 'upload.*'; every other name is exact"
        if each != stem and f"{stem}.".startswith(OWN):
            return f"what begins with '{OWN}' is taken by its exact name alone, as 'webhook.disabled'"
    return None if len({*event_types}) == len(event_types) else "one type is named twice"


def _url_fault(url: str, *, allow_loopback: bool) -> str | None:
    if len(url) > LONGEST_URL:
        return f"at most {LONGEST_URL} characters"
    if "#" in url:
        return "no '#': what stands behind it is never sent"
    return url_fault(url, allow_loopback=allow_loopback)


def _channels_fault(channels: tuple[str, ...]) -> str | None:
    if len(channels) > MOST_CHANNELS or len({*channels}) < len(channels):
        return f"at most {MOST_CHANNELS}, each once"
    right = all(1 <= len(each) <= LONGEST_CHANNEL and each.isprintable() for each in channels)
    return None if right else f"each has 1 to {LONGEST_CHANNEL} printable characters"


def _pattern_fault(pattern: str) -> str | None:
    try:
        if pattern:
            read_pattern(pattern)
    except PatternError as error:
        return str(error)
    return None


def _limit_fault(limit: int) -> str | None:
    return None if 0 <= limit <= LARGEST_PAYLOAD else f"1 to {LARGEST_PAYLOAD} bytes, or 0 for no limit of its own"


def _expiry_fault(seconds: float | None) -> str | None:
    return None if seconds is None or 1 <= seconds <= LONGEST_EXPIRY else f"1 to {LONGEST_EXPIRY:.0f} seconds, 30 days"


def _no_fault(_: Any) -> None:
    return None


def _texts(given: tuple[str, ...]) -> Any:
    return {"L": [string(each) for each in given]}


def _number(given: float) -> Any:
    """Without an exponent and with all its digits."""
    return number(str(int(given)) if math.floor(given) == given else repr(given))


_TERMS: Final[Mapping[str, _Term]] = {
    "url": _Term("url", _no_fault, string),
    "event_types": _Term("eventTypes", types_fault, _texts),
    "channels": _Term("channels", _channels_fault, lambda given: _texts(given) if given else None),
    "pattern": _Term("eventPattern", _pattern_fault, lambda given: string(given) if given else None),
    "headers": _Term(
        "customHeaders",
        headers_fault,
        lambda given: {"M": {name: string(value) for name, value in given}} if given else None,
    ),
    "retries": _Term(
        "retrySchedule",
        lambda given: retries_fault(given or ()),
        lambda given: None if given is None else {"L": [_number(each) for each in given]},
    ),
    "at_most_once": _Term("atMostOnce", _no_fault, lambda given: {"BOOL": True} if given else None),
    "expires_after": _Term("expiresAfter", _expiry_fault, lambda given: None if given is None else _number(given)),
    "payload_limit": _Term("payloadLimit", _limit_fault, lambda given: number(given) if given else None),
    "rate": _Term(
        "rateLimit",
        lambda given: None if given is None else rate_fault(given),
        lambda given: None if given is None else _number(given),
    ),
}
