"""A due occurrence is looked at, its series goes on, and it is claimed when its request can go out; or it is left, put off or ended."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import assert_never

import structlog

from shared import Contended
from shared.telemetry import metrics
from shared.telemetry.drops import dropped
from workers.reminder_dispatch.event import ReminderDue, occurrence
from workers.reminder_dispatch.queued import due_message
from workers.reminder_dispatch.rules import SOON, WORKER, judge, quiet_end
from workers.reminder_dispatch.schedule.occurrence import Row, row_key
from workers.reminder_dispatch.sending.decision import Attempt, Close, Decision, Follow, Nothing, Taken, Wait
from workers.reminder_dispatch.sending.moves import held, may_be_withdrawn, postponed, withdrawn_status
from workers.reminder_dispatch.sending.ports import Ports
from workers.reminder_dispatch.sending.report import count_left, count_unknown, drop, report
from workers.reminder_dispatch.sending.withdrawal import in_place_of, is_withdrawn, let_head_go

LOOKS = 3
"""Times a row is read again when it changed between reading and claiming it."""

log = structlog.get_logger()


async def look(event: ReminderDue, ports: Ports) -> Attempt | None:
    """What is to be sent of the occurrence, not claimed yet; None where there is nothing (more) to send. Raises Later."""
    for _ in range(LOOKS):
        row = await ports.store.load(event.key)
        if row is None:
            drop(event, "reminder_gone")
            return None
        at = ports.now()
        match await _judged(event, row, ports, at=at):
            case Nothing() | Wait() as held:
                await _leave(event, row, held, ports)
                return None
            case Taken(seconds):
                raise Contended("another worker is sending it", after=seconds)
            case Close() as end:
                if await _close(event, row, end, ports, at=at):
                    return None
            case Attempt() as attempt:
                await _go_on(event.reminder_id, row, attempt.follow, ports, at=at)
                return attempt
            case other:
                assert_never(other)
    raise _changes_too_fast()


async def claim(attempt: Attempt, ports: Ports, *, until: datetime) -> Attempt | None:
    """The occurrence, claimed, as it is now; None where there is nothing to send (any more). To be called when its request can go out
    at once. Raises Later, also where nothing could be sent any more before `until`.
    """
    for _ in range(LOOKS):
        if not await _may_go_out(attempt, ports, until=until):
            return None
        if not _is_late(attempt, ports.now()) and await ports.store.move(attempt.event.key, attempt.claim):
            _count_dead_claim(attempt)
            return attempt
        again = await look(attempt.event, ports)
        if again is None:
            return None
        if again.gate != attempt.gate:
            raise Contended("its producer has changed its channel", after=1.0)
        attempt = again
    raise _changes_too_fast()


def _changes_too_fast() -> Contended:
    return Contended("the row changes faster than it can be read", after=1.0)


def _is_late(attempt: Attempt, now: datetime) -> bool:
    return attempt.deadline is not None and now.timestamp() > attempt.deadline


async def _judged(event: ReminderDue, row: Row, ports: Ports, *, at: datetime) -> Decision:
    """What the row asks for; a rule is a tenant's, and so what it costs to compute."""
    decide = partial(judge, event, row, now=at, owner=ports.sign())
    return await ports.aside(decide) if row.get("rule") else decide()


async def _close(event: ReminderDue, row: Row, end: Close, ports: Ports, *, at: datetime) -> bool:
    """Whether the row was as it was read, and has ended unsent; the series goes on first."""
    await _go_on(event.reminder_id, row, end.follow, ports, at=at)
    if not await ports.store.move(event.key, end.move):
        return False
    report(event, row.get("channel"), end.status, end.reason, tenant=row.get("tenantId"))
    count_unknown(row.get("onUnknown"), end.status == "UNKNOWN" and row.get("status") == "SENDING")
    return True


