"""What to do about a due occurrence as its row stands: leave it, wait, end it, or claim and send it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import assert_never

from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.schedule.occurrence import (
    LONGEST_HELD,
    Content,
    Malformed,
    Move,
    Row,
    State,
    Status,
    read_content,
    read_series,
    read_state,
    skipped,
    successor,
)
from workers.reminder_dispatch.schedule.quiet import quiet_until
from workers.reminder_dispatch.schedule.recurrence import following
from workers.reminder_dispatch.schedule.rule_text import BadRule
from workers.reminder_dispatch.sending.decision import (
    SERIES_ENDS,
    Attempt,
    Decision,
    Follow,
    Nothing,
    Taken,
    Wait,
)
from workers.reminder_dispatch.sending.moves import closed, ended, seen
from workers.reminder_dispatch.table.keys import Key, device_key, key_of

WORKER = "reminder-dispatch"

LEASE_SECONDS = 60
"""How long a claim holds. Longer than the handler's timeout: who still holds the lease is still sending, or dead."""

SEND_WITHIN = timedelta(seconds=15)
"""How long after its batch began a request may still go out: it takes 10 s at most, and what it says is recorded before the
handler's timeout and the end of the claim, also where the process stood still meanwhile.
"""

RECORD_WITHIN = timedelta(seconds=13)
"""How long after the last moment for a request what it led to may still be recorded: two seconds before the handler's timeout."""

DEAD_FOR = timedelta(days=365)
"""How long a dead push token is remembered."""

SOON = timedelta(minutes=2)
"""An occurrence that is written and due before this, or already past, is queued at once: the ticks may have left its minute behind."""

LONGEST_DELAY = 900
"""Seconds by which SQS can delay a message."""

MISSED_AFTER = timedelta(seconds=60)
"""How late an occurrence is that counts as missed under `skip`, as Quartz has it."""

_NOT_NEEDED = ("onGap", "onOverlap", "occurrenceNumber", "localTime")
"""What a series can do without: where one of these cannot be read, each of its occurrences says so, and it goes on."""

RESENDS = 1
"""Times an occurrence is sent again under `at_least_once` after a request that nobody answered."""

TAKEN_OVER = 10
"""Attempts after which `at_least_once` takes over no claim whose worker died. Some of these died before their request, with nothing sent, so
one such death or two must not end an occurrence; each may double it once at most.
"""


def judge(event: ReminderDue, row: Row, *, now: datetime, owner: str) -> Decision:
    """What to do about an occurrence; `owner` signs the claim. Whatever is wrong with the row ends it with a reason."""
    try:
        state = read_state(row)
        if (held := _held(state, event.due_at, now)) is not None:
            return held
        since = _missed_until(row, state.missed_until, event.due_at, now)
        follow = _follow(row, event, since, now)
    except (Malformed, BadRule) as fault:
        return closed(row, "FAILED", str(fault), now, _follow_if_readable(row, event, now))
    try:
        content = read_content(row)
    except (Malformed, BadRule) as fault:
        return closed(row, "FAILED", str(fault), now, follow)
    recipients = _recipients(content, state)
    if _is_missed(content, state, event.due_at, now):
        return closed(row, "FAILED", "misfire", now, follow)
    if (end := _end_unsent(content, state, recipients, late_by=now - event.due_at)) is not None:
        return closed(row, *end, now, follow)
    claimed = {
        "status": "SENDING",
        "owner": owner,
        "claimedUntil": int(now.timestamp()) + LEASE_SECONDS,
        "attempts": state.attempts + 1,
        "unknowns": state.unknowns + (state.status == "SENDING"),
        **({"missedUntil": int(since.timestamp())} if follow.next and since > event.due_at else {}),
    }
    return Attempt(
        event=event,
        row=row,
        claim=Move(expect=seen(row), put=claimed, drop=("notBefore", "reason")),
        state=state.model_copy(
            update={
                "status": claimed["status"],
                "owner": owner,
                "attempts": claimed["attempts"],
                "unknowns": claimed["unknowns"],
            }
        ),
        content=content,
        recipients=recipients,
        follow=follow,
    )


def may_resend(content: Content, state: State) -> bool:
    """Whether an occurrence that may have been accepted is sent once more: its own policy says so. On the bus again and again:
    it is the same event, and whoever takes it knows it by its id.
    """
    return content.on_unknown == "at_least_once" and (content.channel == "webhook" or state.unknowns < RESENDS)


def may_take_over(content: Content, state: State) -> bool:
    """Whether an occurrence whose worker died between its claim and the record is sent by another one."""
    return content.on_unknown == "at_least_once" and (content.channel == "webhook" or state.attempts < TAKEN_OVER)


def quiet_end(content: Content, now: datetime) -> datetime | None:
    """When an occurrence may go out that its recipient's quiet hours hold now; None where nothing holds it."""
    if content.quiet_hours is None or content.urgent or content.time_zone is None:
        return None
    return quiet_until(content.quiet_hours, content.time_zone, now)


