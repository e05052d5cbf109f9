"""docs/by-hand.md: each mistake is made, and what then tells of it is what its line says; none is silent."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fleet.doctor.rows import LOOKS
from shared import Reject, ScheduleTick
from tests.docs.test_data_model import typed
from tests.fakes import FakeSender, delivery
from tests.workers.reminder_dispatch.fakes import NOON, daily, world
from tests.workers.reminder_dispatch.fakes import row as reminder
from tests.workers.upload_notification.fakes import finished
from tests.workers.upload_notification.fakes import row as session
from tests.workers.webhook_delivery.fakes import SECRET
from workers.reminder_dispatch.event import decode_due
from workers.reminder_dispatch.scan import look
from workers.reminder_dispatch.table.keys import SHARDS, bucket, index_keys
from workers.reminder_dispatch.table.upkeep import sweep
from workers.upload_notification import rules as uploads
from workers.upload_notification.store.sessions import read_session
from workers.webhook_delivery.event import published
from workers.webhook_delivery.fan_out import fan_out
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Page, why_not
from workers.webhook_delivery.signing.request import signed
from workers.webhook_delivery.store import endpoint_items

PAGE = (Path(__file__).parents[2] / "docs" / "by-hand.md").read_text(encoding="utf-8")
Row = dict[str, Any]
OLD = NOON - timedelta(hours=3)


def lines(section: str) -> Iterator[tuple[str, set[str]]]:
    """Each mistake of a section, and what tells of it."""
    [part] = re.findall(rf"^## {section}\n\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    for mistake, _, told in re.findall(r"^\| (.+?) \| (.+?) \| (.*?) ?\|$", part, re.MULTILINE)[2:]:
        yield mistake, set(re.findall(r"`([^`]+)`", told))


def told_in(logged: Any) -> set[str]:
    return {line["reason"] for line in logged if line["event"] == "event_dropped"}


def without(row: Row, name: str) -> Row:
    return {each: value for each, value in row.items() if each != name}


PLACE = index_keys("r1", NOON)["GSI1PK"].rpartition("#")[0]
REMINDERS: dict[str, Row] = {
    "no `GSI1PK`": reminder(GSI1PK=None),
    "no `GSI1SK`": reminder(GSI1SK=None),
    "a shard of one digit, `#5`": reminder(GSI1PK=f"{PLACE}#5"),
    "a shard in hexadecimal, `#0a`": reminder(GSI1PK=f"{PLACE}#0a"),
    "a shard above 15": reminder(GSI1PK=f"{PLACE}#{SHARDS}"),
    "seconds in the minute of `GSI1PK`": reminder(GSI1PK=f"{PLACE}:00#05"),
    "another minute in `GSI1PK`, long before it is due": reminder(
        due_at=NOON + timedelta(days=1), GSI1PK=bucket(NOON, 5)
    ),
    "another minute in `GSI1PK`, after it is due": reminder(GSI1PK=bucket(NOON + timedelta(hours=1), 5)),
    "written more than five minutes after it was due": reminder(due_at=OLD),
    "`SK` with milliseconds, or with another offset than `Z`": reminder(SK="AT#2026-11-21T12:00:00.000Z"),
    "`SK` so, and no `GSI1PK`": reminder(SK="AT#2026-11-21T13:00:00+01:00", GSI1PK=None),
    "`PK` without `REMINDER#`": reminder(PK="r1"),
    "no `status`": reminder(status=None),
    "a `status` in lower case": reminder(status="pending"),
    "no `channel`, or another one": reminder(channel="sms"),
    "no `title`": reminder(title=None),
    "a `rule` that is none": daily(rule="every day"),
    "a `timeZone` that is none": reminder(timeZone="Berlin"),
    "the channel `webhook` without `tenantId`": reminder(channel="webhook", tokens=None),
    "an e-mail address with a name beside it": reminder(channel="email", tokens=None, email="Ada <a@example.com>"),
    "a `TTL` before it is due": reminder(TTL=int(NOON.timestamp()) - 1),
}


async def of_reminder(row: Row) -> set[str]:
    """What the tick of noon, its dispatch and a sweep an hour later say."""
    of, again = world(row), FakeSender()
    of.store.minute = NOON
    with capture_logs() as logged:
        await look(
            [ScheduleTick(source="scheduler", time=NOON)],
            store=of.store,
            queue=of.queue,
            again=again,
            now=lambda: NOON,
        )
        for message in of.asked_again():
            await of.dispatch(decode_due(delivery(message.body)))
    swept: list[str] = []
    later: dict[str, Any] = {"now": lambda: NOON + timedelta(hours=1), "act": True, "overdue": timedelta(minutes=15)}
    await sweep(of.store, queue=FakeSender(), tell=lambda _, what: swept.append(what), **later)
    return told_in(logged) | ({"sweep"} if swept else set())


ENDPOINT: Row = {
    "PK": "TENANT#tenant-1",
    "SK": "ENDPOINT#ep-1",
    "entity": "endpoint",
    "endpointId": "ep-1",
    "url": "https://hooks.example/fleet",
    "secret": SECRET,
    "eventTypes": ["order.*"],
    "enabled": True,
}
ENDPOINTS: dict[str, Row] = {
    "no `enabled`": without(ENDPOINT, "enabled"),
    "`enabled` as a text": ENDPOINT | {"enabled": "true"},
    "no `eventTypes`": without(ENDPOINT, "eventTypes"),
    "`eventTypes` as a text": ENDPOINT | {"eventTypes": "order.*"},
    "`eventTypes` as an empty list": ENDPOINT | {"eventTypes": []},
    "a type that fits nothing, `*.placed`": ENDPOINT | {"eventTypes": ["*.placed"]},
    "`endpointId` is not that of `SK`": ENDPOINT | {"endpointId": "ep-2"},
    "`PK` without `TENANT#`": ENDPOINT | {"PK": "tenant-1"},
    "`SK` without `ENDPOINT#`": ENDPOINT | {"SK": "ep-1"},
    "`retrySchedule` as a text": ENDPOINT | {"retrySchedule": "5 s"},
    "no `url`, or one of plain HTTP": ENDPOINT | {"url": "http://hooks.example"},
    "no `secret`, or one that cannot be read": without(ENDPOINT, "secret"),
    "a `TTL`": ENDPOINT | {"TTL": 1},
    "`payloadLimit` below zero": ENDPOINT | {"payloadLimit": -1},
    "`expiresAfter` of zero or less": ENDPOINT | {"expiresAfter": 0},
    "`previousSecrets` as a text": ENDPOINT | {"previousSecrets": SECRET},
    "`expiresAt` of an old secret in milliseconds": ENDPOINT
    | {"previousSecrets": [{"secret": SECRET, "expiresAt": int(NOON.timestamp() * 1000)}]},
    "`failingSince`, `failedAt`, `warned` or `owed` in another form": ENDPOINT | {"owed": "webhook.failing"},
}


def event(kind: str = "order.placed", **detail: Any) -> str:
    told = {"id": "bus-1", "source": "shop", "detail-type": kind, "time": "2026-11-21T09:00:00Z"}
    return json.dumps({**told, "detail": {"id": "order-1", "tenantId": "tenant-1", **detail}})


async def of_endpoint(row: Row, body: str = event()) -> set[str]:
    """What the fan-out says of an event, where this is the tenant's only endpoint, and the delivery that follows."""
    item, sent = typed(row), FakeSender()
    is_found = row["PK"] == "TENANT#tenant-1" and row["SK"].startswith("ENDPOINT#")

    async def subscriptions(_tenant: str, _after: str) -> Page:
        return Page((endpoint_items.subscription(item),) if is_found else ())

    async def keep(_event: Any) -> None:
        pass

    ports: Any = {"subscriptions": subscriptions, "keep": keep, "send": sent, "now": lambda: NOON}
    with capture_logs() as logged:
        await fan_out(published(delivery(body)), schedule=STANDARD_WEBHOOKS, **ports)
    [fanned_out] = [line for line in logged if line["event"] == "webhook_fanned_out"]
    told = told_in(logged) | ({"without_id"} if fanned_out["without_id"] else set())
    if sent.sent:
        posted = endpoint_items.endpoint(item, tenant_id="tenant-1", endpoint_id="ep-1", at=0.0)
        odd = endpoint_items.odd_life(item, at=NOON.timestamp())
        told |= {why_not(posted)} | ({"endpoint_life_unreadable"} if odd else set())
        if "secret" in row and signed(posted, message_id="msg_1", at=NOON, body=b"").passed_over:
            told.add("webhook_old_secrets_passed_over")
    # What an endpoint's own line says is enough: that the event has no other taker is the same once more.
    return told - {"", "nobody_takes_it" if "endpoint_unreadable" in told else ""}


