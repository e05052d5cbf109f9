"""A webhook: an endpoint is registered, an event is published, and the endpoint gets it signed; or why not."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final, Literal

from fleet.dev.stand_ins.server import WEBHOOKS
from fleet.dev.tries.ground import NoEffect, Tried
from workers.webhook_delivery.client import (
    Attempted,
    Delivery,
    Event,
    NoSuchDelivery,
    Registration,
    Webhooks,
    open_webhooks,
)

Answers = Literal["ok", "down", "gone"]

ENDS: Final = {"ok": "DELIVERED", "down": "DELIVERED", "gone": "CANCELLED"}
"""How a delivery ends by what its endpoint answers: 200; 503 once, and 200 five seconds later; 410, which disables it."""


async def webhook(tried: Tried, answers: Answers) -> AsyncIterator[str]:
    """Of a tenant of its own, whose endpoint is the stand-in's. Raises NoEffect."""
    tenant = f"try-{secrets.token_hex(4)}"
    url, secret = f"{tried.url}{WEBHOOKS}/{answers}/{tenant}", tried.environment["STAND_INS_WEBHOOK_SECRET"]
    async with open_webhooks(tried.environment) as webhooks:
        added = await webhooks.endpoints.add(Registration(tenant, url, ("order.*",), secret=secret))
        yield f"endpoint {added.endpoint_id} of tenant {tenant} takes order.* at {url}"
        webhook_id = await webhooks.publish(Event(tenant, "order.placed", key="order-42", detail={"total": "12.50"}))
        yield f"order.placed is published, and will be {webhook_id}"
        seen = 0
        look = partial(_delivery, webhooks, tenant, webhook_id, added.endpoint_id)
        while True:
            found = await tried.until(
                partial(_further, look, seen), what="an attempt's answer", worker="webhook-delivery"
            )
            for each in _ended(found)[seen:]:
                yield f"attempt {each.number} was answered {each.http_status or each.error}"
            seen = len(_ended(found))
            if found.state != "PENDING":
                break
    if found.state != ENDS[answers]:
        raise NoEffect(
            f"the delivery is {found.state}: `fleet webhooks show {webhook_id} --env-file {tried.file} --tenant {tenant} --endpoint {added.endpoint_id}`"
        )
    yield f"the delivery is {found.state}"
    got = [each for each in await tried.received(WEBHOOKS) if each["endpoint"].endswith(tenant)]
    if wrong := next((each["fault"] for each in got if each["fault"]), None):
        raise NoEffect(f"the receiver refused the signature: {wrong}")
    yield f"the receiver verified {len(got)} signature{'s' if len(got) > 1 else ''}"


def _ended(found: Delivery) -> list[Attempted]:
    return [each for each in found.attempts if each.status != "SENDING"]


async def _delivery(webhooks: Webhooks, tenant: str, webhook_id: str, endpoint: str) -> Delivery | None:
    try:
        return await webhooks.deliveries.show(tenant, webhook_id, endpoint, with_payload=False)
    except NoSuchDelivery:
        return None


async def _further(look: Callable[[], Awaitable[Delivery | None]], seen: int) -> Delivery | None:
    """The delivery once it has more attempts with an answer than were seen, and its state says so."""
    found = await look()
    return found if found and len(_ended(found)) > seen else None
