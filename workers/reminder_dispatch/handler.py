"""Due reminders, many at once: look at each, send all, record each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf

from shared import BatchResult
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.rules import SEND_WITHIN
from workers.reminder_dispatch.sending.claiming import look
from workers.reminder_dispatch.sending.decision import Attempt
from workers.reminder_dispatch.sending.ports import Ports
from workers.reminder_dispatch.sending.requests import push, send


async def dispatch(events: Sequence[ReminderDue], *, ports: Ports) -> BatchResult:
    """Send each occurrence once.

    For each: read, write the series' next occurrence, wait for room in its channel's rate, claim, send, record. The next
    occurrence comes first, so that whatever happens to this one the series goes on; and little stands between claim
    and request, so that a crash seldom leaves a doubt. A claim that was never recorded runs out with its lease and is then settled by the
    reminder's policy for unknown ends. No request begins so late that its answer could not be recorded any more: what
    has no turn until then waits for another attempt.
    """
    due = list(dict.fromkeys(events))  # the same occurrence twice in one batch is one piece of work
    until = ports.now() + SEND_WITHIN
    prepared = await asyncio.gather(*(look(event, ports) for event in due), return_exceptions=True)
    attempts = sorted((found for found in prepared if isinstance(found, Attempt)), key=_urgency)
    pushes = [attempt for attempt in attempts if attempt.content.channel == "push"]
    others = [attempt for attempt in attempts if attempt.content.channel != "push"]
    pushed, alone = await asyncio.gather(
        asyncio.gather(push(pushes, ports, until=until), return_exceptions=True),
        asyncio.gather(*(send(one, ports, until=until) for one in others), return_exceptions=True),
    )
    ends: dict[ReminderDue, object] = dict(zip(due, prepared, strict=True))
    for found in pushed:
        each = [found] * len(pushes) if isinstance(found, BaseException) else found
        ends |= zip((one.event for one in pushes), each, strict=True)
    ends |= zip((one.event for one in others), alone, strict=True)
    return [_fault(ends[event]) for event in events]


def _fault(end: object) -> Exception | None:
    """What is to be reported of an event. Raises what is not an Exception: a cancelled part must not pass for done."""
    if isinstance(end, BaseException) and not isinstance(end, Exception):
        raise end
    return end if isinstance(end, Exception) else None


def _urgency(attempt: Attempt) -> tuple[bool, float, float]:
    """What is of high priority goes first, then what must be sent first, then what is due longest."""
    deadline = attempt.deadline
    is_normal = attempt.content.priority == "normal"
    return is_normal, inf if deadline is None else deadline, attempt.event.due_at.timestamp()
