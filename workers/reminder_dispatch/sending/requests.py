"""Claimed occurrences go out, and what their channel answers is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog

from shared.telemetry import metrics
from workers.reminder_dispatch.channels.channel import TOO_LATE, Answer, Note
from workers.reminder_dispatch.channels.email.suppression import SUPPRESSED, mail_unless_suppressed
from workers.reminder_dispatch.channels.push.living import KNOWN_DEAD, push_to_living
from workers.reminder_dispatch.rules import WORKER
from workers.reminder_dispatch.sending.claiming import ask_again
from workers.reminder_dispatch.sending.conclusion import conclude, forget, wait_after
from workers.reminder_dispatch.sending.decision import Attempt
from workers.reminder_dispatch.sending.ports import Ports
from workers.reminder_dispatch.sending.report import count_unknown, report

log = structlog.get_logger()


async def push(attempts: Sequence[Attempt], ports: Ports, *, until: datetime) -> Sequence[BaseException | None]:
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


async def send(attempt: Attempt, ports: Ports, *, until: datetime) -> None:
    content = attempt.content
    if ports.now() >= until:
        answer: Answer = TOO_LATE
    elif content.channel == "email":
        answer = await mail_unless_suppressed(content, attempt.event, mail=ports.mail, store=ports.store)
    else:
        answer = await ports.announce(attempt.detail)
    if answer is not SUPPRESSED:
        ports.gates.heard(attempt.gate, [answer])
    await _settle(attempt, [answer], ports)


async def _settle(attempt: Attempt, answers: Sequence[Answer], ports: Ports) -> None:
    """Record what became of an attempt."""
    gate, dice, state = attempt.gate, ports.dice(), attempt.state
    pause = ports.gates.pause(gate, deadline=attempt.deadline, least=wait_after(min(state.attempts, 4), dice))
    end = conclude(attempt, answers, now=ports.now(), dice=dice, pause=pause)
    if end.dead and attempt.follow.next is not None:
        await forget(attempt.follow.next, end.dead, ports.store)
    count_unknown(attempt.content.on_unknown, end.ambiguous)
    if not await ports.store.move(attempt.event.key, end.move):
        # Our lease ran out and another worker has claimed it: the row, and the message, are that worker's now.
        metrics.claim(worker=WORKER, outcome="lost")
        log.warning("reminder_claim_lost", reminder=attempt.event.reminder_id)
        return
    report(attempt.event, attempt.content.channel, end.status, end.reason)
    if end.retry_in is not None:
        await ask_again(attempt.event, end.retry_in, attempt.share, ports)


def _by_gate(attempts: Sequence[Attempt], answers: Sequence[Answer]) -> Iterable[tuple[str, list[Answer]]]:
    """The answers of common requests, by breaker."""
    by_gate: dict[str, list[Answer]] = {}
    names = [attempt.gate for attempt in attempts for _ in attempt.recipients]
    for name, answer in zip(names, answers, strict=True):
        if answer is not KNOWN_DEAD:
            by_gate.setdefault(name, []).append(answer)
    return by_gate.items()


def _note(attempt: Attempt, token: str) -> Note:
    content = attempt.content
    more = content.push.fields() if content.push else {}
    return Note(token, content.title, content.body, content.data, content.project, more)