SESSIONS: dict[str, Row] = {
    "no `status`": without(session(), "status"),
    "a `status` in lower case": session(status="awaiting_scan"),
    "no `expiresAt`": without(session(), "expiresAt"),
    "`expiresAt` in milliseconds": session(expiresAt=int(NOON.timestamp() * 1000)),
    "`expiresAt` as a text": session(expiresAt="2026-11-21T13:00:00Z"),
    "`tenantId` as a number": session(tenantId=7),
    "`allowedTypes` as a text": session(allowedTypes="image/png"),
    "`maxBytes` as a text": session(maxBytes="1000"),
    "`scanRequired` as a text": session(scanRequired="true"),
    "`wsConnectionId` as a number": session(wsConnectionId=7),
    "a slash in `sessionId`": session(session_id="s1/a"),
}


async def of_session(row: Row) -> set[str]:
    """What becomes of an upload to the session that its key names."""
    try:
        found = read_session(typed(row)) if row["sessionId"] == "s1" else None
    except Reject:
        return {"dead letter"}
    step = uploads.judge(finished(), found, now=NOON)
    return {step.why} if isinstance(step, uploads.Ignore) else set()


EVENTS: dict[str, str] = {
    "no `detail.id`": event(id=None),
    "`detail.id` as a number with a fraction": event(id=1.5),
    "`detail.id` as a whole number": event(id=7),
    "`detail.tenantId` as a number": event(tenantId=7),
    "`detail.webhookChannels` as a text": event(webhookChannels="kitchen"),
    "a `detail-type` that nobody takes": event("order.lost"),
}


