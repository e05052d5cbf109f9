"""Due reminders, many at once: claim each, send all, record each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from math import inf
from typing import Any, assert_never

import structlog
from opentelemetry.metrics import get_meter

from shared import BatchResult, Contended
from shared.telemetry import metrics
from shared.telemetry.drops import dropped
from workers.reminder_dispatch.channels.channel import TOO_LATE, Answer, Note
from workers.reminder_dispatch.channels.push import KNOWN_DEAD, push_to_living
from workers.reminder_dispatch.channels.suppression import SUPPRESSED, mail_unless_suppressed
from workers.reminder_dispatch.conclusion import conclude, forget, wait_after
from workers.reminder_dispatch.decision import Attempt, Close, Decision, Follow, Nothing, Taken, Wait
from workers.reminder_dispatch.event import ReminderDue, occurrence
from workers.reminder_dispatch.ports import Ports
from workers.reminder_dispatch.queued import due_message
from workers.reminder_dispatch.rules import (
    SEND_WITHIN,
    SOON,
    WORKER,
    deadline_of,
    detail_of,
    gate_of,
    held,
    judge,
    may_be_withdrawn,
    postponed,
    quiet_end,
    shared_by,
    withdrawn_status,
)
from workers.reminder_dispatch.schedule.occurrence import Row, Status, row_key
from workers.reminder_dispatch.table.keys import due_text
from workers.reminder_dispatch.withdrawal import in_place_of, is_withdrawn, let_head_go

LOOKS = 3
"""Times a row is read again when it changed between reading and claiming it."""

log = structlog.get_logger()
_meter = get_meter("fleet.reminders")
_settled = metrics.Counter(_meter, "fleet.reminders.settled", description="occurrences, by where a dispatch left them")
_unknowns = metrics.Counter(
    _meter,
    "fleet.reminders.unknown",
    description="requests and claims of which nobody knows whether they were accepted",
)


async def dispatch(events: Sequence[ReminderDue], *, ports: Ports) -> BatchResult:
    """Send each occurrence once.

    For each: read, write the series' next occurrence, claim, send, record. The next occurrence comes first, so that
    whatever happens to this one the series goes on; and little stands between claim and request, so that a crash
    seldom leaves a doubt. A claim that was never recorded runs out with its lease and is then settled by the
    reminder's policy for unknown ends. No request begins so late that its answer could not be recorded any more: what
    has no turn until then waits for another attempt.
    """
    due = list(dict.fromkeys(events))  # the same occurrence twice in one batch is one piece of work
    until = ports.now() + SEND_WITHIN
    prepared = await asyncio.gather(*(_prepare(event, ports, until=until) for event in due), return_exceptions=True)
    attempts = sorted((found for found in prepared if isinstance(found, Attempt)), key=_urgency)
    pushes = [attempt for attempt in attempts if attempt.content.channel == "push"]
    others = [attempt for attempt in attempts if attempt.content.channel != "push"]
    pushed, alone = await asyncio.gather(
        asyncio.gather(_push(pushes, ports, until=until), return_exceptions=True),
        asyncio.gather(*(_send(one, ports, until=until) for one in others), return_exceptions=True),
    )
    ends: dict[ReminderDue, object] = dict(zip(due, prepared, strict=True))
    for found in pushed:
        each = [found] * len(pushes) if isinstance(found, BaseException) else found
        ends |= zip((one.event for one in pushes), each, strict=True)
    ends |= zip((one.event for one in others), alone, strict=True)
    return [_fault(ends[event]) for event in events]


async def _prepare(event: ReminderDue, ports: Ports, *, until: datetime) -> Attempt | None:
    """The occurrence, claimed; None where there is nothing (more) to send. Raises Later, also where nothing could be sent any
    more before `until`.
    """
    for _ in range(LOOKS):
        row = await ports.store.load(event.key)
        if row is None:
            _drop(event, "reminder_gone")
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
                if not await _may_go_out(attempt, row, ports, until=until):
                    return None
                if await ports.store.move(event.key, attempt.claim):
                    _count_unknown(attempt.content.on_unknown, row["status"] == "SENDING")
                    return attempt
            case other:
                assert_never(other)
    raise Contended("the row changes faster than it can be read", after=1.0)


async def _judged(event: ReminderDue, row: Row, ports: Ports, *, at: datetime) -> Decision:
    """What the row asks for; a rule is a tenant's, and so what it costs to compute."""
    decide = partial(judge, event, row, now=at, owner=ports.sign())
    return await ports.aside(decide) if row.get("rule") else decide()


