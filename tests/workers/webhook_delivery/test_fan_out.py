import json
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.outcome import Reject
from shared.sqs.sender import Message
from tests.fakes import FakeSender, delivery
from tests.workers.webhook_delivery.fakes import NOON, Clock, FakeStore, endpoint
from workers.webhook_delivery.event import DeliveryJob, Published, delivery_job, published
from workers.webhook_delivery.fan_out import AT_ONCE, LARGEST_JOB, fan_out
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Schedule

EVENT = published(delivery((Path(__file__).parents[2] / "events/bus-upload-completed.json").read_text()))


async def fanned_out(store: FakeStore, event: Published = EVENT, schedule: Schedule = STANDARD_WEBHOOKS) -> FakeSender:
    send = FakeSender()
    await fan_out(event, subscriptions=store.subscriptions, send=send, schedule=schedule, now=Clock())
    return send


def reasons(logged: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["reason"] for line in logged if line["event"] == "event_dropped"]


def jobs(send: FakeSender) -> list[DeliveryJob]:
    return [delivery_job(delivery(message.body)) for message in send.sent]


async def test_each_endpoint_that_wants_the_event_gets_one_job() -> None:
    store = FakeStore()
    store.add(endpoint("all"), "*")
    store.add(endpoint("exact"), "reminder.due", "upload.completed")
    store.add(endpoint("prefix"), "upload.*")
    store.add(endpoint("other"), "reminder.*")
    store.add(endpoint("off", enabled=False), "*")
    store.add(endpoint("stranger", tenant_id="tenant-2"), "*")
    assert [each.endpoint_id for each in jobs(await fanned_out(store))] == ["all", "exact", "prefix"]


async def test_a_job_carries_all_that_its_attempts_need() -> None:
    store = FakeStore()
    store.add(endpoint())
    send = await fanned_out(store)
    assert json.loads(send.sent[0].body) == {
        "eventId": EVENT.event_id,
        "eventType": "upload.completed",
        "tenantId": "tenant-1",
        "endpointId": "endpoint-1",
        "attempt": 1,
        "payload": EVENT.payload,
        "fingerprint": EVENT.fingerprint,
        "firstAttemptAt": "2026-11-21T12:00:00Z",
        "notBefore": "2026-11-21T12:00:00Z",
    }
    assert (send.sent[0].delay, send.sent[0].group) == (0, "tenant-1")


async def test_the_first_attempt_waits_as_long_as_the_schedule_says() -> None:
    store = FakeStore()
    store.add(endpoint())
    send = await fanned_out(store, schedule=Schedule((1000, 5)))
    assert send.sent[0].delay == 900
    assert (jobs(send)[0].not_before - NOON).total_seconds() == 1000


@pytest.mark.parametrize("tenant", ["tenant one", "tenänt", "t" * 129])
async def test_a_tenant_whose_name_sqs_would_refuse_as_a_group_gets_a_group_all_the_same(tenant: str) -> None:
    store = FakeStore()
    store.add(endpoint(tenant_id=tenant))
    send = await fanned_out(store, Published("msg_1", "upload.completed", tenant, "{}"))
    group = send.sent[0].group
    assert group is not None
    assert group.isalnum()
    assert len(group) == 64
    assert jobs(send)[0].tenant_id == tenant


async def test_an_event_that_nobody_wants_sends_nothing_and_is_counted() -> None:
    with capture_logs() as logged:
        assert (await fanned_out(FakeStore())).sent == []
    assert reasons(logged) == ["nobody_takes_it"]


async def test_an_endpoint_that_wants_the_event_and_gets_none_is_counted_with_its_reason() -> None:
    store = FakeStore()
    store.add(endpoint("good"), "*")
    store.add(endpoint("off", enabled=False), "upload.*")
    store.add(endpoint("odd", fault="enabled"), "*")
    store.add(endpoint("other", enabled=False), "reminder.*")
    with capture_logs() as logged:
        send = await fanned_out(store)
    assert [each.endpoint_id for each in jobs(send)] == ["good"]
    assert reasons(logged) == ["endpoint_disabled", "endpoint_unreadable"]
    assert [line["endpoint_id"] for line in logged if line["event"] == "event_dropped"] == ["off", "odd"]


async def test_an_event_too_large_for_a_message_is_rejected_before_anything_is_sent() -> None:
    store = FakeStore()
    store.add(endpoint())
    with pytest.raises(Reject):
        await fanned_out(store, Published("msg_1", "upload.completed", "tenant-1", "é" * (LARGEST_JOB // 2)))


async def test_one_job_too_large_is_rejected_before_any_other_is_sent() -> None:
    store, send = FakeStore(), FakeSender()
    for number in range(30):
        store.add(endpoint(f"{number}"))
    store.add(endpoint("long" * 60))
    event = Published("msg_1", "upload.completed", "tenant-1", "x" * (LARGEST_JOB - 350))
    with pytest.raises(Reject):
        await fan_out(event, subscriptions=store.subscriptions, send=send, schedule=STANDARD_WEBHOOKS, now=Clock())
    assert send.sent == []


async def test_a_large_event_for_many_endpoints_is_written_out_a_few_at_a_time() -> None:
    store = FakeStore()
    for number in range(200):
        store.add(endpoint(f"{number}"))
    sent: list[int] = []

    async def send(messages: Sequence[Message]) -> None:
        sent.append(len(messages))

    event = Published("msg_1", "upload.completed", "tenant-1", "x" * 100_000)
    tracemalloc.start()
    await fan_out(event, subscriptions=store.subscriptions, send=send, schedule=STANDARD_WEBHOOKS, now=Clock())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == [AT_ONCE] * (200 // AT_ONCE)
    assert peak < 5_000_000


async def test_a_failed_send_is_raised_so_that_the_event_stays_in_its_queue() -> None:
    def fail() -> None:
        raise ConnectionError

    store, send = FakeStore(), FakeSender()
    store.add(endpoint())
    send.fail = fail
    with pytest.raises(ConnectionError):
        await fan_out(EVENT, subscriptions=store.subscriptions, send=send, schedule=STANDARD_WEBHOOKS, now=Clock())