async def of_event(body: str) -> set[str]:
    in_channel = "webhookChannels" in body
    takes = ENDPOINT | {"eventTypes": ["order.placed"]} | ({"channels": ["kitchen"]} if in_channel else {})
    try:
        return await of_endpoint(takes, body)
    except Reject:
        return {"dead letter"}


@pytest.mark.parametrize(
    ("section", "made", "come"),
    [
        ("Reminders", REMINDERS, of_reminder),
        ("Endpoints", ENDPOINTS, of_endpoint),
        ("Sessions", SESSIONS, of_session),
        ("Events", EVENTS, of_event),
    ],
)
async def test_each_mistake_is_told_by_what_the_page_says(section: str, made: dict[str, Any], come: Any) -> None:
    page = dict(lines(section))
    assert page.keys() == made.keys()
    found = {}
    for mistake, wrong in made.items():
        found[mistake] = await come(wrong)
        table = {"Reminders": "reminders", "Endpoints": "webhooks", "Sessions": "sessions"}.get(section)
        if table and LOOKS[table](typed(wrong), at_of(wrong)):
            found[mistake].add("doctor")
    assert found == page
    silent = {mistake for mistake, told in found.items() if not told}
    assert silent <= {"`detail.id` as a whole number"}, "which is right"


def at_of(row: Row) -> Any:
    """Rows are looked through before anything is due, but for one that was written late."""
    return NOON if row.get("dueAt", "").startswith(OLD.strftime("%Y-%m-%dT%H:%M")) else NOON - timedelta(hours=1)


def test_what_is_right_has_no_fault() -> None:
    for table, rows in {"reminders": (reminder(), daily()), "webhooks": (ENDPOINT,), "sessions": (session(),)}.items():
        for row in rows:
            assert LOOKS[table](typed(row), NOON - timedelta(hours=1)) == "", table
