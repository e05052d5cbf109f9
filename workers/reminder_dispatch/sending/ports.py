"""What a dispatch needs of the world around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from shared import Send
from workers.reminder_dispatch.channels.channel import Answer, Note
from workers.reminder_dispatch.channels.gate import Gates
from workers.reminder_dispatch.channels.push.rate import Room
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.schedule.occurrence import Content
from workers.reminder_dispatch.sending.decision import Attempt

if TYPE_CHECKING:
    from workers.reminder_dispatch.table.store import Reminders


Result = TypeVar("Result")


class Push(Protocol):
    """Sends push notifications; one answer for each note, in order. No request begins at `until` or later; the first uses `room`."""

    async def __call__(self, notes: Sequence[Note], *, until: datetime, room: Room | None) -> Sequence[Answer]: ...


class KeepRoom(Protocol):
    """Waits until a request to `count` recipients of a project of Expo's has room in its rate; None where it has none before `until`."""

    def __call__(self, project: str, count: int, /, *, until: datetime) -> AbstractAsyncContextManager[Room | None]: ...


class Aside(Protocol):
    """Runs what may take milliseconds of computing beside the event loop, one at a time."""

    def __call__(self, compute: Callable[[], Result], /) -> Awaitable[Result]: ...


class AskLater(Protocol):
    """Has the receipts of pushes asked for: the answers to these attempts, one for each recipient of each, in order. Raises nothing of AWS."""

    async def __call__(self, attempts: Sequence[Attempt], answers: Sequence[Answer], *, at: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Joined in app.py. `request_size` is of recipients. `queue` takes due reminders, `ask_later` has the receipts asked for, `sign` makes a new claim's owner, `dice` is uniform in [0, 1)."""

    store: Reminders
    room: KeepRoom
    request_size: int
    push: Push
    mail: Callable[[Content, ReminderDue], Awaitable[Answer]]
    announce: Callable[[Mapping[str, Any]], Awaitable[Answer]]
    queue: Send
    ask_later: AskLater
    now: Callable[[], datetime]
    sign: Callable[[], str]
    dice: Callable[[], float]
    aside: Aside
    gates: Gates
