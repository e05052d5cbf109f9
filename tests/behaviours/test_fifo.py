"""Order within a group, groups beside each other, and nobody starved by a neighbour: B25 to B27."""

import asyncio
from collections import defaultdict

import pytest

from shared.worker import FairShares, Fifo
from tests.behaviours.doors import ContainerDoor, Door
from tests.behaviours.stage import Gate, Stage, failing
from tests.behaviours.test_intake import words
from tests.waiting import until

GROUPS = ("red", "green", "blue")


@pytest.mark.guarantee("B25")
async def test_a_group_keeps_its_order_and_never_overlaps_and_groups_run_beside_each_other(
    stage: Stage, door: Door
) -> None:
    stage.queues("uploads.fifo")
    stage.otherwise = lambda delivery: asyncio.sleep(0.01 * (1 + len(delivery.body) % 3))
    for place in range(4):  # a receive holds ten: of more than one group
        for group in GROUPS:
            stage.send(f"{group} {place}", group=group)
    await door.opens(stage.worker(order=Fifo()))
    await stage.empty()
    ran: dict[str, list[str]] = defaultdict(list)
    for body in stage.started:
        ran[body.partition(" ")[0]].append(body)
    assert ran == {group: words(4, group) for group in GROUPS}
    assert stage.most_running > 1
    assert stage.findings().faults == {}


@pytest.mark.slow
@pytest.mark.guarantee("B26")
async def test_behind_a_failed_message_its_group_does_not_run_and_is_given_back_at_once_and_others_go_on(
    stage: Stage, door: Door
) -> None:
    stage.queues("uploads.fifo")
    runs = 3 if door.name == "container" else 1  # twice more in hand, before its tail is let go
    stage.work["red 1"] = failing(ConnectionError(), times=runs)
    for place in range(4):
        for group in ("red", "green"):
            stage.send(f"{group} {place}", group=group)
    await door.opens(stage.worker(order=Fifo()))
    released = await stage.seen("release", 2)
    failed = stage.effects("failed")[-1]
    assert all(each.at - failed.at < 1.0 for each in released)
    assert [body for body in stage.started if "red" in body] == ["red 0"] + ["red 1"] * runs
    await until(lambda: "green 3" in stage.ended, what="the other group")
    await until(lambda: len(stage.left()) == 3, what="the deletes of all that is done")
    stage.control.advance(500)
    await stage.empty()
    assert [body for body in stage.ended if "red" in body] == words(4, "red")
    assert [body for body in stage.ended if "green" in body] == words(4, "green")
    assert stage.findings().faults == {}


@pytest.mark.guarantee("B26")
async def test_a_rejected_message_is_buried_and_its_group_goes_on(stage: Stage, door: Door) -> None:
    stage.queues("uploads.fifo")
    stage.send("red 0", "malformed", "red 2", group="red")
    await door.opens(stage.worker(order=Fifo()))
    await stage.empty()
    assert stage.ended == ["red 0", "red 2"]
    assert [letter["body"] for letter in stage.buried()] == ["malformed"]


@pytest.mark.guarantee("B27")
async def test_a_noisy_tenant_does_not_hold_every_slot(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    gate = Gate()
    stage.work = {body: lambda _: gate.passed() for body in words(30, "noisy")}
    stage.send(*words(12, "noisy"), group="noisy")
    await container.opens(stage.worker(concurrency=4, order=FairShares(2)))
    await until(lambda: len(stage.started) == 2, what="the share of the noisy tenant")
    stage.send("quiet", group="quiet")
    await until(lambda: "quiet" in stage.ended, seconds=2, what="the quiet tenant")
    assert stage.running == 2
    gate.open()
    await stage.empty()
