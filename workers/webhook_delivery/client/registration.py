"""What a producer says of an endpoint, refused with the field's name where the worker could not keep to it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from workers.webhook_delivery.egress.guard import url_fault
from workers.webhook_delivery.event import LARGEST_PAYLOAD, LONGEST_NAME
from workers.webhook_delivery.filters import LONGEST_CHANNEL, MOST_CHANNELS, PatternError, read_pattern
from workers.webhook_delivery.signing import SecretError, signing_key
from workers.webhook_delivery.signing.request import headers_fault
from workers.webhook_delivery.store.endpoint_items import retries_fault
from workers.webhook_delivery.store.registered import Kind
from workers.webhook_delivery.store.typed import number, string

MOST_TYPES: Final = 100
"""Event types of one endpoint."""
LONGEST_TYPE: Final = 128
"""Characters of a detail-type (EventBridge's limit)."""
LONGEST_URL: Final = 2048
"""Characters of a URL."""

LONGEST_EXPIRY: Final = 30 * 86_400.0

_ID: Final = re.compile(rf"[A-Za-z0-9._@:-]{{1,{LONGEST_NAME}}}", re.ASCII)


class WrongField(ValueError):
    """`field` cannot be so; the text begins with its name, says what to do, and quotes no value."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.field = name


@dataclass(frozen=True, slots=True)
class Registration:
    """An endpoint to be added; without an id or a secret it gets one, of `kind`. `pattern` is an equality pattern in EventBridge's
    form on `detail`, `payload_limit` in bytes, `retries` the seconds before each attempt after the first. Its repr tells no URL, no secret and no header.
    """

    tenant_id: str
    url: str = field(repr=False)
    event_types: tuple[str, ...]
    endpoint_id: str = field(default_factory=lambda: f"ep_{secrets.token_hex(12)}")
    secret: str = field(default="", repr=False)
    kind: Kind = "v1"
    channels: tuple[str, ...] = ()
    pattern: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    payload_limit: int = 0
    retries: tuple[float, ...] | None = None
    at_most_once: bool = False
    expires_after: float | None = None

    def row(self) -> dict[str, Any]:
        """Its own attributes in the table, without its secret; what it does not ask for is not there."""
        row: dict[str, Any] = {
            "url": string(self.url),
            "eventTypes": {"L": [string(each) for each in self.event_types]},
        }
        if self.channels:
            row["channels"] = {"L": [string(each) for each in self.channels]}
        if self.pattern:
            row["eventPattern"] = string(self.pattern)
        if self.headers:
            row["customHeaders"] = {"M": {name: string(value) for name, value in self.headers}}
        if self.payload_limit:
            row["payloadLimit"] = number(self.payload_limit)
        if self.retries is not None:
            row["retrySchedule"] = {"L": [number(f"{each:g}") for each in self.retries]}
        if self.at_most_once:
            row["atMostOnce"] = {"BOOL": True}
        if self.expires_after is not None:
            row["expiresAfter"] = number(f"{self.expires_after:g}")
        return row

    def check(self, *, allow_loopback: bool) -> None:
        """Raises WrongField for the first field that cannot be so."""
        checks: tuple[tuple[str, Callable[[], str | None]], ...] = (
            ("tenantId", lambda: name_fault(self.tenant_id)),
            ("endpointId", lambda: id_fault(self.endpoint_id)),
            ("url", lambda: _url_fault(self.url, allow_loopback=allow_loopback)),
            ("eventTypes", lambda: types_fault(self.event_types)),
            ("secret", lambda: _secret_fault(self.secret)),
            ("channels", lambda: _channels_fault(self.channels)),
            ("eventPattern", lambda: _pattern_fault(self.pattern)),
            ("customHeaders", lambda: headers_fault(self.headers)),
            ("retrySchedule", lambda: retries_fault(self.retries or ())),
            ("expiresAfter", lambda: _expiry_fault(self.expires_after)),
            ("payloadLimit", lambda: _limit_fault(self.payload_limit)),
        )
        for name, fault in checks:
            if why := fault():
                raise WrongField(name, why)


def name_fault(tenant_id: str) -> str | None:
    """Of a tenant's id, which is whatever the events carry."""
    if not 1 <= len(tenant_id) <= LONGEST_NAME:
        return f"1 to {LONGEST_NAME} characters, as the events' detail.tenantId"
    return None if tenant_id.isprintable() else "no control characters"


def id_fault(endpoint_id: str) -> str | None:
    return None if _ID.fullmatch(endpoint_id) else f"1 to {LONGEST_NAME} letters, digits, '.', '_', '@', ':' or '-'"


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
    return None if len({*event_types}) == len(event_types) else "one type is named twice"


def _url_fault(url: str, *, allow_loopback: bool) -> str | None:
    if len(url) > LONGEST_URL:
        return f"at most {LONGEST_URL} characters"
    return url_fault(url, allow_loopback=allow_loopback)


def _secret_fault(secret: str) -> str | None:
    if not secret:
        return None
    try:
        signing_key(secret)
    except SecretError as error:
        return str(error)
    return None


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
