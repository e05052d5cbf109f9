"""What is done with a tenant's event: one job for each endpoint that takes it, and how a job becomes a message."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from shared import Message, Reject, Send
from shared.telemetry.drops import dropped
from workers.webhook_delivery.event import LARGEST_PAYLOAD, DeliveryJob, Published, is_too_large
from workers.webhook_delivery.rules import LONGEST_HOP, Schedule, Subscription, delay, wants, why_not

WORKER = "webhook-delivery"
AT_ONCE = 10
"""Jobs that are written out at once, each with its copy of the payload."""

_GROUP = re.compile(r"[!-~]{1,128}", re.ASCII)

log = structlog.get_logger()


async def fan_out(
    event: Published,
    *,
    subscriptions: Callable[[str], Awaitable[Sequence[Subscription]]],
    send: Send,
    schedule: Schedule,
    now: Callable[[], datetime],
) -> None:
    """One job for each enabled endpoint that wants the event; a duplicate's jobs find their attempts made."""
    if is_too_large(event.payload):
        raise Reject(f"the event is too large for a webhook, whose payload has {LARGEST_PAYLOAD} bytes at most")
    at = now()
    due = at + timedelta(seconds=schedule.delays[0])
    jobs = [
        DeliveryJob(
            eventId=event.event_id,
            eventType=event.event_type,
            tenantId=event.tenant_id,
            endpointId=each.endpoint_id,
            attempt=1,
            payload=event.payload,
            fingerprint=event.fingerprint,
            firstAttemptAt=due,
            notBefore=due,
        )
        for each in _takers(event, await subscriptions(event.tenant_id))
    ]
    for start in range(0, len(jobs), AT_ONCE):
        await send([message(job, at) for job in jobs[start : start + AT_ONCE]])
    log.info("webhook_fanned_out", event_id=event.event_id, event_type=event.event_type, endpoints=len(jobs))


def _takers(event: Published, subscriptions: Sequence[Subscription]) -> list[Subscription]:
    """Who gets the event. An endpoint that wants it and gets none is counted, and so is an event that nobody takes."""
    takers: list[Subscription] = []
    about = {"event_id": event.event_id, "event_type": event.event_type, "tenant_id": event.tenant_id}
    for each in subscriptions:
        if each.fault:
            log.warning("webhook_endpoint_unreadable", endpoint_id=each.endpoint_id, attribute=each.fault, **about)
        if not each.fault and not wants(each, event.event_type):
            continue
        if reason := why_not(each):
            dropped(WORKER, reason, endpoint_id=each.endpoint_id, **about)
        else:
            takers.append(each)
    if not takers:
        dropped(WORKER, "nobody_takes_it", **about)
    return takers


def message(job: DeliveryJob, now: datetime, *, least: int = 0) -> Message:
    """Delayed until it is due, and for `least` seconds. Grouped by tenant: SQS's fair queues keep one tenant's flood from delaying the others."""
    group = job.tenant_id if _GROUP.fullmatch(job.tenant_id) else hashlib.sha256(job.tenant_id.encode()).hexdigest()
    return Message(body=job.body(), delay=min(LONGEST_HOP, max(least, delay(job.not_before, now=now))), group=group)
