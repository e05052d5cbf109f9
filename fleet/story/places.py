"""What tables say of a message: read by the clients that producers have, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping

from fleet.story.moment import Ids, Moment
from workers.reminder_dispatch.client import NoSuchReminder, open_reminders
from workers.upload_notification.client import NoSuchSession, open_sessions
from workers.webhook_delivery.client import NoSuchDelivery, open_webhooks


async def sessions(environment: Mapping[str, str], ids: Ids) -> list[Moment]:
    """The upload sessions of these ids."""
    found = []
    async with open_sessions(environment) as client:
        for each in ids:
            try:
                document = (await client.show(each)).document
            except NoSuchSession:
                continue
            told = {name: document[name] for name in ("status", "reason", "size", "contentType") if name in document}
            created, uploaded = str(document.get("createdAt", "")), str(document.get("uploadedAt", ""))
            found.append(Moment(created, "session", "opened", {"session_id": each}))
            found.append(Moment(uploaded or created, "session", "stands now", {"session_id": each, **told}))
    return found


async def reminders(environment: Mapping[str, str], ids: Ids, tenant: str) -> list[Moment]:
    """The tenant's reminders of these ids, with their newest occurrences."""
    found = []
    async with open_reminders(environment) as client:
        for each in ids:
            try:
                head, occurrences = await client.show(tenant, each)
            except NoSuchReminder:
                continue
            told = {"reminder_id": each, "revision": head.revision}
            found.append(Moment(head.created_at, "reminder", "scheduled" if head.is_active else "cancelled", told))
            for one in occurrences:
                state = {"status": one.status, "reason": one.reason, "attempts": one.attempts}
                told = {"reminder_id": each, "due_at": one.due_at, **{k: v for k, v in state.items() if v}}
                found.append(Moment(one.sent_at or one.due_at, "reminder", "occurrence", told))
    return found


async def deliveries(environment: Mapping[str, str], ids: Ids, tenant: str) -> list[Moment]:
    """Attempts of the deliveries with these webhook-ids, at each endpoint that the tenant has now."""
    found = []
    async with open_webhooks(environment) as client:
        endpoints = [each.endpoint_id async for each in client.endpoints.list(tenant)]
        for endpoint in endpoints:
            for each in ids:
                try:
                    delivery = await client.deliveries.show(tenant, each, endpoint, with_payload=False)
                except NoSuchDelivery:
                    continue
                for one in delivery.attempts:
                    told = {"webhook_id": each, "endpoint": endpoint, "attempt": one.number, "status": one.status}
                    answer = {"http_status": one.http_status, "error": one.error, "delivery": delivery.state}
                    told |= {name: value for name, value in answer.items() if value}
                    found.append(Moment(one.started_at, "webhook", "attempted", told))
    return found
