"""However many tenants, projects, endpoints and events there are, the sets of dimensions stay few, and none names one of them."""

import json
import uuid

from structlog.testing import capture_logs

from shared.outcome import Dead, Done
from shared.telemetry import metrics
from shared.telemetry.message_log import Record
from tests.fakes import FakeSender, delivery
from tests.workers.webhook_delivery.fakes import FakeStore, endpoint
from tests.workers.webhook_delivery.test_fan_out import spread
from workers.reminder_dispatch.channels.channel import Misconfigured
from workers.reminder_dispatch.channels.gate import Gates
from workers.webhook_delivery.event import published

MARK = "r4nd0m"
MANY = 100


def odd() -> str:
    return f"{MARK}-{uuid.uuid4().hex}"


def event() -> str:
    detail = {"id": odd(), "tenantId": odd(), "correlationId": odd(), "url": f"https://{odd()}.example/"}
    about = {"id": odd(), "source": odd(), "detail-type": f"order.{odd()}", "time": "2026-11-21T09:00:00Z"}
    return json.dumps({**about, "detail": detail})


async def test_random_tenants_projects_endpoints_and_events_make_no_dimension_of_their_own() -> None:
    before = {*metrics.text().splitlines()}
    gates = Gates(now=lambda: 0.0, dice=lambda: 0.5)
    store = FakeStore()
    with capture_logs():
        for _ in range(MANY):
            gates.heard(f"reminders/push/{odd()}", [Misconfigured(odd())])
            given = published(delivery(event()))
            store.add(endpoint(odd(), tenant_id=given.tenant_id, enabled=False), "*")
            await spread(store, FakeSender(), given)
            for outcome in (Done(), Dead("KeyError", odd(), odd(), ())):
                with Record("cardinal", delivery(odd(), queue="cardinal", message_id=odd())) as record:
                    record.outcome = outcome
    told = {*metrics.text().splitlines()} - before
    assert 4 <= len(told) <= 20
    assert not [line for line in told if MARK in line]
    assert any('fleet_dependency="reminders/push"' in line for line in told)
