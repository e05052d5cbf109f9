"""What is done with one delivery job: hop, post, record, try again.

The order of writes, and what a crash after each costs. A job leaves its queue only after the last of them.

    claim the attempt       crash: its lease ends, the job comes back, the attempt is claimed again; nothing was posted
    POST                    crash: as above, and the endpoint gets the event twice, with the same webhook-id. Nobody can
                            know whether it had it; every other step is free of doubles
    record the result       the table does not take it: the job with its result is parked in a new message, until it does.
                            crash: the job comes back, finds FAILED and made by itself (its nonce), and does what follows.
                            The result and a 410's end of the endpoint are one transaction
    note the endpoint's life  most attempts write nothing there; what its row owes the bus is told by whoever reads it next
    what follows            the next attempt is sent as a new message, or `webhook.exhausted` put on the bus (unless it was,
                            for this endpoint, within the hour).
                            crash: it is done again; the second message has another nonce, finds the attempt made by the
                            first and is done: no second chain of retries goes on. The event has the same id
    settle                  only of a last attempt: it says that its end was told
    (the job is deleted)    crash: the job comes back and finds DELIVERED, or FAILED and settled: done. Of a failure that has a
                            next attempt it sends that again, as above

A customer's failure is a recorded attempt and a new message: it never raises, so a message's receive count, and the
dead-letter queue, speak only of faults of our own.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from shared import KeyReused, Reject
from shared.telemetry import metrics
from shared.telemetry.drops import dropped
from shared.telemetry.logging import customer
from workers.webhook_delivery.egress.bulkhead import key_of
from workers.webhook_delivery.event import DeliveryJob, Made
from workers.webhook_delivery.fan_out import WORKER, message
from workers.webhook_delivery.parked import LONGEST, is_of, park, unpark, waits_too_long
from workers.webhook_delivery.ports import Ports, Post
from workers.webhook_delivery.rules import (
    HINTED,
    LONGEST_WAIT,
    RESERVED,
    Again,
    Attempt,
    Claim,
    Claimed,
    Endpoint,
    Failed,
    Gone,
    Held,
    Reply,
    Result,
    Reused,
    Schedule,
    Succeeded,
    delay,
    has_expired,
    judge,
    look_again,
    recorded,
    seconds_asked,
    why_not,
)
from workers.webhook_delivery.signing import SignatureError
from workers.webhook_delivery.signing.request import signed
from workers.webhook_delivery.telling import about, give_up, live, live_late, tell_owed

PARKING_SECONDS, PARKED_SECONDS = 9.0, 60
"""Seconds before a lease's end (5 of them after the handler's own) at which a result is parked, and between two
tries to write it, at most."""

LONGEST_WAITING = timedelta(days=1)
"""For which a delivery waits for a place at its endpoint; then it is charged an attempt, without a request."""

log = structlog.get_logger()


async def deliver(job: DeliveryJob, *, ports: Ports, schedule: Schedule, lease: float) -> None:
    """Make one attempt, once, when it is due. `lease` in seconds: longer than this call can take."""
    park_at = asyncio.get_running_loop().time() + lease - PARKING_SECONDS
    found: Attempt | Reused | None
    if job.made is not None:
        found = await _write(job, job.made, ports)
    elif delay(job.not_before, now=ports.now()):
        await _hop(job, ports)
        return
    else:
        found = await _make(job, ports=ports, schedule=schedule, lease=lease, park_at=park_at)
    match found:
        case None | Succeeded() | Failed(settled=True):
            return
        case Failed(made_by=other) if other not in {"", job.nonce}:
            return  # another message made it, and sees to what follows; a row of an older version does not say who
        case Reused():
            metrics.claim(worker=WORKER, outcome="reused")
            raise KeyReused("the webhook-id was used before with another payload")
        case Held(until=until):
            # As a new message: waiting for a claim, which may be this message's own, costs no receipt.
            left = until - (now := ports.now()).timestamp()
            if job.made is None and not -lease < left < LONGEST_WAITING.total_seconds():
                raise Reject(f"the attempt's row is held until {until:.0f}, so for ever: correct it and replay")
            await ports.send([message(job, now, least=look_again(left, lease))])
        case Failed(next_at=datetime() as next_at):
            await ports.send([message(job.next(next_at, nonce=ports.nonce()), ports.now())])
        case Failed() as last:
            await give_up(job, last, ports)
        case never:
            assert_never(never)


async def _hop(job: DeliveryJob, ports: Ports) -> None:
    """SQS delays for 900 s at most, and a new message starts its counts anew."""
    at = ports.now()
    if job.not_before - at > LONGEST_WAIT:
        raise Reject("the job is not due for longer than any schedule waits")
    await ports.send([message(job, at)])


async def _make(
    job: DeliveryJob, *, ports: Ports, schedule: Schedule, lease: float, park_at: float
) -> Attempt | Reused | None:
    """Make the attempt if there is a place for it; the attempt as it is then known, None where there is nothing to follow."""
    endpoint = await ports.store.endpoint(job.tenant_id, job.endpoint_id)
    if endpoint is not None and await ports.bulkhead.room(key_of(endpoint), now=ports.now().timestamp()):
        endpoint = await ports.store.endpoint(job.tenant_id, job.endpoint_id)  # it may have changed meanwhile
    reason = why_not(endpoint)
    if endpoint is not None:
        await tell_owed(endpoint, ports)
    if endpoint is None or reason:
        await _cancel(job, reason, ports)
        return None
    entered, schedule, key = ports.now(), endpoint.terms(schedule), key_of(endpoint)
    if has_expired(schedule, job.first_attempt_at, now=entered):
        expired = _answer("expired")
        return await _attempt(job, endpoint, expired, ports=ports, schedule=schedule, lease=lease, park_at=park_at)
    wait, why = ports.bulkhead.admit(endpoint, now=entered.timestamp())
    if wait:
        since = job.waiting_since or entered
        if entered - since < LONGEST_WAITING:
            waiting = job.model_copy(update={"waiting_since": since})
            await ports.send([message(waiting, entered, least=math.ceil(wait))])
            log.info("webhook_waits", **about(job), attempt=job.attempt, seconds=wait)
            return None
        return await _attempt(job, endpoint, _answer(why), ports=ports, schedule=schedule, lease=lease, park_at=park_at)
    try:
        return await _attempt(job, endpoint, _post, ports=ports, schedule=schedule, lease=lease, park_at=park_at)
    finally:
        ports.bulkhead.leave(key, began=entered.timestamp())


async def _attempt(
    job: DeliveryJob,
    endpoint: Endpoint,
    post: Callable[[DeliveryJob, Endpoint, Ports], Awaitable[Reply]],
    *,
    ports: Ports,
    schedule: Schedule,
    lease: float,
    park_at: float,
) -> Attempt | Reused | None:
    """Claim the attempt, post once, record it."""
    found = await _claim(job, ports, lease=lease, take_over=not schedule.at_most_once)
    if schedule.at_most_once and isinstance(found, Held) and found.until <= ports.now().timestamp():
        # Its maker died, perhaps behind the POST: nobody can know, and here nothing is posted twice.
        post, found = _answer("maybe_delivered"), await ports.store.claim(job, now=ports.now(), lease=lease)
    if isinstance(found, Succeeded | Failed):
        metrics.claim(worker=WORKER, outcome="absorbed")
        await live_late(job, endpoint, found, ports)
    if not isinstance(found, Claimed):
        return found
    started = ports.now()
    reply = await post(job, endpoint, ports)
    finished = ports.now()
    verdict = judge(
        reply, attempt=job.attempt, schedule=schedule, now=finished, dice=ports.dice(), first=job.first_attempt_at
    )
    result = Result(reply, verdict, started, finished)
    try:
        async with asyncio.timeout_at(park_at):
            is_ours = await ports.store.record(job, found, result, endpoint=endpoint)
    except Exception as error:  # noqa: BLE001  # whatever it was, the attempt is not at fault
        # The POST is done, and the table does not take its result: it waits in a message, and is not made again.
        await _wait_for_the_table(park(job, found, result, endpoint), error, ports)
        return None
    if not is_ours:
        # We were away for longer than the lease, and somebody else makes the attempt: his result will stand.
        return Held(until=finished.timestamp() + 1.0)
    made = _made(job, result)
    await live(job, endpoint, verdict, ports, at=finished)
    return made


async def _claim(job: DeliveryJob, ports: Ports, *, lease: float, take_over: bool) -> Claim | None:
    """None where a resend has this number and another one, behind it, has taken the schedule's place."""
    found = await ports.store.claim(job, now=ports.now(), lease=lease, take_over=take_over)
    if not isinstance(found, Held) or found.until != RESERVED:
        return found
    if await ports.store.is_overtaken(job):
        return None
    # Whoever reserved it may have died before its job was sent: the schedule goes on.
    return await ports.store.claim(job, now=ports.now(), lease=lease, take_over=take_over, reserved=True)


