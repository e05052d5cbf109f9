import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.fakes import delivery
from tests.workers.webhook_delivery.fakes import NOON, OLD_SECRET, SECRET, Delivery, endpoint, job
from tests.workers.webhook_delivery.world import LEASE, World
from workers.webhook_delivery.event import delivery_job
from workers.webhook_delivery.rules import Failed, Held, Reply, Schedule, Succeeded, wants
from workers.webhook_delivery.signing import verify
from workers.webhook_delivery.telling import WINDOW_SECONDS


@pytest.fixture
def world() -> World:
    made = World()
    made.store.add(endpoint())
    return made


async def test_a_due_job_is_posted_once_signed_and_recorded(world: World) -> None:
    world.store.add(endpoint(secrets=(SECRET, OLD_SECRET)))
    world.clock.move(0.9)
    await world.deliver(job())
    (posted,) = world.post.posted
    assert posted.url == "https://customer.example/hook?token=t0ken"
    assert posted.body == job().payload.encode()
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["user-agent"].startswith("sqs-worker-fleet-webhooks/")
    assert posted.headers["webhook-id"] == "msg_1"
    assert posted.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    for secret in (SECRET, OLD_SECRET):
        verify([secret], posted.headers, posted.body, now=NOON.timestamp())
    assert world.store.delivery(job()) == Delivery("DELIVERED", 1, 200)
    assert await world.store.attempt(job()) == Succeeded()
    assert (world.sent, world.bus.events) == ([], [])


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
async def test_any_2xx_is_delivered(world: World, status: int) -> None:
    world.post.replies = [Reply(status)]
    await world.deliver(job())
    assert world.store.delivery(job()) == Delivery("DELIVERED", 1, status)


async def test_a_job_that_is_not_due_hops_on_unchanged_in_a_new_message(world: World) -> None:
    waiting = job(3, not_before=NOON + timedelta(seconds=1900.5))
    await world.deliver(waiting)
    (message,) = world.sent
    assert delivery_job(delivery(message.body)) == waiting
    assert (message.delay, message.group) == (900, "tenant-1")
    assert world.calls == ["send"]


async def test_the_last_hop_is_as_long_as_the_rest_and_never_too_short(world: World) -> None:
    await world.deliver(job(3, not_before=NOON + timedelta(seconds=10.2)))
    assert world.sent[0].delay == 11


@pytest.mark.parametrize(
    "reply", [Reply(500), Reply(404), Reply(302), Reply(0, "timeout"), Reply(0, "dns_error"), Reply(0, "tls_error")]
)
async def test_a_failed_attempt_is_recorded_and_the_next_one_is_a_new_message(world: World, reply: Reply) -> None:
    world.post.replies = [reply]
    await world.deliver(job())
    (message,) = world.sent
    following = delivery_job(delivery(message.body))
    assert following == job(2, not_before=NOON + timedelta(seconds=5), nonce="n-1")
    assert message.delay == 5
    due = NOON + timedelta(seconds=5)
    assert await world.store.attempt(job()) == Failed(reply.status, reply.error, next_at=due, settled=False)
    assert world.store.delivery(job()) == Delivery("PENDING", 1, reply.status)


async def test_a_hint_of_the_endpoint_is_waited_for(world: World) -> None:
    world.post.replies = [Reply(429, retry_after="1200")]
    await world.deliver(job())
    assert delivery_job(delivery(world.sent[0].body)).not_before == NOON + timedelta(seconds=1200)
    assert world.sent[0].delay == 900


async def test_410_disables_the_endpoint_at_once_and_nothing_is_tried_again(world: World) -> None:
    world.post.replies = [Reply(410)]
    await world.deliver(job())
    await world.deliver(job(eventId="msg_2", event_id="msg_2"))
    assert len(world.post.posted) == 1
    assert not world.store.endpoints["tenant-1", "endpoint-1"].enabled
    assert world.store.delivery(job()) == Delivery("CANCELLED", 1, 410)
    assert world.store.delivery(job(event_id="msg_2")) == Delivery("CANCELLED", 0, 0)
    assert world.sent == []
    [(kind, detail)] = world.bus.events
    assert (kind, detail["reason"], detail["endpointId"]) == ("webhook.disabled", "410 Gone", "endpoint-1")


