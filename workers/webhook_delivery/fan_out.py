"""What is done with a tenant's event: one job for each endpoint that takes it, and how a job becomes a message."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

import structlog

from shared import Message, Reject, Send
from shared.telemetry.drops import dropped
from shared.telemetry.logging import customer
from workers.webhook_delivery.event import LARGEST_PAYLOAD, DeliveryJob, Published, is_too_large, place_of
from workers.webhook_delivery.filters import Content
from workers.webhook_delivery.rules import LONGEST_HOP, Page, Schedule, Subscription, delay, wants, why_not

WORKER = "webhook-delivery"
AT_ONCE, LARGEST_CALL, SENDERS = 10, 900_000, 4
"""Jobs of one call and their bytes, and calls side by side: so many jobs are written out at once."""
SECONDS = 10.0
"""For which one message fans an event out: a third of the handler's time, so that the page at its end has another third."""

_GROUP = re.compile(r"[!-~]{1,128}", re.ASCII)

log = structlog.get_logger()


async def fan_out(
    event: Published,
    *,
    subscriptions: Callable[[str, str], Awaitable[Page]],
    keep: Callable[[Published], Awaitable[None]],
    send: Send,
    schedule: Schedule,
    now: Callable[[], datetime],
) -> None:
    """One job for each enabled endpoint that wants the event; a duplicate's jobs find their attempts made.

    Page by page: when its time is over the event goes on in a new message, behind the last endpoint that is done.
    """
    if is_too_large(event.payload):
        raise Reject(f"the event is too large for a webhook, whose payload has {LARGEST_PAYLOAD} bytes at most")
    content, size = Content(event.payload), len(event.payload.encode())
    ends = asyncio.get_running_loop().time() + SECONDS
    due = event.due or now() + timedelta(seconds=schedule.delays[0])
    while True:
        page = await subscriptions(event.tenant_id, event.after)
        takers, after = await _takers(event, page, content, size, ends=ends)
        if takers and not event.taken:  # before the first job, so that each has its payload kept
            await keep(event)
        if takers:
            await _send_all((message(_job(event, each, due), now()) for each in takers), len(takers), send, size=size)
        event = event.model_copy(update={"after": after, "due": due, "taken": event.taken + len(takers)})
        if not after:
            break
        if asyncio.get_running_loop().time() > ends:
            await send([Message(body=event.body(), group=_group(event.tenant_id))])
            return
    if not event.taken:
        dropped(WORKER, "nobody_takes_it", **_about(event))
    log.info(
        "webhook_fanned_out",
        event_id=event.event_id,
        event_type=event.event_type,
        endpoints=event.taken,
        without_id=event.without_id,
    )


async def _send_all(messages: Iterator[Message], count: int, send: Send, *, size: int) -> None:
    """Side by side, and no more in memory than that. Raises the first error when all have ended."""
    at_once = max(1, min(AT_ONCE, LARGEST_CALL // (size + 1)))
    if count <= at_once:  # of nearly every event
        await send([*messages])
        return

    async def sender() -> None:
        while chunk := list(islice(messages, at_once)):
            await send(chunk)

    for ended in await asyncio.gather(*(sender() for _ in range(SENDERS)), return_exceptions=True):
        if ended is not None:
            raise ended


def _job(event: Published, taker: Subscription, due: datetime) -> DeliveryJob:
    return DeliveryJob(
        eventId=event.event_id,
        eventType=event.event_type,
        tenantId=event.tenant_id,
        endpointId=taker.endpoint_id,
        attempt=1,
        payload=event.payload,
        fingerprint=event.fingerprint,
        correlationId=event.correlation_id,
        firstAttemptAt=due,
        notBefore=due,
    )


async def _takers(
    event: Published, page: Page, content: Content, size: int, *, ends: float
) -> tuple[list[Subscription], str]:
    """Who of a page gets the event, and the place behind all that were asked: one at least, and no more when time is over.

    An endpoint that wants the event and gets none is counted.
    """
    takers: list[Subscription] = []
    about = _about(event)
    before = ""
    for each in page.subscriptions:
        if (
            each.filter.asks
        ):  # a pattern over a large list takes a tenth of a second: others have their turn between two
            await asyncio.sleep(0)
            if before and asyncio.get_running_loop().time() > ends:
                return takers, place_of(before)
        before = each.endpoint_id
        if each.fault:
            log.warning("webhook_endpoint_unreadable", endpoint_id=each.endpoint_id, attribute=each.fault, **about)
        if not each.fault and not wants(each, event.event_type):
            continue
        if not each.fault and not content.fits(each.filter):
            if each.filter.channels and content.has_odd_channels():
                dropped(WORKER, "channels_unreadable", endpoint_id=each.endpoint_id, **about)
            continue
        if reason := why_not(each) or ("payload_too_large" if 0 < each.payload_limit < size else ""):
            dropped(WORKER, reason, endpoint_id=each.endpoint_id, **about)
        else:
            takers.append(each)
    return takers, page.after


def _about(event: Published) -> dict[str, str]:
    return {"event_id": event.event_id, "event_type": event.event_type, "tenant": customer(event.tenant_id)}


def message(job: DeliveryJob, now: datetime, *, least: int = 0) -> Message:
    """Delayed until it is due, and for `least` seconds."""
    wait = min(LONGEST_HOP, max(least, delay(job.not_before, now=now)))
    return Message(body=job.body(), delay=wait, group=_group(job.tenant_id))


def _group(tenant_id: str) -> str:
    """The tenant: SQS's fair queues keep one tenant's flood from delaying the others."""
    return tenant_id if _GROUP.fullmatch(tenant_id) else hashlib.sha256(tenant_id.encode()).hexdigest()
