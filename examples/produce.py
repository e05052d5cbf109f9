"""A shop that feeds the fleet: for an order, a form to upload a photo by, a reminder to fetch it, and an event that becomes webhooks.

    set -a; . .fleet/dev.env; set +a
    python produce.py order-42 2027-12-01T09:00

The same call again makes neither a second reminder nor a second webhook.
"""

import asyncio
import os
import sys
from datetime import datetime

from workers.reminder_dispatch.client import Reminder, open_reminders
from workers.upload_notification.client import Opening, open_sessions
from workers.webhook_delivery.client import Event, open_webhooks

TENANT = "acme"


async def upload_form(name: str) -> str:
    """Open a session for one picture of at most 10 MB; answer the URL that a browser posts the form to."""
    async with open_sessions(os.environ) as sessions:
        opened = await sessions.open(Opening(TENANT, allowed_types=("image/*",), max_bytes=10_000_000))
        form = await sessions.form(opened.session_id, name, content_type="image/png")
        return form.url


async def remind(order_id: str, at: datetime) -> bool:
    """Schedule a reminder at this time on Berlin's clocks, once for each order; answer whether it is new."""
    wanted = Reminder(
        tenant_id=TENANT,
        channel="push",
        tokens=("ExponentPushToken[phone]",),
        title="Your order is ready",
        at=at,
        time_zone="Europe/Berlin",
        key=order_id,
    )
    async with open_reminders(os.environ) as reminders:
        return (await reminders.schedule(wanted)).is_new


async def publish(order_id: str) -> str:
    """Tell the tenant's endpoints of it, once for each order; the webhook-id of what they get."""
    async with open_webhooks(os.environ) as webhooks:
        return await webhooks.publish(
            Event(TENANT, "order.placed", key=order_id, detail={"total": "12.50"}, source="shop")
        )


async def main(order_id: str, at: str) -> None:
    """Print what was done."""
    print("upload to", await upload_form("photo.png"))
    print("reminder", "scheduled" if await remind(order_id, datetime.fromisoformat(at)) else "was there")
    await publish(order_id)
    print("order.placed published")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