async def test_410_of_a_url_that_was_replaced_meanwhile_leaves_the_endpoint_enabled(world: World) -> None:
    world.post.replies = [Reply(410)]
    world.post.during = lambda: world.store.add(endpoint(url="https://new.example/"))
    await world.deliver(job())
    assert world.store.endpoints["tenant-1", "endpoint-1"].enabled
    assert world.store.delivery(job()) == Delivery("CANCELLED", 1, 410)


async def test_a_delivery_to_an_unknown_or_disabled_endpoint_is_cancelled_without_a_post(world: World) -> None:
    world.store.add(endpoint("off", enabled=False))
    for gone in ("off", "unknown"):
        await world.deliver(job(2, gone))
        assert world.store.delivery(job(2, gone)) == Delivery("CANCELLED", 1, 0)
        assert await world.store.attempt(job(2, gone)) is None
    assert (world.post.posted, world.sent) == ([], [])


async def test_a_delivery_that_has_ended_is_not_cancelled_by_a_late_duplicate(world: World) -> None:
    await world.deliver(job())
    world.store.add(endpoint(enabled=False))
    await world.deliver(job())
    assert world.store.delivery(job()) == Delivery("DELIVERED", 1, 200)


async def test_the_last_attempt_that_fails_is_told_on_the_bus(world: World) -> None:
    world.post.replies = [Reply(0, "timeout")]
    await world.deliver(job(10))
    ((detail_type, detail),) = world.bus.events
    identity = detail.pop("id")
    assert detail_type == "webhook.exhausted"
    assert detail == {
        "tenantId": "tenant-1",
        "endpointId": "endpoint-1",
        "eventId": "msg_1",
        "eventType": "upload.completed",
        "attempts": 10,
        "lastStatus": 0,
        "lastError": "timeout",
    }
    assert len(identity) <= 64
    assert identity.replace("_", "").isalnum()
    assert world.store.delivery(job()) == Delivery("EXHAUSTED", 10, 0)
    assert world.sent == []


async def test_a_delivery_of_webhook_exhausted_ends_in_silence(world: World) -> None:
    world.post.replies = [Reply(500)]
    await world.deliver(job(10, event_type="webhook.exhausted"))
    assert world.bus.events == []
    assert world.store.delivery(job()) == Delivery("EXHAUSTED", 10, 500)


async def test_an_endpoint_s_exhausted_deliveries_are_told_once_in_an_hour(world: World) -> None:
    world.store.add(endpoint("endpoint-2"))
    world.post.replies = [Reply(404)]
    for number in range(30):
        await world.deliver(job(10, event_id=f"msg_{number}"))
    await world.deliver(job(10, "endpoint-2"))
    assert [detail["endpointId"] for _, detail in world.bus.events] == ["endpoint-1", "endpoint-2"]
    world.clock.move(WINDOW_SECONDS)
    await world.deliver(job(10, event_id="msg_later"))
    assert [detail["eventId"] for _, detail in world.bus.events][2:] == ["msg_later"]


async def test_an_announcement_that_the_bus_did_not_take_is_made_by_the_next_one(world: World) -> None:
    world.post.replies = [Reply(404)]
    put, world.bus = world.bus, None  # type: ignore[assignment]  # a bus that is away
    with pytest.raises(TypeError):
        await world.deliver(job(10))
    world.bus = put
    await world.deliver(job(10, event_id="msg_2"))
    await world.deliver(job(10))
    assert [detail["eventId"] for _, detail in put.events] == ["msg_2"]


async def test_ten_dead_endpoints_that_take_everything_tell_each_other_nothing(world: World) -> None:
    """Each event of the bus is fanned out again, to those who would get it."""
    for number in range(10):
        world.store.add(endpoint(f"dead-{number}"), "*", "webhook.*")
    world.post.replies = [Reply(404)]
    for number in range(10):
        await world.deliver(job(10, f"dead-{number}"))
    page = await world.store.subscriptions("tenant-1")
    assert len(world.bus.events) == 10
    assert not any(wants(each, kind) for kind, _ in world.bus.events for each in page.subscriptions)


async def test_a_duplicate_after_success_posts_nothing(world: World) -> None:
    await world.deliver(job())
    await world.deliver(job())
    assert len(world.post.posted) == 1


