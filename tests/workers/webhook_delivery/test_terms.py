"""An endpoint's own terms: its schedule, at most once, and until when."""

from itertools import pairwise
from typing import Any

from tests.workers.webhook_delivery.fakes import NOON, Clock, Delivery, endpoint, job
from tests.workers.webhook_delivery.table import InDynamoDb
from tests.workers.webhook_delivery.world import LEASE, World
from workers.webhook_delivery.client import Endpoints, Registration
from workers.webhook_delivery.rules import NEVER_BEGUN, Claimed, Reply


async def lived(*replies: Reply, crash_after: tuple[int, ...] = (), **terms: Any) -> World:
    world = World(crash_after=crash_after)
    world.store.add(endpoint(**terms))
    world.post.replies = replies
    world.put(job().body())
    await world.run()
    return world


async def test_a_schedule_of_its_own() -> None:
    world = await lived(Reply(500), retries=(60.0, 3600.0))
    at = [each.at for each in world.post.posted]
    assert [(later - earlier).total_seconds() for earlier, later in pairwise(at)] == [60, 3600]
    assert world.store.delivery(job()) == Delivery("EXHAUSTED", 3, 500)
    assert len((await lived(Reply(500), retries=())).post.posted) == 1


async def test_at_most_once_tries_again_only_what_never_began() -> None:
    for error in sorted(NEVER_BEGUN - {"endpoint_down"}):
        world = await lived(Reply(0, error), Reply(200), at_most_once=True)
        assert [status for _, status, _ in world.store.records] == [0, 200], error
    for reply in (
        *(Reply(0, error) for error in ("timeout", "connection_reset", "tls_error", "protocol_error", "unreachable")),
        *(Reply(status, retry_after="5") for status in (301, 400, 429, 500, 503)),
    ):
        world = await lived(reply, Reply(200), at_most_once=True)
        assert world.store.delivery(job()) == Delivery("EXHAUSTED", 1, reply.status), reply


async def test_at_most_once_posts_nothing_twice_whichever_step_was_the_last() -> None:
    total = len((await lived(Reply(200), at_most_once=True)).calls)
    for crash_after in range(1, total + 1):
        world = await lived(Reply(200), crash_after=(crash_after,), at_most_once=True)
        assert len(world.post.posted) <= 1, world.crashes
        found = world.store.delivery(job())
        assert found is not None
        known = found.status == "DELIVERED" or world.store.records[-1] == (1, 0, "maybe_delivered")
        assert known, "an attempt whose maker died is ended, and says so"


async def test_no_attempt_begins_after_a_delivery_has_expired() -> None:
    world = await lived(Reply(500), expires_after=400.0)
    assert [(each.at - NOON).total_seconds() for each in world.post.posted] == [0, 5, 305]
    assert world.store.delivery(job()) == Delivery("EXHAUSTED", 3, 500)
    late = World()
    late.store.add(endpoint(expires_after=400.0))
    late.clock.move(401)
    await late.deliver(job())
    assert (late.post.posted, late.store.records) == ([], [(1, 0, "expired")])


async def test_what_is_registered_is_what_the_worker_keeps_to(dynamodb: InDynamoDb) -> None:
    endpoints = Endpoints(dynamodb.client, table=dynamodb.name, now=Clock())
    wanted = Registration(
        "t", "https://a.example/", ("*",), "e", retries=(0.5, 60.0), at_most_once=True, expires_after=90.0
    )
    await endpoints.add(wanted)
    found = await dynamodb.store.endpoint("t", "e")
    assert found is not None
    assert (found.retries, found.at_most_once, found.expires_after, found.fault) == ((0.5, 60.0), True, 90.0, "")
    await endpoints.add(Registration("t", "https://a.example/", ("*",), "none", retries=()))
    none = await dynamodb.store.endpoint("t", "none")
    assert none is not None
    assert none.retries == ()
    for name, value in (
        ("retrySchedule", {"L": [{"S": "5"}]}),
        ("retrySchedule", {"L": [{"N": "-5"}]}),
        ("retrySchedule", {"N": "5"}),
        ("atMostOnce", {"S": "true"}),
        ("expiresAfter", {"S": "5"}),
    ):
        key = {"PK": {"S": "TENANT#t"}, "SK": {"S": "ENDPOINT#e"}}
        change = {"UpdateExpression": f"SET {name} = :v", "ExpressionAttributeValues": {":v": value}}
        await dynamodb.client.update_item(TableName=dynamodb.name, Key=key, **change)
        wrong = await dynamodb.store.endpoint("t", "e")
        assert wrong is not None
        assert wrong.fault == name
        await dynamodb.client.delete_item(TableName=dynamodb.name, Key=key)
        await endpoints.add(wanted)


async def test_an_expired_claim_is_not_taken_over_where_nothing_may_be_posted_twice(dynamodb: InDynamoDb) -> None:
    clock = Clock()
    assert isinstance(await dynamodb.store.claim(job(), now=clock(), lease=LEASE), Claimed)
    clock.move(LEASE + 1)
    held = await dynamodb.store.claim(job(), now=clock(), lease=LEASE, take_over=False)
    assert not isinstance(held, Claimed)
    assert isinstance(await dynamodb.store.claim(job(), now=clock(), lease=LEASE), Claimed)