async def _close(event: ReminderDue, row: Row, end: Close, ports: Ports, *, at: datetime) -> bool:
    """Whether the row was as it was read, and has ended unsent; the series goes on first."""
    await _go_on(event.reminder_id, row, end.follow, ports, at=at)
    if not await ports.store.move(event.key, end.move):
        return False
    _report(event, row.get("channel"), end.status, end.reason)
    _count_unknown(row.get("onUnknown"), end.status == "UNKNOWN")
    return True


async def _may_go_out(attempt: Attempt, row: Row, ports: Ports, *, until: datetime) -> bool:
    """Whether a request may follow the claim: its producer still wants it, and its channel takes something at present. Else it is put
    off: nothing is claimed, and no attempt counted; quiet hours hold it until they end. Raises Contended.
    """
    if may_be_withdrawn(row) and await is_withdrawn(row, attempt.follow.next, store=ports.store, now=ports.now()):
        _report(attempt.event, attempt.content.channel, withdrawn_status(row), "cancelled")
        return False
    if ports.now() >= until:
        raise Contended("its batch took too long before it", after=1.0)
    if (quiet := quiet_end(attempt.content, ports.now())) is not None:
        await _hold(attempt, quiet, ports)
        return False
    if (why := ports.gates.why_not(gate_of(attempt.content))) is None:
        return True
    await _put_off(attempt, why, ports)
    return False


async def _hold(attempt: Attempt, end: datetime, ports: Ports) -> None:
    if await ports.store.move(attempt.event.key, held(attempt, until=end)):
        _settled.add(1, {"status": "HELD", "channel": attempt.content.channel})
    wait = (end - ports.now()).total_seconds()
    if wait < SOON.total_seconds():  # the ticks may have left that minute behind
        await _ask_again(attempt.event, wait, shared_by(attempt), ports)


async def _put_off(attempt: Attempt, why: str, ports: Ports) -> None:
    wait = ports.gates.pause(gate_of(attempt.content), deadline=deadline_of(attempt))
    until = int(ports.now().timestamp()) + wait
    if await ports.store.move(attempt.event.key, postponed(attempt, why, until=until)):
        _settled.add(1, {"status": "PENDING", "channel": attempt.content.channel})
    await _ask_again(attempt.event, wait, shared_by(attempt), ports)


async def _ask_again(event: ReminderDue, seconds: float, row: Row, ports: Ports) -> None:
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


async def _push(attempts: Sequence[Attempt], ports: Ports, *, until: datetime) -> Sequence[BaseException | None]:
    """Send all push notifications of the batch in common requests; one end for each attempt."""
    if not attempts:
        return []
    notes = [_note(attempt, token) for attempt in attempts for token in attempt.recipients]
    answered = await push_to_living(notes, push=ports.push, store=ports.store, until=until, now=ports.now())
    for gate, each in _by_gate(attempts, answered):
        ports.gates.heard(gate, each)
    await ports.ask_later(attempts, answered, at=ports.now())
    answers = iter(answered)
    return await asyncio.gather(
        *(_settle(attempt, [next(answers) for _ in attempt.recipients], ports) for attempt in attempts),
        return_exceptions=True,
    )


