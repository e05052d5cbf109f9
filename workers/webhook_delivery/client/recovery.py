"""All that failed at an endpoint since a moment, sent again: counted first, at a rate, and exactly once however often it is begun anew."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from workers.webhook_delivery.client.deliveries import TRIES, Deliveries, Overtaken
from workers.webhook_delivery.client.terms import WrongField, types_fault
from workers.webhook_delivery.rules import Subscription, wants
from workers.webhook_delivery.store.delivered import Delivery, webhook_id_of
from workers.webhook_delivery.store.payloads import KEEPS

RATE: Final = 10.0
"""Deliveries sent again in a second, where nothing else is asked."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries: those of one endpoint that ended without success, whose first or last attempt began from `since` to `until`. Everything here
    is part of the order's name.
    """

    tenant_id: str
    endpoint_id: str
    since: datetime
    until: datetime
    event_types: tuple[str, ...] = ("*",)

    @property
    def order(self) -> str:
        """The same for the same wish: whoever gives it again sends nothing twice."""
        parts = [self.tenant_id, self.endpoint_id, *(each.isoformat() for each in (self.since, self.until))]
        digest = hashlib.sha256(json.dumps([*parts, *self.event_types]).encode()).hexdigest()
        return f"recover-{digest[:32]}"

    def check(self, *, now: datetime) -> None:
        """Raises WrongField."""
        for name, at in (("since", self.since), ("until", self.until)):
            if at.tzinfo is None:
                raise WrongField(name, "a time with its zone, as in 2026-11-21T09:00:00Z")
        if now - self.since > timedelta(seconds=KEEPS):
            raise WrongField("since", f"at most {KEEPS // 86_400} days ago: nothing is kept for longer")
        if not self.since < self.until <= now:
            raise WrongField("until", "later than since, and not in the future")
        if why := types_fault(self.event_types):
            raise WrongField("eventTypes", why)


@dataclass(frozen=True, slots=True)
class Recovered:
    """`sent` counts deliveries sent again (of a dry run: that would be); `left` the others, by why."""

    sent: int
    left: Counter[str] = field(default_factory=Counter)


async def recover(
    wanted: Wanted,
    deliveries: Deliveries,
    *,
    act: bool,
    rate: float = RATE,
    now: datetime | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Recovered:
    """Raises WrongField, NoSuchEndpoint, or Refused where the endpoint is disabled, also when it becomes so meanwhile."""
    wanted.check(now=now or datetime.now(UTC))
    if not rate > 0:
        raise WrongField("rate", "deliveries a second, more than 0")
    await deliveries.check_enabled(wanted.tenant_id, wanted.endpoint_id)
    left: Counter[str] = Counter()
    seen: set[str] = set()
    sent = 0
    names = wanted.tenant_id, wanted.endpoint_id
    async for row in deliveries.rows(*names, since=wanted.since, until=wanted.until):
        webhook_id = webhook_id_of(row)
        if webhook_id in seen:
            continue
        seen.add(webhook_id)
        if why := await _again(webhook_id, wanted, deliveries, act=act):
            left[why] += 1
            continue
        sent += 1
        if act:
            await sleep(1 / rate)
            if sent % 100 == 0:
                await deliveries.check_enabled(*names)
    return Recovered(sent, left)


async def _again(webhook_id: str, wanted: Wanted, deliveries: Deliveries, *, act: bool) -> str:
    """Send it again, to `act`; why it was left, "" where it was not."""
    names = wanted.tenant_id, wanted.endpoint_id
    for _ in range(TRIES):
        found = await deliveries.show(wanted.tenant_id, webhook_id, wanted.endpoint_id)
        why = why_left(found, wanted)
        if why or not act:
            return why
        try:
            await deliveries.send_again(found, *names, by=wanted.order)
        except Overtaken:  # by this order, given twice at once, or by hand: whichever, it may be done
            continue
        return ""
    return "sent again by others at the same time"


def why_left(found: Delivery, wanted: Wanted) -> str:
    """Why it is not sent again; "" where it is."""
    ours = [each for each in found.attempts if each.resent == wanted.order]
    if any(each.status != "SENDING" for each in ours):
        return "sent by this order before"
    asked = Subscription(wanted.endpoint_id, wanted.event_types, enabled=True)
    if found.event_type and not wants(asked, found.event_type):
        return "of another type"
    if found.state == "DELIVERED":
        return "delivered"
    if found.state == "PENDING" and not ours:
        return "still being tried"
    return "" if found.payload is not None else "payload no longer kept"