def _answer(error: str) -> Callable[[DeliveryJob, Endpoint, Ports], Awaitable[Reply]]:
    """Of an attempt without a request: its delivery has waited for its endpoint for as long as it may, or may not be tried any more."""

    async def answer(_job: DeliveryJob, _endpoint: Endpoint, _ports: Ports) -> Reply:
        return Reply(status=0, error=error)

    return answer


async def _post(job: DeliveryJob, endpoint: Endpoint, ports: Ports) -> Reply:
    began = ports.now()
    reply = await _send(job, endpoint, at=began, post=ports.post)
    now = ports.now()
    asked = seconds_asked(reply.retry_after, now=now) if reply.status in HINTED else None
    if ports.bulkhead.answered(
        key_of(endpoint), job.event_id, reply, began=began.timestamp(), now=now.timestamp(), asked=asked or 0.0
    ):
        log.warning("webhook_breaker_opened", tenant=customer(job.tenant_id), endpoint_id=job.endpoint_id)
    return reply


async def _write(job: DeliveryJob, made: Made, ports: Ports) -> Attempt | None:
    """Write the result of an attempt that was made before; where that fails again, it goes on waiting."""
    claimed, result = unpark(made)
    if waits_too_long(made, now=ports.now()):
        raise Reject(f"an attempt was answered {made.status}, and that could not be written for {LONGEST.days} days")
    try:
        endpoint = await ports.store.endpoint(job.tenant_id, job.endpoint_id)
        if endpoint is None or not is_of(made, endpoint):  # a 410 speaks of the URL that gave it
            endpoint = Endpoint(job.tenant_id, job.endpoint_id, url="", secrets=(), enabled=True)
        is_ours = await ports.store.record(job, claimed, result, endpoint=endpoint)
        # Else it was written before, or the attempt was made again by somebody else.
        found = None if is_ours else await ports.store.attempt(job)
    except Reject as unreadable:  # no waiting mends a row
        raise Reject(f"an attempt was answered {made.status}, and {unreadable}") from unreadable
    except Exception as error:  # noqa: BLE001  # whatever it was, the attempt is not at fault
        await _wait_for_the_table(job, error, ports)
        return None
    found = _made(job, result) if is_ours else found
    if endpoint.url:
        await live(job, endpoint, result.verdict, ports, at=result.finished)
    return found


