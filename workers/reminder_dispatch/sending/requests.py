"""Occurrences are claimed as their request can go out, and what their channel answers is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import structlog

from shared.telemetry import metrics
from workers.reminder_dispatch.channels.channel import (
    TOO_LATE,
    Answer,
    Busy,
    Lost,
    Misconfigured,
    Note,
    is_not_tried,
    was_asked,
)
from workers.reminder_dispatch.channels.email.suppression import mail_unless_suppressed
from workers.reminder_dispatch.channels.push.living import push_to_living
from workers.reminder_dispatch.channels.push.rate import Room
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.rules import RECORD_WITHIN, WORKER
from workers.reminder_dispatch.sending.claiming import ask_again, claim, put_off
from workers.reminder_dispatch.sending.conclusion import conclude, wait_after
from workers.reminder_dispatch.sending.decision import Attempt
from workers.reminder_dispatch.sending.ports import Ports
from workers.reminder_dispatch.sending.report import count_unknown, report
from workers.reminder_dispatch.table.keys import Key, device_key

log = structlog.get_logger()


async def push(attempts: Sequence[Attempt], ports: Ports, *, until: datetime) -> Sequence[BaseException | None]:
    """Send all push notifications of the batch in common requests; one end for each attempt. Projects of Expo's go beside each
    other: one that waits for room in its rate keeps no other waiting.
    """
    if not attempts:
        return []
    dead = await ports.store.dead({device_key(token) for attempt in attempts for token in attempt.recipients})
    projects: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        projects.setdefault(attempt.content.project, []).append(attempt)
    found = await asyncio.gather(
        *(_push_project(name, each, dead, ports, until=until) for name, each in projects.items()),
        return_exceptions=True,
    )
    ends: dict[ReminderDue, BaseException | None] = {}
    for each, made in zip(projects.values(), found, strict=True):
        ends |= made if isinstance(made, dict) else dict.fromkeys((one.event for one in each), made)
    return [ends[attempt.event] for attempt in attempts]


async def _push_project(
    project: str, attempts: Sequence[Attempt], dead: Collection[Key], ports: Ports, *, until: datetime
) -> dict[ReminderDue, BaseException | None]:
    """Room in the rate first, then the claims of what has it, then the request at once: who is killed while waiting holds no claim.
    After a request that nobody looked at, the rest is not tried.
    """
    ends: dict[ReminderDue, BaseException | None] = {}
    why: str | None = None
    for group in _requests(attempts, dead, most=ports.request_size):
        if why is None:
            async with ports.room(project, sum(_living(one, dead) for one in group), until=until) as room:
                if room is not None:
                    made, why = await _push_together(group, dead, room, ports, until=until)
                    ends |= made
                    continue
            why = TOO_LATE.why
        off = await asyncio.gather(*(put_off(one, why, ports) for one in group), return_exceptions=True)
        ends |= zip((one.event for one in group), off, strict=True)
    return ends


async def _push_together(
    group: Sequence[Attempt], dead: Collection[Key], room: Room, ports: Ports, *, until: datetime
) -> tuple[dict[ReminderDue, BaseException | None], str | None]:
    """The end of each, and why nothing more of this project is to be tried now."""
    found = await asyncio.gather(*(claim(one, ports, until=until) for one in group), return_exceptions=True)
    ends = {
        one.event: each if isinstance(each, BaseException) else None for one, each in zip(group, found, strict=True)
    }
    claimed = [each for each in found if isinstance(each, Attempt)]
    if not claimed:
        return ends, None
    notes = [_note(attempt, token) for attempt in claimed for token in attempt.recipients]
    answered = await push_to_living(
        notes, dead=dead, push=ports.push, room=room, store=ports.store, until=until, now=ports.now()
    )
    ports.gates.heard(claimed[0].gate, answered)
    answers = iter(answered)
    # Beside each other: what was sent is recorded also where the question for its receipt gets no answer for long.
    settled, _ = await asyncio.gather(
        asyncio.gather(
            *(_settle(attempt, [next(answers) for _ in attempt.recipients], ports, until=until) for attempt in claimed),
            return_exceptions=True,
        ),
        ports.ask_later(claimed, answered, at=ports.now()),
    )
    return ends | dict(zip((one.event for one in claimed), settled, strict=True)), _why_no_more(answered)


def _requests(attempts: Sequence[Attempt], dead: Collection[Key], *, most: int) -> Iterator[Sequence[Attempt]]:
    """The attempts in order, so many together as make one request; one of more recipients is alone."""
    group: list[Attempt] = []
    size = 0
    for attempt in attempts:
        count = _living(attempt, dead)
        if group and size + count > most:
            yield group
            group, size = [], 0
        group.append(attempt)
        size += count
    yield group


def _living(attempt: Attempt, dead: Collection[Key]) -> int:
    return sum(device_key(token) not in dead for token in attempt.recipients)


def _why_no_more(answers: Sequence[Answer]) -> str | None:
    """Why the next request would be answered the same; None where this one was looked at, or not needed."""
    fruitless = [answer for answer in answers if isinstance(answer, Lost) or is_not_tried(answer)]
    if any(was_asked(answer) and answer not in fruitless for answer in answers):
        return None
    match fruitless:
        case [Busy(why) | Misconfigured(why), *_]:
            return why
        case [Lost(), *_]:
            return "not tried after a request without answer"
    return None


async def send(attempt: Attempt, ports: Ports, *, until: datetime) -> None:
    """Claim one that is no push, and send it."""
    claimed = await claim(attempt, ports, until=until)
    if claimed is None:
        return
    content = claimed.content
    if ports.now() >= until:
        answer: Answer = TOO_LATE
    elif content.channel == "email":
        answer = await mail_unless_suppressed(content, claimed.event, mail=ports.mail, store=ports.store)
    else:
        answer = await ports.announce(claimed.detail)
    ports.gates.heard(claimed.gate, [answer])
    await _settle(claimed, [answer], ports, until=until)


async def _settle(attempt: Attempt, answers: Sequence[Answer], ports: Ports, *, until: datetime) -> None:
    """Record what became of an attempt, whose request began before `until`."""
    gate, dice, state = attempt.gate, ports.dice(), attempt.state
    pause = ports.gates.pause(gate, deadline=attempt.deadline, least=wait_after(min(state.attempts, 4), dice))
    end = conclude(attempt, answers, now=ports.now(), dice=dice, pause=pause)
    count_unknown(attempt.content.on_unknown, end.ambiguous)
    within = (until + RECORD_WITHIN - ports.now()).total_seconds()
    if not await ports.store.record(attempt.event.key, end.move, within=within):
        # Our lease ran out and another worker has claimed it: the row, and the message, are that worker's now.
        metrics.claim(worker=WORKER, outcome="lost")
        log.warning("reminder_claim_lost", reminder=attempt.event.reminder_id)
        return
    report(attempt.event, attempt.content.channel, end.status, end.reason, tenant=attempt.content.tenant_id)
    if end.retry_in is not None:
        await ask_again(attempt.event, end.retry_in, attempt.share, ports)


def _note(attempt: Attempt, token: str) -> Note:
    content = attempt.content
    more = content.push.fields() if content.push else {}
    return Note(token, content.title, content.body, content.data, content.project, more)
