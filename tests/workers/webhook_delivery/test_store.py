"""What the handler relies on, asked of the fake store and of the real table alike."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast

import pytest

from tests.workers.webhook_delivery.fakes import NOON, OLD_SECRET, SECRET, Delivery, FakeStore, endpoint, job
from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.ports import Store
from workers.webhook_delivery.rules import (
    Again,
    Claimed,
    Delivered,
    Endpoint,
    Exhausted,
    Failed,
    Gone,
    Held,
    Page,
    Reply,
    Result,
    Reused,
    Subscription,
    Succeeded,
    Verdict,
)
from workers.webhook_delivery.store.table import DynamoDbStore

LEASE = 35.0
LATER = NOON + timedelta(seconds=1)
DUE = NOON + timedelta(seconds=5, microseconds=250)


class Table(Protocol):
    """A store, and what a test may do behind its back."""

    @property
    def store(self) -> Any: ...
    async def add(self, new: Endpoint, *event_types: str) -> None: ...
    async def delivery(self, job: DeliveryJob) -> Delivery | None: ...


@dataclass
class InMemory:
    store: FakeStore

    async def add(self, new: Endpoint, *event_types: str) -> None:
        self.store.add(new, *event_types)

    async def delivery(self, job: DeliveryJob) -> Delivery | None:
        return self.store.delivery(job)


@pytest.fixture(params=["fake", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Table:
    made: Table = InMemory(FakeStore()) if request.param == "fake" else request.getfixturevalue("dynamodb")
    return made


async def claimed(store: Store, attempt: int = 1, *, seconds: float = 0) -> Claimed:
    found = await store.claim(job(attempt), now=NOON + timedelta(seconds=seconds), lease=LEASE)
    assert isinstance(found, Claimed)
    return found


async def record(store: Store, claim: Claimed, verdict: Verdict, reply: Reply, attempt: int = 1) -> bool:
    return await store.record(job(attempt), claim, Result(reply, verdict, NOON, LATER), endpoint=endpoint())


async def test_a_tenant_s_endpoints_are_listed_and_nobody_else_s(table: Table) -> None:
    await table.add(endpoint("a"), "upload.*", "reminder.due")
    await table.add(endpoint("b", enabled=False))
    await table.add(endpoint("c", tenant_id="tenant-10"))
    found = (await table.store.subscriptions("tenant-1")).subscriptions
    assert sorted(found, key=lambda each: each.endpoint_id) == [
        Subscription("a", ("upload.*", "reminder.due"), enabled=True),
        Subscription("b", ("*",), enabled=False),
    ]
    assert await table.store.subscriptions("tenant-2") == Page(())


async def test_an_endpoint_is_read_with_all_its_secrets_the_current_one_first(table: Table) -> None:
    await table.add(endpoint(secrets=(SECRET, OLD_SECRET)))
    assert await table.store.endpoint("tenant-1", "endpoint-1") == endpoint(secrets=(SECRET, OLD_SECRET))
    assert await table.store.endpoint("tenant-1", "endpoint-2") is None


async def test_an_attempt_can_be_claimed_once(table: Table) -> None:
    assert await table.store.attempt(job()) is None
    claim = await claimed(table.store)
    assert claim.until == NOON.timestamp() + LEASE
    assert await table.store.claim(job(), now=LATER, lease=LEASE) == Held(until=claim.until)
    assert await table.store.attempt(job()) == Held(until=claim.until)
    assert isinstance(await table.store.claim(job(2), now=LATER, lease=LEASE), Claimed)
    assert isinstance(await table.store.claim(job(endpoint_id="endpoint-2"), now=LATER, lease=LEASE), Claimed)


async def test_a_claim_can_be_taken_over_when_its_lease_has_ended_and_not_before(table: Table) -> None:
    await claimed(table.store)
    just_before = NOON + timedelta(seconds=LEASE - 0.001)
    assert isinstance(await table.store.claim(job(), now=just_before, lease=LEASE), Held)
    assert (await claimed(table.store, seconds=LEASE)).until == NOON.timestamp() + 2 * LEASE


async def test_only_the_latest_claim_can_record_a_result(table: Table) -> None:
    old = await claimed(table.store)
    new = await claimed(table.store, seconds=LEASE)
    assert not await record(table.store, old, Delivered(), Reply(200))
    assert await table.store.attempt(job()) == Held(until=new.until)
    assert await table.delivery(job()) is None
    assert await record(table.store, new, Delivered(), Reply(200))
    assert not await record(table.store, new, Exhausted(), Reply(500))
    assert await table.store.attempt(job()) == Succeeded()


@pytest.mark.parametrize(
    ("verdict", "reply", "attempt", "delivery"),
    [
        (Delivered(), Reply(204), Succeeded(), Delivery("DELIVERED", 2, 204)),
        (Again(at=DUE), Reply(500), Failed(500, None, DUE, settled=False), Delivery("PENDING", 2, 500)),
        (Exhausted(), Reply(0, "timeout"), Failed(0, "timeout", None, settled=False), Delivery("EXHAUSTED", 2, 0)),
        (Gone(), Reply(410), Failed(410, None, None, settled=True), Delivery("CANCELLED", 2, 410)),
    ],
)
async def test_a_result_is_kept_on_the_attempt_and_on_the_delivery(
    table: Table, verdict: Verdict, reply: Reply, attempt: object, delivery: Delivery
) -> None:
    await table.add(endpoint())
    assert await record(table.store, await claimed(table.store, 2), verdict, reply, 2)
    assert await table.store.attempt(job(2)) == attempt
    assert await table.store.claim(job(2), now=NOON + timedelta(days=1), lease=LEASE) == attempt
    assert await table.delivery(job(2)) == delivery
    kept = await table.store.endpoint("tenant-1", "endpoint-1")
    assert kept.enabled is not isinstance(verdict, Gone)


@pytest.mark.parametrize("changed", [endpoint(url="https://new.example/"), endpoint(enabled=False)])
async def test_410_ends_the_delivery_also_where_the_endpoint_has_changed(table: Table, changed: Endpoint) -> None:
    await table.add(changed)
    assert await record(table.store, await claimed(table.store), Gone(), Reply(410))
    assert await table.store.endpoint("tenant-1", "endpoint-1") == changed
    assert await table.delivery(job()) == Delivery("CANCELLED", 1, 410)


async def test_410_of_an_endpoint_deleted_meanwhile_does_not_create_it_again(table: Table) -> None:
    assert await record(table.store, await claimed(table.store), Gone(), Reply(410))
    assert await table.store.endpoint("tenant-1", "endpoint-1") is None


async def test_410_by_a_worker_whose_claim_has_passed_on_changes_nothing(table: Table) -> None:
    await table.add(endpoint())
    old = await claimed(table.store)
    await claimed(table.store, seconds=LEASE)
    assert not await record(table.store, old, Gone(), Reply(410))
    assert await table.store.endpoint("tenant-1", "endpoint-1") == endpoint()


async def test_a_result_whose_answer_was_lost_is_written_again_until_it_is_settled(table: Table) -> None:
    claim = await claimed(table.store)
    assert await record(table.store, claim, Exhausted(), Reply(500))
    assert await record(table.store, claim, Exhausted(), Reply(500))
    await table.store.settle(job())
    assert not await record(table.store, claim, Exhausted(), Reply(500))


async def test_an_attempt_knows_the_message_that_made_it(table: Table) -> None:
    await claimed(table.store)
    made = job(nonce="second")
    claim = await table.store.claim(made, now=NOON + timedelta(seconds=LEASE), lease=LEASE)
    assert isinstance(claim, Claimed)
    result = Result(Reply(500), Again(at=DUE), NOON, LATER)
    assert await table.store.record(made, claim, result, endpoint=endpoint())
    assert await table.store.attempt(job()) == Failed(500, None, DUE, settled=False, made_by="second")


async def test_a_failed_attempt_can_be_settled_and_others_cannot(table: Table) -> None:
    await table.store.settle(job())
    assert await table.store.attempt(job()) is None
    claim = await claimed(table.store)
    await table.store.settle(job())
    assert await record(table.store, claim, Again(at=DUE), Reply(500))
    await table.store.settle(job())
    assert await table.store.attempt(job()) == Failed(500, None, DUE, settled=True)


async def test_a_delivery_is_cancelled_while_it_is_pending_and_not_after(table: Table) -> None:
    assert await table.store.cancel(job(), now=NOON)
    assert await table.delivery(job()) == Delivery("CANCELLED", 0, 0)
    assert not await table.store.cancel(job(), now=NOON)
    await record(table.store, await claimed(table.store, 3), Again(at=DUE), Reply(500), 3)
    assert await table.store.cancel(job(4), now=NOON)
    assert await table.delivery(job()) == Delivery("CANCELLED", 3, 500)
    await record(table.store, await claimed(table.store, 4), Delivered(), Reply(200), 4)
    assert not await table.store.cancel(job(5), now=NOON)
    assert await table.delivery(job()) == Delivery("DELIVERED", 4, 200)


async def test_the_attempt_of_another_tenant_s_endpoint_of_the_same_name_is_another_attempt(table: Table) -> None:
    await record(table.store, await claimed(table.store), Delivered(), Reply(200))
    found = await table.store.claim(job(tenant_id="tenant-2"), now=NOON, lease=LEASE)
    assert isinstance(found, Claimed)
    assert await table.delivery(job(tenant_id="tenant-2")) is None


@pytest.mark.parametrize("ended", [True, False])
async def test_an_attempt_that_was_begun_with_another_payload_is_reused_and_never_taken_over(
    table: Table, *, ended: bool
) -> None:
    claim = await claimed(table.store)
    if ended:
        await record(table.store, claim, Delivered(), Reply(200))
    other = job(fingerprint="a" * 64)
    assert await table.store.claim(other, now=NOON + timedelta(seconds=2 * LEASE), lease=LEASE) == Reused()


async def test_one_delivery_tells_of_an_endpoint_and_the_others_do_not_until_its_time_is_over(table: Table) -> None:
    def told(event_id: str, seconds: float, **fields: Any) -> Any:
        return table.store.announce(
            job(event_id=event_id, **fields), now=NOON + timedelta(seconds=seconds), seconds=60.0
        )

    assert await told("msg_1", 0)
    assert not await told("msg_2", 1)
    assert await told("msg_2", 1, tenant_id="tenant-2")
    assert await told("msg_2", 1, endpoint_id="endpoint-2")
    assert await told("msg_1", 2), "it may have died before it told"
    assert not await told("msg_2", 61)
    assert await told("msg_2", 62)


class EmptiedOnce:
    """A table whose first answer was emptied on its way; `item` is what it holds."""

    def __init__(self, item: Any) -> None:
        self.answers = [{}, {"Item": item}]

    async def get_item(self, **_asked: Any) -> Any:
        return self.answers.pop(0)


async def test_an_endpoint_is_taken_for_missing_only_where_two_answers_say_so() -> None:
    item = {"url": {"S": "https://hooks.example/"}, "secret": {"S": SECRET}, "enabled": {"BOOL": True}}
    store = DynamoDbStore(cast("Any", EmptiedOnce(item)), table="webhooks")
    found = await store.endpoint("acme", "ep-1")
    assert found is not None
    assert found.url == "https://hooks.example/"
