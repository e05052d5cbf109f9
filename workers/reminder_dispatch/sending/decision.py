"""What may be done about a due occurrence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.schedule.occurrence import Content, Move, Row, State, Status
from workers.reminder_dispatch.table.keys import Key, due_text, event_id


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

    `row` is what was read, `state` its state once the claim is written.
    """

    event: ReminderDue
    row: Row
    claim: Move
    state: State
    content: Content
    recipients: tuple[str, ...]
    follow: Follow

    @property
    def gate(self) -> str:
        """The name of the breaker that its channel has; Expo's projects fail apart."""
        project = self.content.project if self.content.channel == "push" else ""
        return f"reminders/{self.content.channel}" + (f"/{project}" if project else "")

    @property
    def share(self) -> Row:
        """What of its row says whose share of the queue its messages are."""
        return {"tenantId": self.content.tenant_id, "priority": self.content.priority}

    @property
    def deadline(self) -> float | None:
        """When it must have been sent, in epoch seconds; None where late is better than never."""
        lateness = self.content.max_lateness
        return None if lateness is None else self.event.due_at.timestamp() + lateness

    @property
    def detail(self) -> dict[str, Any]:
        """The bus event `reminder.due`: the same id for the same occurrence, so that consumers can tell a repetition."""
        return {
            "id": event_id(self.event.reminder_id, self.event.due_at),
            "correlationId": self.event.reminder_id,
            "tenantId": self.content.tenant_id,
            "reminderId": self.event.reminder_id,
            "dueAt": due_text(self.event.due_at),
            "title": self.content.title,
            "body": self.content.body,
            "data": self.content.data,
        }


Decision = Nothing | Wait | Taken | Close | Attempt
