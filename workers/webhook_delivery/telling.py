"""What is told on the bus of a tenant's webhooks."""

from __future__ import annotations

import hashlib
from datetime import datetime

import orjson
import structlog

from shared import BusEntry, Reject
from shared.telemetry.drops import dropped
from shared.telemetry.logging import customer
from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.fan_out import WORKER
from workers.webhook_delivery.life import Change, Owed, after_failure, after_success
from workers.webhook_delivery.ports import Ports
from workers.webhook_delivery.rules import (
    OWN,
    Claim,
    Delivered,
    Endpoint,
    Exhausted,
    Failed,
    Gone,
    Succeeded,
    Verdict,
)

EXHAUSTED = "webhook.exhausted"
SOURCE = "fleet.webhooks"
TRIES = 3
"""Looks at an endpoint whose row others change as a success is noted."""
WINDOW_SECONDS = 3600.0
"""For which nobody else tells of an endpoint's exhausted deliveries."""

log = structlog.get_logger()


async def give_up(job: DeliveryJob, last: Failed, ports: Ports) -> None:
    """The end, told of on the bus: once for an endpoint in an hour, and never of what itself tells of webhooks, or an
    endpoint that fails would be told of its failures, and fail at that; nor of a delivery whose end was told before.
    """
    is_news = not job.ended and not job.event_type.startswith(OWN)
    if is_news and await ports.store.announce(job, now=ports.now(), seconds=WINDOW_SECONDS):
        try:
            await ports.put_event(BusEntry(SOURCE, EXHAUSTED, _exhausted(job, last)))
        except Exception:  # whoever comes next may tell; where the process dies here, this job comes back and does
            await ports.store.announce(job, now=ports.now(), seconds=0.0)
            raise
    await ports.store.settle(job)
    log.info("webhook_exhausted", **about(job), attempts=job.attempt)
    dropped(WORKER, "exhausted", **about(job))


def _exhausted(job: DeliveryJob, last: Failed) -> str:
    delivery = hashlib.sha256(orjson.dumps([job.tenant_id, job.event_id, job.endpoint_id])).hexdigest()
    detail = {
        "id": f"exhausted_{delivery[:32]}",
        **({"correlationId": job.correlation_id} if job.correlation_id else {}),
        "tenantId": job.tenant_id,
        "endpointId": job.endpoint_id,
        "eventId": job.event_id,
        "eventType": job.event_type,
        "attempts": job.attempt,
        "lastStatus": last.status,
        "lastError": last.error,
    }
    return orjson.dumps(detail).decode()


async def live(job: DeliveryJob, endpoint: Endpoint, verdict: Verdict, ports: Ports, *, at: datetime) -> None:
    """Note what an attempt that was over `at` says of its endpoint, and tell what follows."""
    match verdict:
        case Gone():
            change = None
        case Delivered():
            change = await _live_on(endpoint, ports, at=at)
        case _:
            begins = job.attempt > 1 or isinstance(verdict, Exhausted)
            change = await _fail(endpoint, ports, begins=begins)
    if not isinstance(verdict, Gone) and (change is None or not change.after.owed):
        return
    found = await ports.store.endpoint(endpoint.tenant_id, endpoint.endpoint_id)
    if found is not None:
        await tell_owed(found, ports)


async def _live_on(endpoint: Endpoint, ports: Ports, *, at: datetime) -> Change | None:
    """A success, of the endpoint as it is known now: it may have begun to fail while the request was on its way, and a failure may be noted
    as this is. What succeeded before it began to fail says nothing of it, nor what succeeded at another URL.
    """
    names = {"tenant_id": endpoint.tenant_id, "endpoint_id": endpoint.endpoint_id}
    change = None
    for _ in range(TRIES):
        known = await ports.store.endpoint(**names)
        if known is None or not known.enabled or known.url != endpoint.url:
            return None
        if known.life.failing_since is not None and at < known.life.failing_since:
            return None
        change = after_success(known.life, **names)
        if change is None or await ports.store.live(known, change):
            break
    return change


async def _fail(endpoint: Endpoint, ports: Ports, *, begins: bool) -> Change | None:
    names = {"tenant_id": endpoint.tenant_id, "endpoint_id": endpoint.endpoint_id}
    change = after_failure(endpoint.life, **names, now=ports.now(), disable_after=ports.disable_after, begins=begins)
    if change is not None and await ports.store.live(endpoint, change) and change.disable:
        disabled = {"tenant": customer(endpoint.tenant_id), "endpoint_id": endpoint.endpoint_id}
        log.warning("webhook_endpoint_disabled", **disabled, reason=change.disable)
    return change


async def live_late(job: DeliveryJob, endpoint: Endpoint, found: Claim | None, ports: Ports) -> None:
    """Note a success that its maker may have died before noting; when it was due is the earliest that it can have been."""
    if isinstance(found, Succeeded) and endpoint.life.failing_since is not None:
        await live(job, endpoint, Delivered(), ports, at=job.not_before)


async def tell_owed(endpoint: Endpoint, ports: Ports) -> None:
    """What an endpoint's row still owes, in order. A crash before it is noted as told puts it once more, under the same id, and so does another
    process that reads it meanwhile.
    """
    mine = {*endpoint.life.owed} - ports.told.under_way
    if not mine:  # nothing, or somebody is at all of it, whose job comes back where that fails
        return
    ports.told.under_way.update(mine)
    try:
        for each in endpoint.life.owed:
            if each not in ports.told.done:
                await _put_owed(each, endpoint, ports)
                ports.told.note(each)
        await ports.store.forget_owed(endpoint)
    finally:
        ports.told.under_way.difference_update(mine)


async def _put_owed(owed: Owed, endpoint: Endpoint, ports: Ports) -> None:
    try:
        await ports.put_event(BusEntry(SOURCE, owed.kind, owed.detail))
    except Reject as refused:  # the bus will never take it, and no delivery is at fault
        names = {"tenant": customer(endpoint.tenant_id), "endpoint_id": endpoint.endpoint_id}
        dropped(WORKER, "owed_event_refused", kind=owed.kind, why=str(refused), **names)


def about(job: DeliveryJob) -> dict[str, str]:
    """As log lines name a delivery."""
    return {"tenant": customer(job.tenant_id), "endpoint_id": job.endpoint_id, "event_id": job.event_id}