async def _send(attempt: Attempt, ports: Ports, *, until: datetime) -> None:
    content = attempt.content
    if ports.now() >= until:
        answer: Answer = TOO_LATE
    elif content.channel == "email":
        answer = await mail_unless_suppressed(content, mail=ports.mail, store=ports.store)
    else:
        answer = await ports.announce(detail_of(attempt))
    if answer is not SUPPRESSED:
        ports.gates.heard(gate_of(attempt.content), [answer])
    await _settle(attempt, [answer], ports)


async def _settle(attempt: Attempt, answers: Sequence[Answer], ports: Ports) -> None:
    """Record what became of an attempt."""
    gate, dice, state = gate_of(attempt.content), ports.dice(), attempt.state
    pause = ports.gates.pause(gate, deadline=deadline_of(attempt), least=wait_after(min(state.attempts, 4), dice))
    end = conclude(attempt, answers, now=ports.now(), dice=dice, pause=pause)
    if end.dead and attempt.follow.next is not None:
        await forget(attempt.follow.next, end.dead, ports.store)
    _count_unknown(attempt.content.on_unknown, end.ambiguous)
    if not await ports.store.move(attempt.event.key, end.move):
        # Our lease ran out and another worker has claimed it: the row, and the message, are that worker's now.
        metrics.claim(worker=WORKER, outcome="lost")
        log.warning("reminder_claim_lost", reminder=attempt.event.reminder_id)
        return
    _report(attempt.event, attempt.content.channel, end.status, end.reason)
    if end.retry_in is not None:
        await _ask_again(attempt.event, end.retry_in, shared_by(attempt), ports)


def _fault(end: object) -> Exception | None:
    """What is to be reported of an event. Raises what is not an Exception: a cancelled part must not pass for done."""
    if isinstance(end, BaseException) and not isinstance(end, Exception):
        raise end
    return end if isinstance(end, Exception) else None


def _urgency(attempt: Attempt) -> tuple[bool, float, float]:
    """What is of high priority goes first, then what must be sent first, then what is due longest."""
    deadline = deadline_of(attempt)
    is_normal = attempt.content.priority == "normal"
    return is_normal, inf if deadline is None else deadline, attempt.event.due_at.timestamp()


def _by_gate(attempts: Sequence[Attempt], answers: Sequence[Answer]) -> Iterable[tuple[str, list[Answer]]]:
    """The answers of common requests, by breaker."""
    by_gate: dict[str, list[Answer]] = {}
    names = [gate_of(attempt.content) for attempt in attempts for _ in attempt.recipients]
    for name, answer in zip(names, answers, strict=True):
        if answer is not KNOWN_DEAD:
            by_gate.setdefault(name, []).append(answer)
    return by_gate.items()


def _note(attempt: Attempt, token: str) -> Note:
    content = attempt.content
    more = content.push.fields() if content.push else {}
    return Note(token, content.title, content.body, content.data, content.project, more)


def _count_unknown(policy: Any, happened: bool) -> None:  # noqa: FBT001  read at the call as "if"
    if happened:
        _unknowns.add(1, {"policy": policy if policy == "at_most_once" else "at_least_once"})


def _report(event: ReminderDue, channel: Any, status: Status, reason: str) -> None:
    _settled.add(1, {"status": status, "channel": str(channel)})
    log.info(
        "reminder_settled",
        reminder=event.reminder_id,
        due_at=due_text(event.due_at),
        channel=channel,
        status=status,
        reason=reason or None,
    )
    if status in {"FAILED", "UNKNOWN"}:  # the reason begins with a word of ours, an attribute or a channel's code
        _drop(event, reason.partition(":")[0])


async def _leave(event: ReminderDue, row: Row, held: Nothing | Wait, ports: Ports) -> None:
    match held:
        case Wait(seconds):
            await _ask_again(event, seconds, row, ports)
        case Nothing(why, is_repetition):
            if is_repetition:
                metrics.claim(worker=WORKER, outcome="absorbed")
            else:
                _drop(event, why)


def _drop(event: ReminderDue, reason: str) -> None:
    dropped(WORKER, reason.replace(" ", "_"), reminder=event.reminder_id, due_at=due_text(event.due_at))
