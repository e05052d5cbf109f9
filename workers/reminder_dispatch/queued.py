"""The messages that ask for occurrences to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from shared import Message
from workers.reminder_dispatch.event import ReminderDue, due_body
from workers.reminder_dispatch.table.keys import share_of


def due_message(event: ReminderDue, row: Mapping[str, Any], *, delay: float = 0) -> Message:
    """The message that asks for an occurrence to be sent after `delay` seconds (rounded up), in its tenant's share of the queue."""
    share = share_of(row.get("tenantId"), row.get("priority"))
    return Message(body=due_body(event.reminder_id, event.due_at), delay=max(0, ceil(delay)), group=share)
