"""What a producer calls: reminders scheduled, changed and cancelled, without a key, shard or instant computed by hand.

async with open_reminders(os.environ) as reminders:
    await reminders.schedule(
        Reminder(
            tenant_id="acme",
            channel="push",
            tokens=(phone, tablet),
            title="Tea",
            at=datetime(2026, 12, 1, 9),
            time_zone="Europe/Berlin",
            rule="FREQ=DAILY",
            key="tea-of-ada",
        )
    )
"""

from workers.reminder_dispatch.channels.email.letter import MailFields
from workers.reminder_dispatch.channels.push.presentation import PushFields
from workers.reminder_dispatch.client.items import Head, Occurrence, Plan
from workers.reminder_dispatch.client.opened import BlockingReminders, open_reminders, open_reminders_blocking
from workers.reminder_dispatch.client.preview import Coming, preview
from workers.reminder_dispatch.client.reminder import Reminder, WrongField
from workers.reminder_dispatch.client.reminders import (
    Cancelled,
    Contested,
    NoSuchReminder,
    Refused,
    ReminderClient,
    Scheduled,
)

__all__ = [
    "BlockingReminders",
    "Cancelled",
    "Coming",
    "Contested",
    "Head",
    "MailFields",
    "NoSuchReminder",
    "Occurrence",
    "Plan",
    "PushFields",
    "Refused",
    "Reminder",
    "ReminderClient",
    "Scheduled",
    "WrongField",
    "open_reminders",
    "open_reminders_blocking",
    "preview",
]