async def _may_go_out(attempt: Attempt, ports: Ports, *, until: datetime) -> bool:
    """Whether a request may follow the claim: its producer still wants it, and its channel takes something at present. Else it is put
    off: nothing is claimed, and no attempt counted; quiet hours hold it until they end. Raises Contended.
    """
    row = attempt.row
    if may_be_withdrawn(row) and await is_withdrawn(row, attempt.follow.next, store=ports.store, now=ports.now()):
        who = attempt.content.tenant_id
        report(attempt.event, attempt.content.channel, withdrawn_status(row), "cancelled", tenant=who)
        _count_dead_claim(attempt)
        return False
    if ports.now() >= until:
        raise Contended("its batch took too long before it", after=1.0)
    if (quiet := quiet_end(attempt.content, ports.now())) is not None:
        await _hold(attempt, quiet, ports)
        return False
    if (why := ports.gates.why_not(attempt.gate)) is None:
        return True
    await put_off(attempt, why, ports)
    return False


async def _hold(attempt: Attempt, end: datetime, ports: Ports) -> None:
    if await ports.store.move(attempt.event.key, held(attempt, until=end)):
        count_left(attempt.content.channel, "HELD")
        _count_dead_claim(attempt)
    wait = (end - ports.now()).total_seconds()
    if wait < SOON.total_seconds():  # the ticks may have left that minute behind
        await ask_again(attempt.event, wait, attempt.share, ports)


async def put_off(attempt: Attempt, why: str, ports: Ports) -> None:
    """What was not claimed, because its channel takes nothing or its rate has no room, is looked at again later; no attempt is counted."""
    wait = ports.gates.pause(attempt.gate, deadline=attempt.deadline)
    until = int(ports.now().timestamp()) + wait
    if await ports.store.move(attempt.event.key, postponed(attempt, why, until=until)):
        count_left(attempt.content.channel, "PENDING")
        _count_dead_claim(attempt)
    await ask_again(attempt.event, wait, attempt.share, ports)


def _count_dead_claim(attempt: Attempt) -> None:
    """To be called once the row is written: what it says in `unknowns` is counted as often, however the occurrence goes on."""
    count_unknown(attempt.content.on_unknown, attempt.row["status"] == "SENDING")


async def ask_again(event: ReminderDue, seconds: float, row: Row, ports: Ports) -> None:
    """A new message, because the receive count of this one means faults of ours, not of a channel or a clock."""
    await ports.queue([due_message(event, row, delay=seconds)])


async def _go_on(reminder_id: str, now_due: Row, follow: Follow, ports: Ports, *, at: datetime) -> None:
    if follow.next is None:
        await let_head_go(now_due, store=ports.store, now=at)
    for row in follow.rows:
        if await ports.store.add(row):
            if row["status"] == "FAILED":
                dropped(WORKER, row["reason"], reminder=reminder_id, due_at=row["dueAt"])
        elif found := await ports.store.load(row_key(row)):
            if found.get("tenantId") != row.get("tenantId"):
                log.error("reminder_id_of_two_tenants", reminder=reminder_id, due_at=row["dueAt"])
                dropped(WORKER, "occurrence_of_another_tenant", reminder=reminder_id, due_at=row["dueAt"])
            elif newer := in_place_of(found, row):
                await ports.store.move(row_key(row), newer)
    if follow.due_at is not None and follow.due_at < at + SOON:
        # Also where the row was there before: who wrote it may have died before sending this.
        delay = (follow.due_at - at).total_seconds()
        await ports.queue([due_message(occurrence(reminder_id, follow.due_at), follow.rows[-1], delay=delay)])


async def _leave(event: ReminderDue, row: Row, held: Nothing | Wait, ports: Ports) -> None:
    match held:
        case Wait(seconds):
            await ask_again(event, seconds, row, ports)
        case Nothing(why, is_repetition):
            if is_repetition:
                metrics.claim(worker=WORKER, outcome="absorbed")
            else:
                drop(event, why)
