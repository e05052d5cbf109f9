"""What was sent is sent again: from the table that the worker writes, by the worker that makes the attempts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.workers.webhook_delivery.client.ground import Ground
from tests.workers.webhook_delivery.fakes import NOON, job
from workers.webhook_delivery.client import (
    NoSuchDelivery,
    Refused,
    Registration,
    Wanted,
    WrongField,
    recover,
)
from workers.webhook_delivery.event import Published
from workers.webhook_delivery.rules import Reply

LARGE = '{"type":"upload.completed","data":"' + "ab " * 400 + '"}'


async def test_a_resend_carries_the_same_bytes_under_the_same_id_and_takes_the_next_number(ground: Ground) -> None:
    await ground.deliver(job(), Reply(200))
    first = ground.post.posted[0]
    ground.clock.move(3600)
    assert await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1") == 2
    await ground.run(Reply(200))
    [again] = ground.post.posted
    assert (again.body, again.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    assert again.headers["webhook-timestamp"] != first.headers["webhook-timestamp"]
    shown = await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")
    assert [(each.number, each.status, each.resent) for each in shown.attempts] == [
        (1, "DELIVERED", ""),
        (2, "DELIVERED", "hand"),
    ]


async def test_a_resend_asks_none_of_the_filters_that_the_endpoint_has_now(ground: Ground) -> None:
    await ground.deliver(job(), Reply(500))
    ground.sent.clear()
    await ground.endpoints.change(
        "tenant-1",
        "endpoint-1",
        event_types=("other.thing",),
        channels=("blue",),
        pattern='{"detail": {"status": ["never"]}}',
        payload_limit=1,
    )
    await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1")
    await ground.run(Reply(200))
    assert len(ground.post.posted) == 1
    assert (await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")).state == "DELIVERED"


async def test_two_resends_are_two_attempts(ground: Ground) -> None:
    await ground.deliver(job(), Reply(200))
    numbers = [await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1") for _ in range(2)]
    await ground.run(Reply(200))
    assert (numbers, len(ground.post.posted)) == ([2, 3], 1)
    found = [each.number async for each in ground.deliveries.list("tenant-1", "endpoint-1", since=NOON)]
    assert sorted(found) == [1, 2, 3]


async def test_a_resend_whose_endpoint_was_disabled_meanwhile_is_told_and_its_delivery_stays_delivered(
    ground: Ground,
) -> None:
    await ground.deliver(job(), Reply(200))
    await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1")
    await ground.endpoints.disable("tenant-1", "endpoint-1", reason="asked for it")
    with capture_logs() as logged:
        await ground.run()
    assert [each["reason"] for each in logged if each["event"] == "event_dropped"] == ["endpoint_disabled"]
    assert [each["attempt"] for each in logged if each["event"] == "webhook_cancelled"] == [2]
    assert (await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")).state == "DELIVERED"


async def test_a_resend_inside_a_schedule_replaces_the_attempt_that_was_to_come(ground: Ground) -> None:
    await ground.deliver(job(), Reply(500))
    [pending], ground.sent = ground.sent, []
    assert await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1") == 2
    await ground.run(Reply(200))
    ground.clock.move(10)
    ground.sent = [pending]
    await ground.run(Reply(200))
    assert ground.post.posted == [], "the attempt that the schedule had sent was made"
    shown = await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")
    assert (shown.state, [each.http_status for each in shown.attempts]) == ("DELIVERED", [500, 200])


async def test_a_resend_that_died_before_its_job_was_sent_costs_no_attempt_and_no_second_success(
    ground: Ground,
) -> None:
    await ground.deliver(job(), Reply(500))
    [pending], ground.sent = ground.sent, []
    assert await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1") == 2
    ground.sent = []  # it died
    assert await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1") == 3
    await ground.run(Reply(200))
    ground.clock.move(10)
    ground.sent = [pending]
    await ground.run(Reply(200))
    assert ground.post.posted == [], "it was posted after its success"
    assert (await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")).state == "DELIVERED"


@pytest.mark.parametrize("dead", [1, 2])
async def test_a_schedule_goes_on_where_resends_died_before_their_jobs_were_sent(ground: Ground, dead: int) -> None:
    await ground.endpoints.change("tenant-1", "endpoint-1", at_most_once=True)
    await ground.deliver(job(), Reply(0, error="connection_refused"))
    [pending], ground.sent = ground.sent, []
    for _ in range(dead):
        await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1")
    ground.sent = [pending]
    await ground.run(Reply(200))
    assert len(ground.post.posted) == 1
    shown = await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")
    assert (shown.state, shown.attempts[1].status) == ("DELIVERED", "DELIVERED")


async def test_a_delivery_is_listed_with_all_its_attempts_by_its_first_and_by_what_ended_it_badly(
    ground: Ground,
) -> None:
    for event_id, replies in {"msg_a": (500, 200), "msg_b": (500, 500)}.items():
        ground.clock.at = NOON
        for attempt, status in enumerate(replies, 1):
            await ground.deliver(job(attempt, event_id=event_id), Reply(status))
            ground.clock.move(3600)

    async def since(minutes: int) -> list[tuple[str, int, int]]:
        at = NOON + timedelta(minutes=minutes)
        found = [each async for each in ground.deliveries.list("tenant-1", "endpoint-1", since=at)]
        return [(each.webhook_id, each.number, each.http_status) for each in found]

    whole = [("msg_a", 1, 500), ("msg_a", 2, 200), ("msg_b", 1, 500), ("msg_b", 2, 500)]
    assert sorted(await since(0)) == whole
    assert await since(30) == [("msg_b", 2, 500)]
    wanted = Wanted("tenant-1", "endpoint-1", NOON + timedelta(minutes=30), ground.clock())
    assert (await recover(wanted, ground.deliveries, act=False, now=ground.clock())).sent == 1


async def test_the_end_of_a_delivery_is_told_once_also_when_it_is_sent_again(ground: Ground) -> None:
    for attempt in (1, 2):
        await ground.deliver(job(attempt), Reply(500))
    assert [kind for kind, _ in ground.bus.events] == ["webhook.exhausted"]
    ground.sent = []
    ground.clock.move(7200)
    assert await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1") == 3
    await ground.run(Reply(500))
    assert (len(ground.bus.events), ground.sent) == (1, [])
    assert (await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")).state == "EXHAUSTED"


async def test_a_large_payload_is_kept_once_for_its_event_and_a_small_one_with_its_attempt(ground: Ground) -> None:
    large = Published(eventId="msg_2", eventType="upload.completed", tenantId="tenant-1", payload=LARGE)
    await ground.kept.keep(large)
    await ground.kept.keep(large.model_copy(update={"payload": "other " * 200}))
    assert await ground.kept.read("tenant-1", "msg_2") == LARGE, (
        "what comes second under one id does not take its place"
    )
    await ground.deliver(job(event_id="msg_2", payload=LARGE), Reply(500))
    await ground.kept.keep(large.model_copy(update={"event_id": "msg_3", "payload": "{}"}))
    assert await ground.kept.read("tenant-1", "msg_3") is None
    ground.sent = []
    await ground.deliveries.resend("tenant-1", "msg_2", "endpoint-1")
    await ground.run(Reply(200))
    assert ground.post.posted[0].body == LARGE.encode()


async def test_what_is_expunged_cannot_be_sent_again_and_does_not_come_back(ground: Ground) -> None:
    large = Published(eventId="msg_2", eventType="upload.completed", tenantId="tenant-1", payload=LARGE)
    await ground.kept.keep(large)
    await ground.deliver(job(event_id="msg_2", payload=LARGE), Reply(200))
    await ground.deliver(job(), Reply(200))
    assert [await ground.deliveries.expunge("tenant-1", each) for each in ("msg_1", "msg_2", "msg_2")] == [1, 1, 0]
    await ground.kept.keep(large)
    for webhook_id in ("msg_1", "msg_2"):
        shown = await ground.deliveries.show("tenant-1", webhook_id, "endpoint-1")
        assert (shown.state, shown.payload, len(shown.attempts)) == ("DELIVERED", None, 1)
        with pytest.raises(Refused, match="expunged"):
            await ground.deliveries.resend("tenant-1", webhook_id, "endpoint-1")
    assert ground.sent == []


@pytest.mark.parametrize("end", ["DELIVERED", "CANCELLED"])
async def test_what_is_expunged_does_not_come_back_with_a_job_whose_process_died(ground: Ground, end: str) -> None:
    """The attempt was begun, and its job comes back with its own copy: attempted again, or cancelled."""
    await ground.store.claim(job(), now=NOON, lease=35.0)
    assert await ground.deliveries.expunge("tenant-1", "msg_1") == 1
    if end == "CANCELLED":
        await ground.endpoints.disable("tenant-1", "endpoint-1", reason="asked for it")
    ground.clock.move(36)
    await ground.deliver(job(), Reply(200))
    shown = await ground.deliveries.show("tenant-1", "msg_1", "endpoint-1")
    assert (shown.state, shown.payload, len(ground.post.posted)) == (end, None, end == "DELIVERED")
    assert await ground.deliveries.expunge("tenant-1", "msg_1") == 0


async def test_two_tenants_with_one_webhook_id_and_one_endpoint_s_id_are_two(ground: Ground) -> None:
    await ground.endpoints.add(Registration("tenant#1", "https://other.example/hook", ("*",), "endpoint-1"))
    mine, other = (Published(eventId="msg_2", eventType="a", tenantId=each, payload=LARGE + each) for each in ("tenant-1", "tenant#1"))  # fmt: skip
    for each in (mine, other):
        await ground.kept.keep(each)
        await ground.deliver(job(event_id="msg_2", tenant_id=each.tenant_id, payload=each.payload), Reply(500))
    ground.sent = []
    assert await ground.deliveries.resend("tenant#1", "msg_2", "endpoint-1") == 2
    await ground.run(Reply(200))
    [posted] = ground.post.posted
    assert (posted.url, posted.body) == ("https://other.example/hook", other.payload.encode())
    assert await ground.deliveries.expunge("tenant#1", "msg_2") == 1
    states = [(await ground.deliveries.show(each, "msg_2", "endpoint-1")) for each in ("tenant-1", "tenant#1")]
    assert [(each.state, each.payload) for each in states] == [("PENDING", mine.payload), ("DELIVERED", None)]
    for tenant, count in (("tenant-1", 1), ("tenant#1", 2), ("tenant", 0)):
        found = [each async for each in ground.deliveries.list(tenant, "endpoint-1", since=NOON)]
        assert len(found) == count
    wanted = Wanted("tenant-1", "endpoint-1", NOON - timedelta(hours=1), NOON + timedelta(seconds=0))
    assert wanted.order != replace(wanted, tenant_id="tenant#1").order


async def test_a_resend_that_cannot_be_is_refused(ground: Ground) -> None:
    await ground.deliver(job(), Reply(200))
    with pytest.raises(NoSuchDelivery):
        await ground.deliveries.resend("tenant-1", "msg_9", "endpoint-1")
    with pytest.raises(WrongField, match=r"^webhookId: "):
        await ground.deliveries.show("tenant-1", "a#b", "endpoint-1")
    await ground.endpoints.disable("tenant-1", "endpoint-1", reason="asked for it")
    with pytest.raises(Refused, match="is disabled"):
        await ground.deliveries.resend("tenant-1", "msg_1", "endpoint-1")
    with pytest.raises(WrongField, match=r"^until: "):
        [each async for each in ground.deliveries.list("tenant-1", "endpoint-1", since=NOON, until=NOON - timedelta(1))]
