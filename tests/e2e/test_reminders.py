"""A due reminder is sent once, by its channel, however often and in whatever order the ticks come."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.outside import Outside

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def just_now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=2)


def push(token: str, **fields: Any) -> dict[str, Any]:
    return {"channel": {"S": "push"}, "tokens": {"L": [{"S": token}]}, **fields}


def token() -> str:
    return f"ExponentPushToken[{uuid.uuid4().hex[:22]}]"


async def sent(fleet: Outside, reminder: tuple[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = await fleet.until(
        lambda: (row := fleet.reminder_row(*reminder)).get("status") == "SENT" and row, f"reminder {reminder[0]}"
    )
    return found


async def test_a_tick_delivered_three_times_sends_a_push_once(fleet: Outside) -> None:
    mine = token()
    reminder = fleet.reminder(just_now(), **push(mine))
    for _ in range(3):
        fleet.tick()
    row = await sent(fleet, reminder)
    await fleet.until(lambda: fleet.waiting("reminders") + fleet.waiting("reminder-ticks") == 0, "empty queues")
    assert len(await fleet.pushes(mine)) == 1
    assert "GSI1PK" not in row, "what was sent is no longer looked for"


async def test_ticks_that_come_out_of_order_send_everything_once(fleet: Outside) -> None:
    tokens = [token() for _ in range(3)]
    now = just_now()
    reminders = [
        fleet.reminder(now - timedelta(minutes=age), **push(mine)) for age, mine in zip((3, 1, 0), tokens, strict=True)
    ]
    for age in (0, 3, 1):
        fleet.tick(now - timedelta(minutes=age))
    for reminder in reminders:
        await sent(fleet, reminder)
    await fleet.until(lambda: fleet.waiting("reminders") == 0, "an empty queue")
    assert [len(await fleet.pushes(mine)) for mine in tokens] == [1, 1, 1]


async def test_an_email_goes_out_by_ses(fleet: Outside) -> None:
    reminder = fleet.reminder(just_now(), channel={"S": "email"}, email={"S": "anna@example.com"})
    fleet.tick()
    await sent(fleet, reminder)


async def test_a_webhook_reminder_reaches_the_tenants_endpoint(fleet: Outside) -> None:
    tenant = f"tenant-{uuid.uuid4().hex[:12]}"
    fleet.endpoint(tenant, f"/ok/{tenant}", "reminder.due")
    reminder_id, due_at = fleet.reminder(just_now(), channel={"S": "webhook"}, tenantId={"S": tenant})
    fleet.tick()

    async def received() -> list[dict[str, Any]]:
        return await fleet.received(f"/ok/{tenant}")

    [delivery] = await fleet.until(received, "the webhook")
    assert (delivery["payload"]["data"]["reminderId"], delivery["payload"]["data"]["dueAt"]) == (reminder_id, due_at)


async def test_a_recurring_reminder_leaves_its_next_occurrence_at_the_same_wall_clock_time(fleet: Outside) -> None:
    due = just_now().replace(microsecond=0)
    zone = "Asia/Kolkata"  # no daylight saving: tomorrow is 24 hours away
    wall = (due + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S")
    reminder = fleet.reminder(
        due,
        **push(
            token(),
            timeZone={"S": zone},
            localTime={"S": wall},
            rule={"S": "FREQ=DAILY"},
            ruleStart={"S": wall},
        ),
    )
    fleet.tick()
    await sent(fleet, reminder)
    tomorrow = (due + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    row = await fleet.until(lambda: fleet.reminder_row(reminder[0], tomorrow), "tomorrow's occurrence")
    assert (row["status"], row["GSI1PK"][:20]) == ("PENDING", f"DUE#{tomorrow[:16]}")


async def test_a_device_that_is_gone_fails_its_reminder_for_good_and_no_other(fleet: Outside) -> None:
    gone, alive = f"ExponentPushToken[dead{uuid.uuid4().hex[:18]}]", token()
    lost, kept = fleet.reminder(just_now(), **push(gone)), fleet.reminder(just_now(), **push(alive))
    fleet.tick()
    await sent(fleet, kept)
    await fleet.until(lambda: fleet.reminder_row(*lost).get("status") == "FAILED", "the failure's record")


async def test_an_order_to_send_that_comes_three_times_is_sent_once(fleet: Outside) -> None:
    mine = token()
    reminder_id, due_at = fleet.reminder(just_now(), **push(mine))
    for _ in range(3):
        fleet.send("reminders", json.dumps({"reminderId": reminder_id, "dueAt": due_at}))
    await sent(fleet, (reminder_id, due_at))
    await fleet.until(lambda: fleet.waiting("reminders") == 0, "an empty queue")
    assert len(await fleet.pushes(mine)) == 1


async def test_an_order_for_a_reminder_that_was_deleted_is_settled_and_sends_nothing(fleet: Outside) -> None:
    fleet.send("reminders", json.dumps({"reminderId": f"r-{uuid.uuid4().hex}", "dueAt": "2026-11-21T09:00:00Z"}))
    await fleet.until(lambda: fleet.waiting("reminders") == 0, "an empty queue")
