"""A message in hand stays hidden from everybody else, for as long as it may, and its handler knows when not: B13 to B19."""

import asyncio
import time
from collections import Counter, defaultdict

import pytest

from shared.consumer import Pace
from shared.sqs.queue import SqsQueue
from tests.behaviours.doors import ContainerDoor
from tests.behaviours.stage import Gate, Stage
from tests.behaviours.test_intake import words
from tests.waiting import until

EXTEND = "ChangeMessageVisibilityBatch"
TWO_SECONDS = Pace(wait=1, visibility=2, drain=5.0)


@pytest.mark.guarantee("B13", "B14", "B15")
@pytest.mark.slow
async def test_work_of_ten_visibility_timeouts_runs_once_while_another_consumer_waits_for_it(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    stage.otherwise = lambda _: asyncio.sleep(10 * TWO_SECONDS.visibility)
    stage.send(*words(12))
    await container.opens(stage.worker(concurrency=12, timeout=60), pace=TWO_SECONDS)
    await until(lambda: len(stage.started) == 12, what="the start")
    async with stage.server.open() as competitor:
        while stage.left():
            answer = await competitor.receive_message(QueueUrl=stage.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            assert answer.get("Messages", []) == []
    assert Counter(stage.ended) == Counter(words(12))
    assert stage.findings().faults == {}
    assert stage.findings().delivered_twice == 0
    _extensions_were_ten_in_a_call(stage)
    _only_leases_near_their_end_were_extended(stage)


def _extensions_were_ten_in_a_call(stage: Stage) -> None:
    extended = Counter(each.message_id for each in stage.entries("extend"))
    assert len(extended) == 12
    assert len(stage.requests(EXTEND)) <= 2 * max(extended.values()) + 2


def _only_leases_near_their_end_were_extended(stage: Stage) -> None:
    ends: dict[str, list[float]] = defaultdict(list)
    for each in stage.entries("receive", "extend"):
        if each.kind == "extend":
            assert ends[each.message_id][-1] - each.at < 0.6 * TWO_SECONDS.visibility
        ends[each.message_id].append(float(each.more["until"]))


@pytest.mark.guarantee("B16")
@pytest.mark.slow
async def test_a_failing_extension_does_not_stop_the_later_ones_and_a_refused_entry_is_tried_again_alone(
    stage: Stage, container: ContainerDoor
) -> None:
    faults = ("throttled", "unavailable", "denied", "reset", "refuse")
    stage.otherwise = lambda _: asyncio.sleep(6)
    for fault in faults:
        stage.queues(fault)
        stage.control.fault(
            fault, EXTEND, queues=(fault,), entries=(0,), count=1, code="InternalError" * (fault == "refuse")
        )
        stage.send(*words(3, fault))
        await container.opens(stage.worker(), pace=Pace(wait=1, visibility=3, drain=5.0))
    await until(lambda: not any(map(stage.control.messages, faults)), seconds=12, what="the empty queues")
    assert Counter(stage.started) == Counter(word for fault in faults for word in words(3, fault))
    assert stage.findings().faults == {}
    assert stage.findings().delivered_twice == 0
    assert {each["fired"] for each in stage.control.faults()} == {1}
    stage.queue = "refuse"
    asked = Counter(each.at for each in stage.entries("extend"))
    assert [asked[call] for call in sorted(asked)][:2] == [2, 1], "the second call holds the refused one alone"


@pytest.mark.guarantee("B17")
@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"])
async def test_a_lost_lease_cancels_the_handler_within_a_second_and_forbids_the_delete(
    stage: Stage, container: ContainerDoor, code: str
) -> None:
    stage.queues()
    gate = Gate()
    stage.work["contested"] = lambda _: gate.passed()
    stage.control.fault("refuse", EXTEND, count=1, code=code)
    stage.send("contested")
    await container.opens(stage.worker(), pace=TWO_SECONDS)
    await until(lambda: stage.cut == ["contested"], what="the cut")
    asked = stage.requests(EXTEND)[0].at
    assert stage.effects("failed")[0].at - asked < 1.0
    assert stage.entries("delete", "delete_ignored") == []
    gate.open()
    await stage.empty()
    assert stage.started == ["contested", "contested"]
    assert stage.findings().faults == {}


@pytest.mark.slow
@pytest.mark.guarantee("B17")
async def test_a_lease_that_no_extension_reached_is_lost_when_it_ends(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    stage.work["unreachable"] = lambda _: asyncio.sleep(30)
    stage.control.fault("denied", EXTEND)
    stage.send("unreachable")
    await container.opens(stage.worker(), pace=TWO_SECONDS)
    await until(lambda: stage.cut, what="the cut")
    [received, *_] = stage.entries("receive")
    failed = stage.effects("failed")[0].at
    assert failed - float(received.more["until"]) < 1.0
    assert stage.entries("delete") == []


@pytest.mark.guarantee("B19")
@pytest.mark.slow
async def test_a_longest_lease_ends_the_extensions_and_cuts_the_handler(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    stage.otherwise = lambda _: asyncio.sleep(60)
    stage.send("endless")
    await container.opens(stage.worker(longest_lease=4.5, timeout=60), pace=TWO_SECONDS)
    await until(lambda: stage.cut == ["endless"], what="the cut")
    [received, *_] = stage.entries("receive")
    leases = [each for each in stage.entries("receive", "extend") if each.receipt == received.receipt]
    last = max(float(each.more["until"]) for each in leases)
    failed = stage.effects("failed")[0].at
    assert 2.5 < last - received.at <= 4.6
    assert failed - last < 1.0
    assert stage.entries("delete") == []


@pytest.mark.guarantee("B18")
async def test_no_lease_is_asked_for_beyond_twelve_hours_from_the_receive(stage: Stage) -> None:
    stage.queues()
    stage.send("old")
    passed = 0.0
    async with stage.server.open() as client:
        queue = SqsQueue(
            client,
            name="uploads",
            url=stage.url,
            dead_letter_url=stage.dead_url,
            clock=lambda: time.monotonic() + passed,
        )
        [delivery] = await queue.receive(limit=1, wait=0, visibility=43_200)
        passed = 43_000.0
        stage.control.advance(passed)
        assert await queue.extend([delivery], seconds=600) == []
    [extended] = stage.entries("extend")
    [received] = stage.entries("receive")
    assert 43_100 < float(extended.more["until"]) - received.at <= 43_200


@pytest.mark.guarantee("B19")
@pytest.mark.parametrize("seconds", [0.0, 43_201.0])
def test_a_longest_lease_is_one_that_sqs_can_give(stage: Stage, seconds: float) -> None:
    with pytest.raises(ValueError, match="longest_lease"):
        stage.worker(longest_lease=seconds)