def end_of(tickets: tuple[Mapping[str, str], ...]) -> tuple[Status, str]:
    """UNKNOWN if one recipient's fate is; else SENT if one was reached; else FAILED with the first reason."""
    errors = [ticket["error"] for ticket in tickets if "error" in ticket]
    if "unknown" in errors:
        return "UNKNOWN", "no answer"
    if len(errors) < len(tickets):
        return "SENT", ""
    return "FAILED", errors[0]


def _held(state: State, due_at: datetime, now: datetime) -> Nothing | Wait | Taken | None:
    match state.status:
        case "SENT" | "FAILED" | "UNKNOWN":
            return Nothing("ended before", is_repetition=True)
        case "SENDING":
            left = _left(state.claimed_until, now, "claimedUntil")
            return Taken(left) if left > 0 else None
        case "PENDING":
            early = (due_at - now).total_seconds()
            if early > LONGEST_DELAY:
                return Nothing("not due for long")
            if early > 0:
                return Wait(early)
            left = _left(state.not_before, now, "notBefore")
            if left > LONGEST_DELAY:  # held by quiet hours, and found by a tick at their end
                return Nothing("held", is_repetition=True)
            return Wait(left) if left > 0 else None
        case other:
            assert_never(other)


def _left(until: float, now: datetime, name: str) -> float:
    """Seconds until then. Raises Malformed."""
    left = until - now.timestamp()
    if left > LONGEST_HELD:
        raise Malformed(f"{name}: farther away than anything is held")
    return left


def _end_unsent(
    content: Content, state: State, recipients: tuple[str, ...], *, late_by: timedelta
) -> tuple[Status, str] | None:
    """Why an occurrence ends here, without (another) request; None where it is to be sent."""
    late = content.max_lateness is not None and late_by > timedelta(seconds=content.max_lateness)
    # SENDING here means that a lease ran out: a worker died between claim and record.
    if state.status == "SENDING" and (late or not may_take_over(content, state)):
        return "UNKNOWN", "claim expired"
    if not late and recipients:
        return None
    if state.tickets:
        return end_of(state.tickets)
    return "FAILED", "late" if late else "tokens: none left"


def _is_missed(content: Content, state: State, due_at: datetime, now: datetime) -> bool:
    """Whether an occurrence is left out because nobody looked at it in time; quiet hours do not make it late."""
    if content.misfire != "skip" or state.attempts or state.status != "PENDING":
        return False
    return now - (quiet_end(content, due_at) or due_at) > MISSED_AFTER


def _recipients(content: Content, state: State) -> tuple[str, ...]:
    if content.channel != "push":
        return ("",)
    answered = {device_key(ticket["token"]) for ticket in state.tickets if "token" in ticket}
    devices: dict[Key, str] = {}
    for token in content.tokens:  # a device may be there in both spellings
        devices.setdefault(device_key(token), token)
    return tuple(token for device, token in devices.items() if device not in answered)


def _follow(row: Row, event: ReminderDue, since: datetime, now: datetime, *, read: Row | None = None) -> Follow:
    """How the series goes on after `since`; `read` instead of the row says what its rule is."""
    series = read_series(row if read is None else read)
    if series is None:
        return SERIES_ENDS
    found = following(series, since)
    forget_at = ended(now)["TTL"]
    rows = [skipped(row, event.reminder_id, series, moment, forget_at=forget_at) for moment in found.skipped]
    if found.next is None:
        return Follow(rows=tuple(rows))
    rows.append(successor(row, event.reminder_id, series, found.next))
    due = found.next.instant
    return Follow(rows=tuple(rows), next=key_of(event.reminder_id, due), due_at=due)


def _missed_until(row: Row, kept: float, due_at: datetime, now: datetime) -> datetime:
    """After which instant the series goes on: the policy may leave out what has passed meanwhile. That is found at the first look at
    an occurrence, which writes the next one, and `kept` (epoch seconds) for later looks: they must find the same next one.
    """
    if row.get("attempts") or "notBefore" in row:
        return max(due_at, datetime.fromtimestamp(int(kept), UTC))
    match row.get("misfire"):
        case "fire_once":
            return max(due_at, now)
        case "skip":
            return max(due_at, now - MISSED_AFTER)
        case _:
            return due_at


def _follow_if_readable(row: Row, event: ReminderDue, now: datetime) -> Follow:
    """How a series goes on after an occurrence that cannot be read: what is wrong with its state is not inherited."""
    since = _missed_until(row, 0, event.due_at, now)
    for aside in ((), _NOT_NEEDED):
        try:
            return _follow(row, event, since, now, read={name: row[name] for name in row if name not in aside})
        except (Malformed, BadRule):
            continue
    return SERIES_ENDS
