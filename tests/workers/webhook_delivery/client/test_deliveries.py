"""What was sent is sent again: from the table that the worker writes, by the worker that makes the attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.sqs.sender import Message
from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import NOON, Clock, FakeBus, FakePost, job
from tests.workers.webhook_delivery.table import InDynamoDb
from workers.webhook_delivery.client import (
    Deliveries,
    Endpoints,
    NoSuchDelivery,
    Recovered,
    Refused,
    Registration,
    Wanted,
    WrongField,
    recover,
)
from workers.webhook_delivery.egress.bulkhead import Bulkhead
from workers.webhook_delivery.event import DeliveryJob, Published, delivery_job
from workers.webhook_delivery.handler import deliver
from workers.webhook_delivery.ports import Ports
from workers.webhook_delivery.rules import Reply, Schedule
from workers.webhook_delivery.store.kept import KeptPayloads
from workers.webhook_delivery.store.table import DynamoDbStore

LARGE = '{"type":"upload.completed","data":"' + "ab " * 400 + '"}'
TWICE = Schedule((0, 5))


@dataclass
class Ground:
    """A tenant's endpoint in a real table; the worker runs when it is told, on jobs that were sent."""

    dynamodb: InDynamoDb
    clock: Clock = field(default_factory=Clock)
    sent: list[Message] = field(default_factory=list)
    bus: FakeBus = field(default_factory=FakeBus)

    def __post_init__(self) -> None:
        client, table = self.dynamodb.client, self.dynamodb.name
        self.post = FakePost(self.clock)
        self.store = DynamoDbStore(client, table=table, now=lambda: self.clock().timestamp())
        self.kept = KeptPayloads(client, table=table, now=self.clock, s3=None, bucket="", prefix="")
        self.endpoints = Endpoints(client, table=table, now=self.clock)
        self.deliveries = Deliveries(
            client, self.endpoints, self.kept, table=table, send=self.send, now=self.clock
        )  # fmt: skip

    async def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    async def deliver(self, given: DeliveryJob, *replies: Reply) -> None:
        if replies:
            self.post = FakePost(self.clock, replies)
        ports = Ports(
            self.store, self.post, Bulkhead(50), send=self.send, put_event=self.bus, now=self.clock, dice=lambda: 0.0
        )
        await deliver(given, ports=ports, schedule=TWICE, lease=35.0)

    async def run(self, *replies: Reply) -> list[DeliveryJob]:
        """Make the attempts of all jobs that wait, and answer what was posted for."""
        jobs, self.sent = [delivery_job(delivery(each.body)) for each in self.sent], []
        for each in jobs:
            self.clock.at = max(self.clock.at, each.not_before)
            await self.deliver(each, *replies)
        return jobs


@pytest.fixture
async def ground(dynamodb: InDynamoDb) -> Ground:
    made = Ground(dynamodb)
    await made.endpoints.add(Registration("tenant-1", "https://customer.example/hook", ("*",), "endpoint-1"))
    return made


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


async def failed(ground: Ground) -> Wanted:
    """One that failed before noon, two that failed since, one delivered, one still being tried, one cancelled before any attempt."""
    ground.clock.move(-3600)
    await ground.deliver(job(2, event_id="msg_before", not_before=NOON - timedelta(hours=2)), Reply(500))
    ground.clock.move(3600)
    for number in (1, 2):
        for attempt in (1, 2):
            await ground.deliver(job(attempt, event_id=f"msg_failed{number}"), Reply(500))
    await ground.deliver(job(event_id="msg_good"), Reply(200))
    await ground.deliver(job(event_id="msg_tried"), Reply(500))
    await ground.endpoints.disable("tenant-1", "endpoint-1", reason="for a while")
    await ground.deliver(job(event_id="msg_cancelled"))
    await ground.endpoints.enable("tenant-1", "endpoint-1")
    ground.sent = []
    ground.clock.move(60)
    return Wanted("tenant-1", "endpoint-1", NOON, ground.clock())


async def test_a_recovery_sends_each_that_failed_since_once_and_no_other(ground: Ground) -> None:
    wanted = await failed(ground)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def go(*, act: bool, given: Wanted = wanted) -> Recovered:
        return await recover(given, ground.deliveries, act=act, rate=4, now=ground.clock(), sleep=sleep)

    left = {"delivered": 1, "still being tried": 1}
    assert await go(act=False) == Recovered(3, left)  # type: ignore[arg-type]  # a Counter equals a dict
    assert (ground.sent, slept) == ([], []), "a dry run sends nothing"
    assert (await go(act=False, given=replace(wanted, event_types=("order.*",)))).left["of another type"] == 5
    assert (await go(act=True)).sent == 3
    first, ground.sent = ground.sent, []
    assert slept == [0.25] * 3
    assert (await go(act=True)).sent == 3, "cut short before a job was made: it is sent once more"
    assert [each.body.replace(" ", "") for each in ground.sent] == [each.body.replace(" ", "") for each in first]
    ground.sent += first
    await ground.run(Reply(200))
    done = await go(act=True)
    assert (done.sent, ground.sent) == (0, []), "given again, an order sends nothing twice"
    for webhook_id, attempts in (("msg_failed1", 3), ("msg_failed2", 3), ("msg_cancelled", 1), ("msg_before", 1)):
        shown = await ground.deliveries.show("tenant-1", webhook_id, "endpoint-1")
        assert (len(shown.attempts), shown.state) == (attempts, "EXHAUSTED" if "before" in webhook_id else "DELIVERED")


async def test_a_recovery_that_cannot_be_is_refused_by_the_field(ground: Ground) -> None:
    good = Wanted("tenant-1", "endpoint-1", NOON - timedelta(days=1), NOON)
    for name, wrong in (
        ("since", replace(good, since=NOON - timedelta(days=31))),
        ("since", replace(good, since=NOON.replace(tzinfo=None))),
        ("until", replace(good, until=NOON + timedelta(seconds=1))),
        ("until", replace(good, until=good.since)),
        ("eventTypes", replace(good, event_types=())),
    ):
        with pytest.raises(WrongField, match=f"^{name}: "):
            await recover(wrong, ground.deliveries, act=True, now=NOON)
    await ground.endpoints.disable("tenant-1", "endpoint-1", reason="asked for it")
    with pytest.raises(Refused, match="is disabled"):
        await recover(good, ground.deliveries, act=False, now=NOON)
