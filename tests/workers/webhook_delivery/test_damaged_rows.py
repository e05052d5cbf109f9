"""Rows written by hand in a way that the worker does not: each is told, and no other delivery pays for it."""

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared import BusEntry, Reject
from tests.workers.webhook_delivery.fakes import NOON, SECRET, Clock, endpoint, job
from tests.workers.webhook_delivery.table import InDynamoDb, row
from tests.workers.webhook_delivery.world import World
from workers.webhook_delivery.client import Endpoints
from workers.webhook_delivery.event import DeliveryJob
from workers.webhook_delivery.life import Change, Life, Owed
from workers.webhook_delivery.parked import park
from workers.webhook_delivery.rules import Claimed, Delivered, Reply, Result
from workers.webhook_delivery.store import endpoint_items, items
from workers.webhook_delivery.store.registered import registered, rotation

TOLD: dict[str, Any] = {"kind": {"S": "webhook.failing"}, "detail": {"S": "{}"}}
ODD: dict[str, dict[str, Any]] = {
    "a time without fractions": {"failingSince": {"S": "2026-11-20T00:00:00Z"}},
    "a time before the calendar": {"failingSince": {"S": "0001-01-01T00:00:00+05:00"}},
    "a time as a number": {"failingSince": {"N": "1763596800"}, "failedAt": {"N": "1763596800"}},
    "nothing": {"failingSince": {"NULL": True}, "owed": {"NULL": True}},
    "a time that never comes": {"failingSince": {"S": "2099-11-20T00:00:00.000000Z"}},
    "a failure that is still to come": {"failedAt": {"S": "2099-11-20T00:00:00.000000Z"}},
    "a step behind the last": {"warned": {"N": "1795000000000"}},
    "a step before the first": {"warned": {"N": "-1"}},
    "a step as a text": {"warned": {"S": "50"}},
    "what is owed as a text": {"owed": {"S": "webhook.failing"}},
    "what is owed without its kind": {"owed": {"L": [{"M": {"detail": {"S": "{}"}}}]}},
    "what is owed of another kind": {"owed": {"L": [{"M": TOLD | {"kind": {"S": "order.placed"}}}]}},
    "what is owed with more than that": {"owed": {"L": [{"M": TOLD | {"note": {"S": "by hand"}}}]}},
    "nothing owed": {"owed": {"L": []}},
}


@pytest.mark.slow
async def test_it_is_taken_away_and_counted_and_the_endpoint_s_life_goes_on(dynamodb: InDynamoDb) -> None:
    for name, odd in ODD.items():
        await dynamodb.client.put_item(TableName=dynamodb.name, Item=row(endpoint()) | odd)
        with capture_logs() as logged:
            found = await dynamodb.store.endpoint("tenant-1", "endpoint-1")
            assert found == endpoint(), name
            assert await dynamodb.store.endpoint("tenant-1", "endpoint-1") == found
        [line] = [each for each in logged if each["event"] == "event_dropped"]
        assert (line["reason"], line["attributes"]) == ("endpoint_life_unreadable", " ".join(odd)), name
        assert await dynamodb.store.live(found, Change(Life(), Life(NOON, NOON))), name


def test_what_the_worker_writes_is_left_alone() -> None:
    life = Life(NOON, NOON, 50, (Owed("webhook.failing", "{}"),))
    written = endpoint_items.living("t", "e", Change(Life(), life))["ExpressionAttributeValues"]
    item = {name.removeprefix(":"): value for name, value in written.items()}
    assert item.keys() == {"failingSince", "failedAt", "warned", "owed"}
    assert endpoint_items.odd_life(item, at=NOON.timestamp()) == []
    assert endpoint_items.odd_life({}, at=NOON.timestamp()) == []


async def test_an_event_that_the_bus_never_takes_is_owed_no_more_and_its_endpoint_gets_its_deliveries() -> None:
    world, put = World(), list[str]()

    async def bus(entry: BusEntry) -> None:
        if entry.detail == "no JSON":
            raise Reject("the bus refuses the event: MalformedDetail")
        put.append(entry.detail)

    world.bus = bus  # type: ignore[assignment]
    owed = (Owed("webhook.failing", "no JSON"), Owed("webhook.recovered", "{}"))
    world.store.add(replace(endpoint(), life=Life(owed=owed)))
    with capture_logs() as logged:
        await world.deliver(job())
    assert (len(world.post.posted), put) == (1, ["{}"])
    assert world.store.endpoints["tenant-1", "endpoint-1"].life.owed == ()
    assert [each["kind"] for each in logged if each.get("reason") == "owed_event_refused"] == ["webhook.failing"]


@pytest.mark.parametrize(
    "given",
    [
        {"S": SECRET},
        {"L": [{"N": "1"}]},
        {"L": [{"M": {"secret": {"S": SECRET}}}]},
        {"L": [{"M": {"secret": {"S": SECRET}, "expiresAt": {"N": "1795000000000"}}}]},
    ],
)
async def test_an_old_secret_that_cannot_be_read_is_passed_over_and_goes_with_the_next_rotation(given: Any) -> None:
    item = row(endpoint()) | {"previousSecrets": given}
    found = endpoint_items.endpoint(item, tenant_id="tenant-1", endpoint_id="endpoint-1", at=NOON.timestamp())
    assert found.secrets == (SECRET, ""), "which is counted when it does not sign"
    assert [each.kind for each in registered(item, at=NOON.timestamp()).keys] == ["v1"]
    assert rotation(item, "new", until=0, at=1)["ExpressionAttributeValues"][":old"] == {"L": []}