async def _wait_for_the_table(job: DeliveryJob, error: Exception, ports: Ports) -> None:
    """A job that carries its result comes back, to be written then: soon at first, for most troubles of a table pass."""
    now = ports.now()
    waited = (now - job.made.finished_at).total_seconds() if job.made is not None else 0.0
    log.warning("webhook_result_parked", **about(job), attempt=job.attempt, error=type(error).__name__)
    await ports.send([message(job, now, least=min(PARKED_SECONDS, max(1, math.ceil(waited))))])


def _made(job: DeliveryJob, result: Result) -> Attempt:
    """A result that is written, reported."""
    reply, verdict = result.reply, result.verdict
    made = recorded(verdict, reply, made_by=job.nonce)
    log.info(
        "webhook_delivered" if isinstance(made, Succeeded) else "webhook_attempt_failed",
        **about(job),
        attempt=job.attempt,
        status=reply.status,
        error=reply.error,
        next_at=verdict.at.isoformat() if isinstance(verdict, Again) else None,
    )
    if isinstance(verdict, Gone):
        dropped(WORKER, "endpoint_answered_410", **about(job))
    return made


async def _send(job: DeliveryJob, endpoint: Endpoint, *, at: datetime, post: Post) -> Reply:
    """A current secret that cannot sign is the customer's failure like any other: an attempt that everybody can see."""
    body = job.payload.encode()
    try:
        made = signed(endpoint, message_id=job.event_id, at=at, body=body, correlation_id=job.correlation_id)
    except SignatureError:
        return Reply(status=0, error="secret_invalid")
    if made.passed_over:
        log.warning("webhook_old_secrets_passed_over", count=made.passed_over, **about(job))
    return await post(endpoint.url, headers=made.headers, body=body)


async def _cancel(job: DeliveryJob, reason: str, ports: Ports) -> None:
    """The endpoint was deleted or disabled: the delivery ends here, unless it has ended before."""
    found = await ports.store.attempt(job)
    if isinstance(found, Failed) and found.next_at is None and not found.settled:
        # This was the last attempt; a crash kept it from being announced.
        await give_up(job, found, ports)
    is_new = await ports.store.cancel(job, now=ports.now())
    if is_new or (job.resent and isinstance(found, Held)):  # a delivery that has ended stays so, but who asked is told
        log.info("webhook_cancelled", **about(job), attempt=job.attempt)
        dropped(WORKER, reason, **about(job))
    else:
        metrics.claim(worker=WORKER, outcome="absorbed")  # it had ended before
