"""Finished work leaves the queue: deletes gathered, tried again inside the lease, and remembered: B8 to B12."""

from collections import Counter

from shared.intake import Pace
from tests.behaviours.doors import ContainerDoor
from tests.behaviours.stage import Stage
from tests.behaviours.test_intake import words
from tests.waiting import until

DELETE = "DeleteMessageBatch"


async def test_ten_finished_messages_are_deleted_in_one_call(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    stage.send(*words(20))
    await container.opens(stage.worker(concurrency=20))
    await stage.empty()
    assert len(stage.requests(DELETE)) == 2


async def test_fewer_finished_messages_are_deleted_together_soon(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    stage.send(*words(3))
    await container.opens(stage.worker())
    await stage.empty()
    [call] = stage.requests(DELETE)
    assert call.at - stage.effects("ended")[-1].at < 0.5


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


async def test_only_the_refused_entries_of_a_batch_are_deleted_again_and_no_handler_runs_twice(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    stage.control.fault("refuse", DELETE, entries=(0, 3), count=2, code="InternalError")
    stage.send(*words(10))
    await container.opens(stage.worker())
    await stage.empty()
    assert Counter(stage.started) == Counter(words(10))
    assert len(stage.requests(DELETE)) == 2
    assert [len(stage.entries("delete_ignored")), len(stage.entries("delete"))] == [0, 10]


async def test_finished_work_whose_delete_was_impossible_is_deleted_when_it_comes_back_and_does_not_run_again(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    stage.control.fault("refuse", DELETE, count=1, code="ReceiptHandleIsInvalid")
    stage.send("once")
    await container.opens(stage.worker())
    await until(lambda: stage.requests(DELETE), what="the delete that is refused")
    stage.control.advance(6)
    await stage.empty()
    assert stage.started == ["once"]
    assert stage.findings().delivered_twice == 1


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


async def test_no_batch_is_ever_sent_empty(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    await container.opens(stage.worker())
    await until(lambda: len(stage.requests("ReceiveMessage")) >= 2, what="an idle poll")
    await container.drains()
    assert {each.more["action"] for each in stage.entries("request")} == {"ReceiveMessage"}
