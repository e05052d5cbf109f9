import asyncio
import json
import tracemalloc
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.outcome import Reject
from shared.sqs.sender import Message, Send
from tests.fakes import FakeSender, delivery
from tests.virtual_time import virtual
from tests.workers.webhook_delivery.fakes import NOON, Clock, FakeStore, endpoint
from workers.webhook_delivery.event import (
    LARGEST_PAYLOAD,
    DeliveryJob,
    Published,
    delivery_job,
    job_or_event,
    published,
)
from workers.webhook_delivery.fan_out import LARGEST_CALL, SECONDS, SENDERS, fan_out
from workers.webhook_delivery.rules import STANDARD_WEBHOOKS, Schedule

EVENT = published(delivery((Path(__file__).parents[2] / "events/bus-upload-completed.json").read_text()))


def event(tenant_id: str, payload: str) -> Published:
    return Published(eventId="msg_1", eventType="upload.completed", tenantId=tenant_id, payload=payload)


async def spread(
    store: FakeStore,
    send: Send,
    given: Published = EVENT,
    *,
    schedule: Schedule = STANDARD_WEBHOOKS,
    at: datetime = NOON,
) -> None:
    ports: Any = {"subscriptions": store.subscriptions, "keep": store.keep, "send": send, "now": Clock(at)}
    await fan_out(given, schedule=schedule, **ports)


async def fanned_out(store: FakeStore, given: Published = EVENT, schedule: Schedule = STANDARD_WEBHOOKS) -> FakeSender:
    send = FakeSender()
    await spread(store, send, given, schedule=schedule)
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
    assert store.kept == [EVENT.payload], "once for the event"


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
    send = await fanned_out(store, event(tenant, "{}"))
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
    assert reasons(logged) == ["endpoint_unreadable", "endpoint_disabled"]
    assert [line["endpoint_id"] for line in logged if line["event"] == "event_dropped"] == ["odd", "off"]


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
    [job] = jobs(await fanned_out(store, event("tenant-1", fits)))
    assert job.payload == fits
    assert len(job.body().encode()) < 1_000_000
    with pytest.raises(Reject, match="900000 bytes"):
        await fanned_out(store, event("tenant-1", payload(filler, LARGEST_PAYLOAD + 1)))


@pytest.mark.parametrize(
    "inside", ['1e400,18446744073709551616, 1.10, "a" : [ ] ', '"\\ud83d":{"payload":{}},"payload":"}"']
)
async def test_a_large_payload_full_of_quotes_is_carried_byte_for_byte(inside: str) -> None:
    store = FakeStore()
    store.add(endpoint())
    data = inside if inside.startswith('"') else '"n":[' + inside.replace(', "a" :', '],"a" :')
    large = '{"type":"t","data":{' + data + ',"pad":"' + '\\"' * 400_000 + '"}}'
    send = await fanned_out(store, event("tenant-1", large))
    assert send.sent[0].body.startswith('{"payload":{"type"')
    assert jobs(send)[0].payload == large
    assert jobs(send)[0].endpoint_id == "endpoint-1"


async def test_what_sqs_does_not_take_as_it_is_counts_with_its_escapes() -> None:
    store = FakeStore()
    store.add(endpoint())
    with pytest.raises(Reject):
        await fanned_out(store, event("tenant-1", '{"a":"' + "\ufffe" * 200_000 + '"}'))


