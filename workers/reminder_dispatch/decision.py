"""What may be done about a due occurrence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.schedule.occurrence import Content, Move, Row, State, Status
from workers.reminder_dispatch.table.keys import Key


@dataclass(frozen=True, slots=True)
class Nothing:
    """The message may go: the occurrence has ended (a repetition), or a tick will find it at its minute."""

    why: str
    is_repetition: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Too early, or before its next attempt; again in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Another worker is sending it, for at most `seconds` more."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Follow:
    """How the series goes on: rows to write where there are none yet, and the next occurrence among them."""

    rows: tuple[Row, ...] = ()
    next: Key | None = None
    due_at: datetime | None = None


SERIES_ENDS = Follow()


@dataclass(frozen=True, slots=True)
class Close:
    """The occurrence ends without being sent (again)."""

    status: Status
    reason: str
    move: Move
    follow: Follow = SERIES_ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The occurrence is to be claimed by `claim` and then sent to `recipients` (tokens for push, one "" else).

    `state` is the row's state once the claim is written.
    """

    event: ReminderDue
    claim: Move
    state: State
    content: Content
    recipients: tuple[str, ...]
    follow: Follow


Decision = Nothing | Wait | Taken | Close | Attempt
