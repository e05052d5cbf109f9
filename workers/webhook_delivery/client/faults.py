"""What is wrong with an endpoint that somebody wrote by hand, also where no event would ever find it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from workers.webhook_delivery.client.registration import name_fault
from workers.webhook_delivery.client.terms import types_fault
from workers.webhook_delivery.egress.guard import url_fault
from workers.webhook_delivery.signing import SecretError, is_sealed, signing_key
from workers.webhook_delivery.store import endpoint_items
from workers.webhook_delivery.store.typed import Item, text_of

_TENANT: Final = "TENANT#"
_ENDPOINT: Final = "ENDPOINT#"
_OWN: Final = {"url", "eventTypes"}
"""Attributes that an endpoint alone has."""


def row_fault(item: Item, at: datetime, *, allow_loopback: bool = False) -> str:  # noqa: PLR0911  a mistake in each line
    """What is wrong with a row of the table, beginning with the attribute; "" where nothing is, or where it is no endpoint. Raises nothing,
    whatever the row holds.
    """
    pk, sk = text_of(item, "PK"), text_of(item, "SK")
    if not (sk.startswith(_ENDPOINT) or text_of(item, "entity") == "endpoint" or item.keys() & _OWN):
        return ""
    tenant_id, endpoint_id = pk.removeprefix(_TENANT), sk.removeprefix(_ENDPOINT)
    if not pk.startswith(_TENANT) or name_fault(tenant_id):
        return "PK: not TENANT# and the id of a tenant, and no event finds the row"
    if not sk.startswith(_ENDPOINT):
        return "SK: not ENDPOINT# and an id, and no event finds the row"
    subscribed = endpoint_items.subscription(item)
    posted = endpoint_items.endpoint(item, tenant_id=tenant_id, endpoint_id=endpoint_id, at=at.timestamp())
    if fault := subscribed.fault or posted.fault:
        return f"{fault}: " + ("not the id in SK" if fault == "endpointId" else "missing, or not of its type")
    if why := types_fault(subscribed.event_types):
        return f"eventTypes: {why}"
    if why := url_fault(posted.url, allow_loopback=allow_loopback):
        return f"url: {why}"
    return (
        _secret_fault(text_of(item, "secret")) or _old_secret_fault(item) or _life_fault(item, at) or _time_fault(item)
    )


def _secret_fault(secret: str) -> str:
    """One that is sealed opens to the worker alone."""
    try:
        if not is_sealed(secret):
            signing_key(secret)
    except SecretError as error:
        return f"secret: {error}"
    return ""


def _old_secret_fault(item: Item) -> str:
    is_odd = endpoint_items.UNREADABLE in endpoint_items.old_secrets(item)
    return "previousSecrets: not a list of texts, or of maps of secret and expiresAt in seconds" if is_odd else ""


def _life_fault(item: Item, at: datetime) -> str:
    odd = endpoint_items.odd_life(item, at=at.timestamp())
    return f"{odd[0]}: not as the worker writes it, which takes it away at the next delivery" if odd else ""


def _time_fault(item: Item) -> str:
    return "TTL: an endpoint has none, and DynamoDB deletes the row by then" if "TTL" in item else ""