async def test_a_duplicate_after_a_failure_posts_nothing_and_starts_no_second_chain(world: World) -> None:
    world.post.replies = [Reply(500)]
    await world.deliver(job())
    world.clock.move(3600)
    await world.deliver(job())
    assert len(world.post.posted) == 1
    twice = [delivery_job(delivery(each.body)) for each in world.sent]
    assert [each.attempt for each in twice] == [2, 2], "nobody knows whether the first copy had sent it"
    for each in twice:
        await world.deliver(each)
    assert len(world.post.posted) == 2
    assert [delivery_job(delivery(each.body)).attempt for each in world.sent[2:]] == [3]


async def test_concurrent_duplicates_are_one_post(world: World) -> None:
    entered, let_go = asyncio.Event(), asyncio.Event()
    inner = world.post.__call__

    async def slow(*arguments: object, **named: object) -> Reply:
        entered.set()
        await let_go.wait()
        return await inner(*arguments, **named)  # type: ignore[arg-type]  # handed on as they came

    world.post = slow  # type: ignore[assignment]  # the same port, held back
    first = asyncio.create_task(world.deliver(job()))
    await entered.wait()
    world.clock.move(1)
    for _ in range(3):
        await world.deliver(job())
    assert [(each.delay, delivery_job(delivery(each.body))) for each in world.sent] == [(1, job())] * 3
    let_go.set()
    await first
    await world.deliver(job())
    assert world.store.records == [(1, 200, None)]


async def test_a_copy_looks_again_after_as_long_as_the_attempt_has_been_held_and_at_its_lease_s_end(
    world: World,
) -> None:
    await world.store.claim(job(), now=NOON, lease=LEASE)
    looks = []
    while world.store.delivery(job()) is None:
        await world.deliver(job())
        looks += [each.delay for each in world.sent]
        world.clock.move(looks[-1] if world.sent else 0)
        world.sent.clear()
    assert looks[:5] == [1, 1, 2, 4, 8]
    assert sum(looks) == LEASE


async def test_an_attempt_whose_maker_died_is_made_again_after_the_lease(world: World) -> None:
    await world.store.claim(job(), now=NOON, lease=LEASE)
    world.clock.move(LEASE)
    await world.deliver(job())
    assert world.store.delivery(job()) == Delivery("DELIVERED", 1, 200)


async def test_a_worker_that_was_away_for_longer_than_its_lease_does_not_overwrite_its_successor(world: World) -> None:
    world.post.replies = [Reply(500)]
    successor = Held(until=NOON.timestamp() + 500)
    world.post.during = lambda: world.store.attempts.update(dict.fromkeys(world.store.attempts, successor))
    await world.deliver(job())
    assert await world.store.attempt(job()) == successor
    assert [(each.delay, delivery_job(delivery(each.body))) for each in world.sent] == [(1, job())]
    assert world.store.records == []


@pytest.mark.parametrize("secrets", [("",), ("whsec_short",), ("whsk_x", SECRET), ()])
async def test_a_secret_that_cannot_sign_is_a_failed_attempt_and_not_a_fault_of_the_queue(
    world: World, secrets: tuple[str, ...]
) -> None:
    world.store.add(endpoint(secrets=secrets))
    await world.deliver(job())
    assert world.store.records == [(1, 0, "secret_invalid")]
    assert world.post.posted == []
    assert len(world.sent) == 1


async def test_a_fault_of_our_own_is_raised(world: World) -> None:
    async def fail(*_arguments: object, **_named: object) -> None:
        raise ConnectionError

    world.store.endpoint = fail  # type: ignore[method-assign]  # a table that is down
    with pytest.raises(ConnectionError):
        await world.deliver(job())


async def test_a_job_beyond_a_schedule_that_was_shortened_is_still_attempted_and_then_over(world: World) -> None:
    world.schedule = Schedule((0, 5))
    world.post.replies = [Reply(500)]
    await world.deliver(job(7))
    assert len(world.post.posted) == 1
    assert world.store.delivery(job()) == Delivery("EXHAUSTED", 7, 500)


async def test_logs_tell_no_secret_no_payload_and_no_query(world: World) -> None:
    world.post.replies = [Reply(500, body="answer of the customer"), Reply(200)]
    world.put(job().body())
    with capture_logs() as logged:
        await world.run()
    assert [line["event"] for line in logged] == ["webhook_attempt_failed", "webhook_delivered"]
    for private in ("t0ken", "customer.example", SECRET[6:], "☃", "answer of the customer"):
        assert private not in repr(logged)