@pytest.mark.parametrize("given", [None, {"NULL": True}, {"N": "1"}, {"S": "null"}])
async def test_a_secret_that_cannot_be_read_is_mended_by_a_rotation(dynamodb: InDynamoDb, given: Any) -> None:
    item = row(endpoint()) | {"secret": given}
    await dynamodb.client.put_item(TableName=dynamodb.name, Item={name: each for name, each in item.items() if each})
    endpoints = Endpoints(dynamodb.client, table=dynamodb.name, now=Clock())
    new = (await endpoints.rotate("tenant-1", "endpoint-1")).secret
    assert (await endpoints.read("tenant-1", "endpoint-1")).secrets[0] == new


async def test_a_wrong_end_of_an_old_secret_hides_no_endpoint_from_the_list(dynamodb: InDynamoDb) -> None:
    odd = {"L": [{"M": {"secret": {"S": SECRET}, "expiresAt": {"N": "1795000000000"}}}]}
    await dynamodb.client.put_item(TableName=dynamodb.name, Item=row(endpoint()) | {"previousSecrets": odd})
    await dynamodb.add(endpoint("endpoint-2"))
    endpoints = Endpoints(dynamodb.client, table=dynamodb.name, now=Clock())
    assert [each.endpoint_id async for each in endpoints.list("tenant-1")] == ["endpoint-1", "endpoint-2"]


@pytest.mark.parametrize(
    ("status", "odd"),
    [
        ("FAILED", {"status": None}),
        ("FAILED", {"status": {"N": "1"}}),
        ("FAILED", {"httpStatus": {"S": "500"}}),
        ("FAILED", {"httpStatus": {"N": "1.5"}}),
        ("FAILED", {"nextAt": {"S": "tomorrow"}}),
        ("FAILED", {"nextAt": {"NULL": True}}),
        ("SENDING", {"claimedUntil": None}),
    ],
)
def test_an_attempt_s_row_that_cannot_be_read_is_told_by_its_name(status: str, odd: dict[str, Any]) -> None:
    right = {
        **items.attempt_key(job()),
        "status": {"S": status},
        "httpStatus": {"N": "500"},
        "claimedUntil": {"N": "9"},
    }
    items.attempt(right)
    with pytest.raises(Reject, match=r"DELIVERY#.*ATTEMPT#0001 cannot be read"):
        items.attempt({name: value for name, value in (right | odd).items() if value is not None})


def test_a_time_without_a_zone_is_one_of_utc() -> None:
    right = {**items.attempt_key(job()), "status": {"S": "FAILED"}, "httpStatus": {"N": "500"}}
    found: Any = items.attempt(right | {"nextAt": {"S": "2026-11-21T12:00:05"}, "fingerprint": {"NULL": True}})
    assert found.next_at == NOON.replace(second=5)
    assert not items.is_reused(right | {"fingerprint": {"NULL": True}}, job())


@pytest.mark.slow
@pytest.mark.parametrize("until", [None, {"S": "noon"}, {"NULL": True}, {"N": "1795435200000"}])
async def test_what_cannot_be_an_hour_s_end_hushes_no_exhausted_delivery(dynamodb: InDynamoDb, until: Any) -> None:
    item = items.announcement(job(event_id="msg_2"), now=NOON, seconds=3600.0)["Item"] | {"until": until}
    right = {name: value for name, value in item.items() if value}
    await dynamodb.client.put_item(TableName=dynamodb.name, Item=right)
    assert await dynamodb.store.announce(job(), now=NOON, seconds=3600.0)
    assert not await dynamodb.store.announce(job(event_id="msg_3"), now=NOON, seconds=3600.0)


async def test_a_parked_result_whose_row_cannot_be_read_waits_no_longer_and_says_what_was_answered() -> None:
    world = World()
    world.store.add(endpoint())
    made = park(job(), Claimed(until=1), Result(Reply(200), Delivered(), NOON, NOON), endpoint())

    async def unreadable(_job: DeliveryJob) -> None:
        raise Reject("the attempt's row cannot be read")

    world.store.attempt = unreadable  # type: ignore[assignment]
    with pytest.raises(Reject, match="was answered 200, and the attempt's row cannot be read"):
        await world.deliver(made)
    assert (world.sent, world.post.posted) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "odd",
    [
        {"claimedUntil": {"N": "1795435200000"}},
        {"claimedUntil": {"N": "-1"}},
        {"fingerprint": {"NULL": True}},
    ],
)
async def test_a_claim_that_never_ends_or_is_never_taken_over_is_waited_for_no_longer(
    dynamodb: InDynamoDb, odd: dict[str, Any]
) -> None:
    world = World()
    await dynamodb.add(endpoint())
    world.store = dynamodb.store  # type: ignore[assignment]
    claimed = items.claim(job(), Claimed(until=int(NOON.timestamp()) + 35), now=NOON)["Item"]
    await dynamodb.client.put_item(TableName=dynamodb.name, Item=claimed | odd)
    world.clock.move(100)
    with pytest.raises(Reject, match="so for ever"):
        await world.deliver(job())
    assert (world.sent, world.post.posted) == ([], [])
