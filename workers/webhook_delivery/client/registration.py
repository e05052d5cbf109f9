"""What a producer says of an endpoint, refused with the field's name where the worker could not keep to it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from workers.webhook_delivery.client.terms import Terms, WrongField, attributes, check, check_types
from workers.webhook_delivery.event import LONGEST_NAME
from workers.webhook_delivery.signing import SecretError, signing_key
from workers.webhook_delivery.store.registered import Kind

_ID: Final = re.compile(rf"[A-Za-z0-9._@:-]{{1,{LONGEST_NAME}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Registration:
    """An endpoint to be added; without an id or a secret it gets one, of `kind`. `pattern` is an equality pattern in EventBridge's
    form on `detail`, `payload_limit` in bytes, `retries` the seconds before each attempt after the first, `rate` in requests a second. Its repr tells no URL, no secret and no header.
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
    rate: float | None = None

    def terms(self) -> Terms:
        """What of it can be changed later."""
        return Terms(
            url=self.url,
            event_types=self.event_types,
            channels=self.channels,
            pattern=self.pattern,
            headers=self.headers,
            payload_limit=self.payload_limit,
            retries=self.retries,
            at_most_once=self.at_most_once,
            expires_after=self.expires_after,
            rate=self.rate,
        )

    def row(self) -> dict[str, Any]:
        """Its own attributes in the table, without its secret; what it does not ask for is not there."""
        return {name: value for name, value in attributes(self.terms()).items() if value is not None}

    def check(self, *, allow_loopback: bool) -> None:
        """Raises WrongField for the first field that cannot be so."""
        check_types(Registration, self)
        for name, why in (
            ("tenantId", name_fault(self.tenant_id)),
            ("endpointId", id_fault(self.endpoint_id)),
            ("secret", _secret_fault(self.secret)),
            ("kind", None if self.kind in {"v1", "v1a"} else "v1 or v1a"),
        ):
            if why:
                raise WrongField(name, why)
        check(self.terms(), allow_loopback=allow_loopback)


def name_fault(tenant_id: str) -> str | None:
    """Of a tenant's id, which is whatever the events carry."""
    if not 1 <= len(tenant_id) <= LONGEST_NAME:
        return f"1 to {LONGEST_NAME} characters, as the events' detail.tenantId"
    return None if tenant_id.isprintable() else "no control characters"


def id_fault(endpoint_id: str) -> str | None:
    return None if _ID.fullmatch(endpoint_id) else f"1 to {LONGEST_NAME} letters, digits, '.', '_', '@', ':' or '-'"


def _secret_fault(secret: str) -> str | None:
    if not secret:
        return None
    try:
        signing_key(secret)
    except SecretError as error:
        return str(error)
    return None
