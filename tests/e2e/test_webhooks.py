"""An event on the bus becomes signed webhooks: delivered, tried again, or given up, each endpoint for itself."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.outside import Outside

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def fresh(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:12]}"


async def delivered(fleet: Outside, path: str, count: int = 1) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]] | None:
        found = await fleet.received(path)
        return found if len(found) >= count else None

    found: list[dict[str, Any]] = await fleet.until(look, f"{count} requests at {path}")
    return found


async def test_every_endpoint_that_asked_for_the_event_gets_it_signed_and_the_others_do_not(fleet: Outside) -> None:
    tenant, event_id = fresh("tenant"), fresh("event")
    fleet.endpoint(tenant, f"/ok/{tenant}/all", "*")
    fleet.endpoint(tenant, f"/ok/{tenant}/orders", "order.*")
    fleet.endpoint(tenant, f"/ok/{tenant}/other", "invoice.paid")
    fleet.endpoint(fresh("tenant"), f"/ok/{tenant}/stranger", "*")
    fleet.put_event("order.placed", {"id": event_id, "tenantId": tenant, "total": "12.50"})
    [first], [second] = await delivered(fleet, f"/ok/{tenant}/all"), await delivered(fleet, f"/ok/{tenant}/orders")
    assert [first["fault"], second["fault"]] == [None, None], "the receiver checked the signatures"
    assert (first["payload"]["type"], first["payload"]["data"]["total"]) == ("order.placed", "12.50")
    await fleet.until(lambda: fleet.waiting("webhook-deliveries") == 0, "an empty queue")
    assert [await fleet.received(f"/ok/{tenant}/{path}") for path in ("other", "stranger")] == [[], []]


async def test_an_endpoint_that_fails_twice_is_tried_again_with_the_same_id_and_bytes(fleet: Outside) -> None:
    tenant, event_id = fresh("tenant"), fresh("event")
    endpoint_id = fleet.endpoint(tenant, f"/flaky/{tenant}")
    fleet.put_event("order.placed", {"id": event_id, "tenantId": tenant})
    tries = await delivered(fleet, f"/flaky/{tenant}", 3)
    assert [each["status"] for each in tries] == [500, 500, 200]
    assert [each["fault"] for each in tries] == [None, None, None]
    assert len({each["webhook_id"] for each in tries}) == 1
    await fleet.until(
        lambda: fleet.last_attempt(tenant, event_id, endpoint_id).get("status") == "DELIVERED", "the attempt's record"
    )


async def test_an_endpoint_that_answers_410_is_disabled_and_never_asked_again(fleet: Outside) -> None:
    tenant = fresh("tenant")
    fleet.endpoint(tenant, f"/gone/{tenant}")
    fleet.put_event("order.placed", {"id": fresh("event"), "tenantId": tenant})
    await delivered(fleet, f"/gone/{tenant}")
    await fleet.until(lambda: fleet.waiting("webhook-deliveries") == 0, "an empty queue")
    fleet.put_event("order.placed", {"id": fresh("event"), "tenantId": tenant})
    await fleet.until(
        lambda: fleet.waiting("webhook-events") + fleet.waiting("webhook-deliveries") == 0, "empty queues"
    )
    assert len(await fleet.received(f"/gone/{tenant}")) == 1


async def test_what_fails_to_the_end_is_recorded_and_put_on_the_bus_and_is_not_a_dead_letter(fleet: Outside) -> None:
    tenant, event_id = fresh("tenant"), fresh("event")
    wrong = "whsec_" + "A" * 32  # the receiver knows another secret and answers 401 for ever
    endpoint_id = fleet.endpoint(tenant, f"/ok/{tenant}/wrong", "order.*", secret=wrong)
    fleet.endpoint(tenant, f"/ok/{tenant}/operations", "webhook.exhausted")
    fleet.put_event("order.placed", {"id": event_id, "tenantId": tenant})
    [sent] = await delivered(fleet, f"/ok/{tenant}/operations")
    assert (sent["payload"]["data"]["endpointId"], sent["payload"]["data"]["attempts"]) == (endpoint_id, 4)
    assert len(await fleet.received(f"/ok/{tenant}/wrong")) == 4
    assert fleet.last_attempt(tenant, event_id, endpoint_id)["outcome"] == "EXHAUSTED"


async def test_an_event_that_comes_three_times_is_delivered_once(fleet: Outside) -> None:
    tenant, event_id = fresh("tenant"), fresh("event")
    fleet.endpoint(tenant, f"/ok/{tenant}")
    for _ in range(3):
        fleet.put_event("order.placed", {"id": event_id, "tenantId": tenant})
    await delivered(fleet, f"/ok/{tenant}")
    await fleet.until(
        lambda: fleet.waiting("webhook-events") + fleet.waiting("webhook-deliveries") == 0, "empty queues"
    )
    assert len(await fleet.received(f"/ok/{tenant}")) == 1


async def test_an_upload_ends_as_a_webhook_with_its_session(fleet: Outside) -> None:
    tenant = fresh("tenant")
    fleet.endpoint(tenant, f"/ok/{tenant}", "upload.completed")
    session_id = fleet.session(tenant)
    fleet.upload(f"session-uploads/{session_id}/a.txt", b"abc")
    [sent] = await delivered(fleet, f"/ok/{tenant}")
    assert sent["fault"] is None
    assert (sent["payload"]["data"]["sessionId"], sent["payload"]["data"]["size"]) == (session_id, 3)


def job(tenant: str, endpoint_id: str, event_id: str, *, attempt: int = 1) -> str:
    """A delivery job as fan-out sends it."""
    now = datetime.now(UTC).isoformat()
    payload = json.dumps({"type": "order.placed", "timestamp": now, "data": {"id": event_id, "tenantId": tenant}})
    return json.dumps(
        {
            "eventId": f"msg_{event_id}",
            "eventType": "order.placed",
            "tenantId": tenant,
            "endpointId": endpoint_id,
            "attempt": attempt,
            "payload": payload,
            "firstAttemptAt": now,
            "notBefore": now,
        }
    )


async def test_a_delivery_job_that_comes_three_times_is_posted_once(fleet: Outside) -> None:
    tenant, event_id = fresh("tenant"), fresh("event")
    body = job(tenant, fleet.endpoint(tenant, f"/ok/{tenant}"), event_id)
    for _ in range(3):
        fleet.send("webhook-deliveries", body)
    await delivered(fleet, f"/ok/{tenant}")
    await fleet.until(lambda: fleet.waiting("webhook-deliveries") == 0, "an empty queue")
    assert len(await fleet.received(f"/ok/{tenant}")) == 1


async def test_a_job_of_an_earlier_attempt_that_comes_late_posts_nothing(fleet: Outside) -> None:
    tenant, event_id = fresh("tenant"), fresh("event")
    endpoint_id = fleet.endpoint(tenant, f"/flaky/{tenant}")
    fleet.send("webhook-deliveries", job(tenant, endpoint_id, event_id))
    await delivered(fleet, f"/flaky/{tenant}", 3)
    for attempt in (2, 1):
        fleet.send("webhook-deliveries", job(tenant, endpoint_id, event_id, attempt=attempt))
    await fleet.until(lambda: fleet.waiting("webhook-deliveries") == 0, "an empty queue")
    assert [each["status"] for each in await fleet.received(f"/flaky/{tenant}")] == [500, 500, 200]


async def test_events_that_come_in_reverse_are_each_delivered_once(fleet: Outside) -> None:
    tenant = fresh("tenant")
    fleet.endpoint(tenant, f"/ok/{tenant}")
    moments = ["2026-11-21T09:00:02Z", "2026-11-21T09:00:01Z", "2026-11-21T09:00:00Z"]
    for moment in moments:
        fleet.put_event("order.placed", {"id": fresh("event"), "tenantId": tenant, "occurredAt": moment})
    sent = await delivered(fleet, f"/ok/{tenant}", 3)
    await fleet.until(lambda: fleet.waiting("webhook-deliveries") == 0, "an empty queue")
    assert sorted(each["payload"]["timestamp"] for each in sent) == sorted(moments)
