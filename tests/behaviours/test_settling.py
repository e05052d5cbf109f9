"""Finished work leaves the queue: deletes gathered, tried again inside the lease, and remembered: B8 to B12."""

import asyncio
import itertools
from collections import Counter
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from shared.consumer import Pace
from shared.message.delivery import Delivery
from tests.behaviours.counters import Counters
from tests.behaviours.doors import ContainerDoor
from tests.behaviours.stage import Stage
from tests.behaviours.test_intake import words
from tests.waiting import until

DELETE = "DeleteMessageBatch"


@pytest.mark.guarantee("B8")
async def test_ten_finished_messages_are_deleted_in_one_call(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    everyone = asyncio.Barrier(20)

    async def together(delivery: Delivery) -> None:
        await stage.handle(delivery)
        await everyone.wait()

    stage.send(*words(20))
    await container.opens(stage.worker(handle=together, concurrency=20))
    await stage.empty()
    assert len(stage.requests(DELETE)) == 2


@pytest.mark.guarantee("B8")
async def test_fewer_finished_messages_are_deleted_together_soon(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    stage.send(*words(3))
    await container.opens(stage.worker())
    await stage.empty()
    [call] = stage.requests(DELETE)
    assert call.at - stage.effects("ended")[-1].at < 0.5


@pytest.mark.guarantee("B8", "B30")
async def test_what_waits_for_its_delete_is_deleted_by_a_drain_and_never_runs_again(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    stage.send(*words(13))
    await container.opens(stage.worker(concurrency=20))
    await until(lambda: len(stage.ended) == 13, pause=0.001, what="the work")
    await container.drains()
    assert stage.left() == []
    assert stage.findings().faults == {}
    assert stage.findings().done_twice == 0


FAILED = "fleet.deletes.failed"


@pytest.mark.guarantee("B9")
async def test_only_the_refused_entries_of_a_batch_are_deleted_again_and_no_handler_runs_twice(
    stage: Stage, container: ContainerDoor, counters: Counters
) -> None:
    stage.queues()
    stage.control.fault("refuse", DELETE, entries=(0, 3), count=2, code="InternalError")
    stage.send(*words(10))
    before = counters.of(FAILED, queue="uploads")
    await container.opens(stage.worker())
    await stage.empty()
    assert Counter(stage.started) == Counter(words(10))
    assert len(stage.requests(DELETE)) == 2
    in_each_call = Counter(each.asked for each in stage.entries("delete"))
    assert [in_each_call[call] for call in sorted(in_each_call)] == [8, 2], (
        "the second call holds the refused two alone"
    )
    assert stage.entries("delete_ignored") == []
    assert counters.of(FAILED, queue="uploads") - before == 2
    assert stage.findings().delivered_twice == 0


@pytest.mark.guarantee("B9")
async def test_an_entry_that_was_deleted_although_sqs_said_no_is_deleted_again_and_its_handler_is_not_run(
    stage: Stage, container: ContainerDoor, counters: Counters
) -> None:
    stage.queues()
    stage.control.fault("refuse", DELETE, entries=(1,), count=1, after=True, code="InternalError")
    stage.send(*words(3))
    before = counters.of(FAILED, queue="uploads")
    await container.opens(stage.worker())
    await until(lambda: len(stage.requests(DELETE)) == 2, what="the second delete")
    assert Counter(stage.started) == Counter(words(3))
    assert stage.left() == []
    assert counters.of(FAILED, queue="uploads") - before == 1


@pytest.mark.guarantee("B10")
@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "InvalidParameterValue"])
async def test_finished_work_whose_delete_was_impossible_is_deleted_when_it_comes_back_and_does_not_run_again(
    stage: Stage, container: ContainerDoor, counters: Counters, code: str
) -> None:
    stage.queues()
    stage.control.fault("refuse", DELETE, count=1, code=code)
    stage.send("once")
    before = counters.of(FAILED, queue="uploads")
    with capture_logs() as lines:
        await container.opens(stage.worker())
        await until(lambda: stage.requests(DELETE), what="the delete that is refused")
        stage.control.advance(6)
        await stage.empty()
    assert stage.started == ["once"]
    assert stage.findings().delivered_twice == 1
    assert counters.of(FAILED, queue="uploads") - before == 1
    [logged] = [line for line in lines if line["event"] == "settlement_impossible"]
    assert logged["message_id"] == stage.entries("send")[0].message_id


@pytest.mark.slow
@pytest.mark.guarantee("B10")
async def test_a_lease_that_ends_before_its_delete_comes_through_forbids_it_and_the_work_is_not_done_again(
    stage: Stage, container: ContainerDoor, counters: Counters
) -> None:
    stage.queues()
    faults = [stage.control.fault("throttled", action) for action in (DELETE, "ChangeMessageVisibilityBatch")]
    stage.send("once")
    before = counters.of(FAILED, queue="uploads")
    await container.opens(stage.worker(), pace=Pace(wait=1, visibility=2, drain=5.0))
    await until(lambda: len(stage.entries("receive")) >= 2, what="the second receipt")
    for fault in faults:
        stage.control.heal(fault)
    await stage.empty()
    assert stage.started == ["once"]
    assert stage.findings().dead_deletes == ()
    tried = len([each for each in stage.requests(DELETE) if each.more["outcome"] != "ok"])
    assert counters.of(FAILED, queue="uploads") - before >= tried + 1, "what was not sent any more counts too"


@pytest.mark.slow
@pytest.mark.guarantee("B12")
async def test_a_delete_that_fails_whole_is_tried_again_while_its_lease_lasts(
    stage: Stage, container: ContainerDoor
) -> None:
    faults = ("throttled", "unavailable", "denied", "reset")
    for fault in faults:
        stage.queues(fault)
        stage.control.fault(fault, DELETE, queues=(fault,), count=3)
        stage.send(fault)
        await container.opens(stage.worker(), pace=Pace(wait=1, visibility=30, drain=5.0))
    await until(lambda: not any(map(stage.control.messages, faults)), seconds=15, what="the empty queues")
    assert Counter(stage.started) == Counter(faults)
    assert stage.findings().faults == {}
    assert stage.findings().delivered_twice == 0


@pytest.mark.guarantee("B12")
@pytest.mark.slow
async def test_the_pauses_between_tries_of_a_throttled_delete_are_jittered_and_stay_inside_the_lease(
    stage: Stage, container: ContainerDoor
) -> None:
    pauses: dict[float, list[float]] = {}
    for dice in (0.0, 0.99):
        stage.queues(f"dice-{dice}".replace(".", "-"))
        stage.control.fault("throttled", DELETE, queues=(stage.queue,), count=4)
        stage.send("once")
        await container.opens(
            stage.worker(), pace=Pace(wait=1, visibility=10, drain=5.0), dice=itertools.repeat(dice).__next__
        )
        await stage.empty()
        asked = [each.at for each in stage.requests(DELETE)]
        pauses[dice] = [later - earlier for earlier, later in pairwise(asked)]
        [received] = stage.entries("receive")
        assert asked[-1] < float(received.more["until"]), "inside the first lease: none was needed beyond it"
    assert all(2 * low < high < 4.5 * low for low, high in zip(*pauses.values(), strict=True)), pauses
    assert all(earlier < later for each in pauses.values() for earlier, later in pairwise(each)), "it backs off"
    assert stage.findings().faults == {}
    assert stage.findings().delivered_twice == 0


@pytest.mark.slow
@pytest.mark.guarantee("B11")
async def test_no_batch_is_ever_sent_empty(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    await container.opens(stage.worker())
    await until(lambda: len(stage.requests("ReceiveMessage")) >= 2, what="an idle poll")
    await container.drains()
    assert {each.more["action"] for each in stage.entries("request")} == {"ReceiveMessage"}
