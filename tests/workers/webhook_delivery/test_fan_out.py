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
from workers.webhook_delivery.event import LARGEST_PAYLOAD, DeliveryJob, Published, delivery_job, published
from workers.webhook_delivery.fan_out import AT_ONCE, fan_out
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


def payload(filler: str, size: int) -> str:
    """JSON of so many bytes."""
    frame = '{"type":"t","data":"%s"}'
    room = size - len(frame % "")
    return frame % (filler * (room // len(filler.encode())) + "." * (room % len(filler.encode())))


@pytest.mark.parametrize("filler", ["x", "é", '\\"', "\\u0041"])
async def test_a_payload_s_limit_is_in_its_own_bytes_and_not_in_escapes(filler: str) -> None:
    store = FakeStore()
    store.add(endpoint("e" * 256))
    fits = payload(filler, LARGEST_PAYLOAD)
    [job] = jobs(await fanned_out(store, Published("msg_1", "upload.completed", "tenant-1", fits)))
    assert job.payload == fits
    assert len(job.body().encode()) < 1_000_000
    with pytest.raises(Reject, match="900000 bytes"):
        await fanned_out(
            store, Published("msg_1", "upload.completed", "tenant-1", payload(filler, LARGEST_PAYLOAD + 1))
        )


@pytest.mark.parametrize(
    "inside", ['1e400,18446744073709551616, 1.10, "a" : [ ] ', '"\\ud83d":{"payload":{}},"payload":"}"']
)
async def test_a_large_payload_full_of_quotes_is_carried_byte_for_byte(inside: str) -> None:
    store = FakeStore()
    store.add(endpoint())
    data = inside if inside.startswith('"') else '"n":[' + inside.replace(', "a" :', '],"a" :')
    large = '{"type":"t","data":{' + data + ',"pad":"' + '\\"' * 400_000 + '"}}'
    send = await fanned_out(store, Published("msg_1", "upload.completed", "tenant-1", large))
    assert send.sent[0].body.startswith('{"payload":{"type"')
    assert jobs(send)[0].payload == large
    assert jobs(send)[0].endpoint_id == "endpoint-1"


async def test_what_sqs_does_not_take_as_it_is_counts_with_its_escapes() -> None:
    store = FakeStore()
    store.add(endpoint())
    with pytest.raises(Reject):
        await fanned_out(
            store, Published("msg_1", "upload.completed", "tenant-1", '{"a":"' + "\ufffe" * 200_000 + '"}')
        )


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
