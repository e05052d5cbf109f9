"""E-mail to nobody whose mail server refused it for good, and to nobody who complained."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from workers.reminder_dispatch.channels.channel import Answer, Refused
from workers.reminder_dispatch.event import ReminderDue
from workers.reminder_dispatch.schedule.occurrence import Content
from workers.reminder_dispatch.table.keys import address_key

if TYPE_CHECKING:
    from workers.reminder_dispatch.table.store import Reminders

SUPPRESSED = Refused("suppressed: bounced or complained before", known=True)
"""Not asked: SES said so of an e-mail before."""


async def mail_unless_suppressed(
    content: Content, event: ReminderDue, *, mail: Callable[[Content, ReminderDue], Awaitable[Answer]], store: Reminders
) -> Answer:
    """What SES says, or SUPPRESSED. SES itself accepts what it then does not deliver, so its answer does not tell."""
    return SUPPRESSED if await store.dead({address_key(content.email or "")}) else await mail(content, event)