async def test_a_large_event_for_many_endpoints_is_written_out_a_few_at_a_time() -> None:
    store = FakeStore()
    for number in range(200):
        store.add(endpoint(f"{number}"))
    sent: list[int] = []

    async def send(messages: Sequence[Message]) -> None:
        sent.append(len(messages))

    large = event("tenant-1", "x" * 100_000)
    tracemalloc.start()
    await spread(store, send, large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (sum(sent), max(sent)) == (200, LARGEST_CALL // 100_000 - 1)
    assert peak < 20_000_000


async def test_a_failed_send_is_raised_so_that_the_event_stays_in_its_queue() -> None:
    def fail() -> None:
        raise ConnectionError

    store, send = FakeStore(), FakeSender()
    store.add(endpoint())
    send.fail = fail
    with pytest.raises(ConnectionError):
        await spread(store, send, EVENT)


class Slow:
    """A queue whose calls take a while: it counts the jobs and calls that are under way, and keeps what came."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.sent: list[Message] = []
        self.calls = self.most_calls = self.most_bytes = self.bytes = 0

    async def __call__(self, messages: Sequence[Message]) -> None:
        size = sum(len(each.body) for each in messages)
        self.calls, self.bytes = self.calls + 1, self.bytes + size
        self.most_calls, self.most_bytes = max(self.most_calls, self.calls), max(self.most_bytes, self.bytes)
        await asyncio.sleep(self.seconds)
        self.calls, self.bytes = self.calls - 1, self.bytes - size
        self.sent += [Message(each.body if len(each.body) < 5_000 else "", each.delay, each.group) for each in messages]


def goes_on(send: Slow) -> Published | None:
    """The event that the last message carries on, if it is one."""
    if not send.sent[-1].body:
        return None
    last = job_or_event(delivery(send.sent[-1].body))
    return last if isinstance(last, Published) else None


@pytest.mark.slow
@pytest.mark.parametrize(("count", "seconds"), [(5_000, 0.02), (2_000, 1.0), (500, 0.02)])
def test_a_fan_out_to_many_takes_a_part_of_its_time_and_goes_on_where_it_was(count: int, seconds: float) -> None:
    store = FakeStore(page=100)
    for number in range(count):
        store.add(endpoint(f"{number:05}"))

    async def story() -> None:
        send, messages = Slow(seconds), 0
        given: Published | None = EVENT
        while given is not None:
            began, messages = asyncio.get_running_loop().time(), messages + 1
            await spread(store, send, given)
            assert asyncio.get_running_loop().time() - began < SECONDS + 5
            following = goes_on(send)
            if following is not None:
                assert following.after != given.after
                send.sent.pop()
            given = following
        found = [delivery_job(delivery(each.body)) for each in send.sent]
        assert sorted(each.endpoint_id for each in found) == [f"{number:05}" for number in range(count)]
        assert {each.not_before for each in found} == {NOON}
        assert send.most_calls == SENDERS
        assert messages == (1 if seconds < 1 else pytest.approx(count / 100 * 3 / SECONDS, abs=2))

    virtual(story())


@pytest.mark.slow
def test_a_large_event_is_sent_side_by_side_with_few_copies_in_memory() -> None:
    store = FakeStore()
    for number in range(250):
        store.add(endpoint(f"{number}"))

    async def story() -> None:
        send = Slow(0.02)
        given = event("tenant-1", payload("x", LARGEST_PAYLOAD))
        await spread(store, send, given)
        assert len(send.sent) == 250
        assert (send.most_calls, send.most_bytes // 1_000_000) == (SENDERS, SENDERS * LARGEST_PAYLOAD // 1_000_000)

    virtual(story())


def test_an_event_that_goes_on_is_carried_whole() -> None:
    last = EVENT.model_copy(update={"after": "ENDPOINT#a", "due": NOON, "taken": 7})
    assert job_or_event(delivery(last.body())) == last
    large = last.model_copy(update={"payload": payload('\\"', LARGEST_PAYLOAD)})
    assert job_or_event(delivery(large.body())) == large


async def test_an_event_whose_takers_came_before_is_not_counted_as_dropped() -> None:
    with capture_logs() as logged:
        await fanned_out(FakeStore(), EVENT.model_copy(update={"after": "ENDPOINT#z", "due": NOON, "taken": 1}))
    assert reasons(logged) == []


async def test_what_goes_on_later_keeps_the_time_of_the_first_attempts() -> None:
    store, clock = FakeStore(page=1), Clock()
    for name in ("a", "b"):
        store.add(endpoint(name))

    async def send(messages: Sequence[Message]) -> None:
        clock.move(60)
        sent.extend(messages)

    sent: list[Message] = []
    await fan_out(
        EVENT, subscriptions=store.subscriptions, keep=store.keep, send=send, schedule=STANDARD_WEBHOOKS, now=clock
    )
    assert {delivery_job(delivery(each.body)).not_before for each in sent} == {NOON}
    given = EVENT.model_copy(update={"after": "ENDPOINT#a", "due": NOON, "taken": 1})
    await fan_out(
        given, subscriptions=store.subscriptions, keep=store.keep, send=send, schedule=STANDARD_WEBHOOKS, now=clock
    )
    assert (len(sent), delivery_job(delivery(sent[-1].body)).not_before) == (3, NOON)
