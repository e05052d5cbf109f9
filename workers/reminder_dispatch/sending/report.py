"""What is said and counted of each occurrence that a dispatch left behind."""

from __future__ import annotations

from typing import Any

import structlog
from opentelemetry.metrics import get_meter

from shared.telemetry import metrics
from shared.telemetry.drops import dropped
from shared.telemetry.logging import customer
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.rules import WORKER
from workers.reminder_dispatch.schedule.occurrence import Status
from workers.reminder_dispatch.table.keys import due_text

log = structlog.get_logger()
_meter = get_meter("fleet.reminders")
_settled = metrics.Counter(
    _meter,
    "fleet.reminders.settled",
    unit="{occurrence}",
    description="occurrences, by where a dispatch left them",
)
_unknowns = metrics.Counter(
    _meter,
    "fleet.reminders.unknown",
    unit="{occurrence}",
    description="requests and claims of which nobody knows whether they were accepted",
)


CHANNELS = ("push", "email", "webhook")


def count_left(channel: Any, where: str) -> None:
    """Count an occurrence, by where a dispatch left it."""
    _settled.add(1, {"status": where, "channel": _named(channel)})


def _named(channel: Any) -> str:
    """What a row that cannot be read calls its channel may be anything, and must become no dimension and no line."""
    return channel if channel in CHANNELS else "unknown"


def report(event: ReminderDue, channel: Any, status: Status, reason: str, *, tenant: Any) -> None:
    """`tenant` is whose it is, as its row says."""
    count_left(channel, status)
    log.info(
        "reminder_settled",
        reminder=event.reminder_id,
        tenant=customer(str(tenant)) if tenant else None,
        due_at=due_text(event.due_at),
        channel=_named(channel),
        status=status,
        reason=reason or None,
    )
    if status in {"FAILED", "UNKNOWN"}:  # the reason begins with a word of ours, an attribute or a channel's code
        drop(event, reason.partition(":")[0])


def count_unknown(policy: Any, happened: bool) -> None:  # noqa: FBT001  read at the call as "if"
    if happened:
        _unknowns.add(1, {"policy": policy if policy == "at_most_once" else "at_least_once"})


def drop(event: ReminderDue, reason: str) -> None:
    dropped(WORKER, reason.replace(" ", "_"), reminder=event.reminder_id, due_at=due_text(event.due_at))
