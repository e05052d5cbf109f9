"""A reminder: scheduled for in some seconds, sent by push, and received once."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from fleet.dev.stand_ins.server import EXPO
from fleet.dev.tries.ground import NoEffect, Tried
from workers.reminder_dispatch.client import Reminder, open_reminders

WAITS = ("PENDING", "SENDING")


async def reminder(tried: Tried, seconds: float) -> AsyncIterator[str]:
    """Raises NoEffect."""
    name = secrets.token_hex(4)
    token = f"ExponentPushToken[try-{name}]"
    async with open_reminders(tried.environment) as reminders:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        wanted = Reminder(tenant_id="try", channel="push", at=at, title="Hello", tokens=(token,), key=name)
        made = await reminders.schedule(wanted)
        yield f"reminder {made.reminder_id} is due in {seconds:g} s"

        async def ended() -> str | None:
            _, occurrences = await reminders.show("try", made.reminder_id)
            found = next((each for each in occurrences if each.status not in WAITS), None)
            return f"{found.status} {found.reason}".strip() if found else None

        status = await tried.until(ended, what="its end", worker="reminder-dispatch", due=seconds)
    if status != "SENT":
        raise NoEffect(
            f"the reminder is {status}: `fleet reminders show {made.reminder_id} --env-file {tried.file} --tenant try`"
        )
    yield "the reminder is SENT"
    came = [each["to"] for each in await tried.received(EXPO)].count(token)
    if came != 1:
        raise NoEffect(f"the push came {came} times instead of once: look at {tried.logs}/reminder-dispatch.log")
    yield "Expo's stand-in got the push, once"
