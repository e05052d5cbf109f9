"""Whose delivery it is, that none of them ends in silence, and what bounds them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.outcome import Reject
from shared.road.once import KeyReused
from tests.workers.webhook_delivery.fakes import NOON, OLD_SECRET, SECRET, Delivery, endpoint, job
from tests.workers.webhook_delivery.world import World
from workers.webhook_delivery.rules import Reply


@pytest.fixture
def world() -> World:
    made = World()
    made.store.add(endpoint())
    return made


def reasons(logged: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["reason"] for line in logged if line["event"] == "event_dropped"]


async def test_two_tenants_with_one_event_id_and_one_endpoint_s_name_get_a_post_each(world: World) -> None:
    world.store.add(endpoint(tenant_id="tenant-2"))
    for tenant in ("tenant-1", "tenant-2"):
        await world.deliver(job(tenant_id=tenant))
    assert len(world.post.posted) == 2
    assert world.store.delivery(job(tenant_id="tenant-2")) == Delivery("DELIVERED", 1, 200)


async def test_exhausted_deliveries_of_two_tenants_are_told_under_two_ids(world: World) -> None:
    world.store.add(endpoint(tenant_id="tenant-2"))
    world.post.replies = [Reply(500)]
    for tenant in ("tenant-1", "tenant-2"):
        await world.deliver(job(10, tenant_id=tenant))
    assert len({detail["id"] for _, detail in world.bus.events}) == 2


@pytest.mark.parametrize("reply", [Reply(200), Reply(500)])
async def test_another_payload_under_a_used_webhook_id_is_rejected_and_never_posted(world: World, reply: Reply) -> None:
    world.post.replies = [reply]
    await world.deliver(job())
    with pytest.raises(KeyReused):
        await world.deliver(job(fingerprint="a" * 64))
    assert len(world.post.posted) == 1


async def test_a_repetition_with_the_same_fingerprint_is_one_delivery_whatever_time_it_states(world: World) -> None:
    await world.deliver(job(fingerprint="a" * 64))
    await world.deliver(job(fingerprint="a" * 64, payload="the same, put later"))
    assert len(world.post.posted) == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"enabled": False}, "endpoint_disabled"),
        ({"fault": "enabled"}, "endpoint_unreadable"),
        ({"endpoint_id": "other"}, "endpoint_gone"),
    ],
)
async def test_a_delivery_that_is_cancelled_is_counted_with_its_reason(state: dict[str, Any], reason: str) -> None:
    world = World()
    world.store.add(endpoint(**state))
    with capture_logs() as logged:
        await world.deliver(job())
        await world.deliver(job())
    assert reasons(logged) == [reason]
    assert world.post.posted == []


@pytest.mark.parametrize(
    ("attempt", "reply", "dropped"),
    [
        (10, Reply(500), ["exhausted"]),
        (1, Reply(410), ["endpoint_answered_410"]),
        (1, Reply(500), []),
        (1, Reply(200), []),
    ],
)
async def test_a_delivery_that_is_given_up_is_counted_with_its_reason(
    world: World, attempt: int, reply: Reply, dropped: list[str]
) -> None:
    world.post.replies = [reply]
    with capture_logs() as logged:
        await world.deliver(job(attempt))
    assert reasons(logged) == dropped


async def test_an_old_secret_that_cannot_be_read_does_not_stop_the_current_one(world: World) -> None:
    world.store.add(endpoint(secrets=(SECRET, "whsk_x", OLD_SECRET)))
    with capture_logs() as logged:
        await world.deliver(job())
    (posted,) = world.post.posted
    assert len(posted.headers["webhook-signature"].split()) == 2
    assert [line["count"] for line in logged if line["event"] == "webhook_old_secrets_passed_over"] == [1]


async def test_no_more_than_ten_secrets_sign_one_request(world: World) -> None:
    world.store.add(endpoint(secrets=(SECRET,) * 201))
    await world.deliver(job())
    assert len(world.post.posted[0].headers["webhook-signature"].split()) == 10


@pytest.mark.parametrize(("days", "taken"), [(15, True), (17, False), (365 * 7000, False)])
async def test_a_job_that_is_due_after_any_schedule_is_rejected_and_does_not_hop_for_ever(
    world: World,
    days: int,
    taken: bool,  # noqa: FBT001
) -> None:
    waiting = job(not_before=NOON + timedelta(days=days))
    if taken:
        await world.deliver(waiting)
    else:
        with pytest.raises(Reject):
            await world.deliver(waiting)
    assert len(world.sent) == taken
