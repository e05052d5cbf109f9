"""Messages come in no faster than they can be worked on, and nobody waits for another: B1 to B7."""

import asyncio
import time
from collections import Counter
from itertools import pairwise

import pytest

from shared.consumer import Pace
from tests.behaviours.doors import ContainerDoor, Door
from tests.behaviours.stage import Gate, Stage, never
from tests.waiting import until


def words(count: int, name: str = "message") -> list[str]:
    return [f"{name} {number}" for number in range(count)]


@pytest.mark.guarantee("B1")
async def test_never_more_handlers_run_than_the_worker_allows(stage: Stage, door: Door) -> None:
    stage.queues()
    stage.otherwise = lambda _: asyncio.sleep(0.02)
    stage.send(*words(24))
    await door.opens(stage.worker(concurrency=3))
    await stage.empty()
    assert stage.most_running == 3
    assert Counter(stage.ended) == Counter(words(24))


@pytest.mark.guarantee("B1")
async def test_with_one_slot_messages_run_one_at_a_time(stage: Stage, door: Door) -> None:
    stage.queues()
    stage.send(*words(8))
    await door.opens(stage.worker(concurrency=1))
    await stage.empty()
    assert stage.most_running == 1
    assert stage.findings().faults == {}


@pytest.mark.guarantee("B2")
async def test_a_slow_message_does_not_keep_the_other_slots_from_being_filled(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    gate = Gate()
    stage.work["slow"] = lambda _: gate.passed()
    stage.send("slow", *words(40))
    await container.opens(stage.worker(concurrency=10))
    await until(lambda: len(stage.ended) == 40, what="the forty others")
    assert "slow" not in stage.ended
    assert stage.most_running == 10, "the nine others were started beside it, and refilled"
    gate.open()
    await stage.empty()


@pytest.mark.slow
@pytest.mark.guarantee("B3")
async def test_an_empty_queue_has_one_open_poll_at_a_time(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    await container.opens(stage.worker(), pace=Pace(wait=1, visibility=5, drain=5.0))
    await until(lambda: len(stage.requests("ReceiveMessage")) >= 1, what="the first poll")
    await never(lambda: stage.control.stats()["queues"]["uploads"]["open_polls"] > 1, seconds=3.2)
    assert len(stage.requests("ReceiveMessage")) >= 4
    asked = [each.at for each in stage.requests("ReceiveMessage")][1:]  # the first does not wait: it makes it ready
    assert min(later - earlier for earlier, later in pairwise(asked)) > 0.9


@pytest.mark.slow
@pytest.mark.guarantee("B4")
async def test_a_paused_worker_receives_nothing_and_goes_on_when_it_is_told(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    gate = Gate()
    stage.work["in flight"] = lambda _: gate.passed()
    stage.send("in flight")
    poller = await container.opens(stage.worker(concurrency=2))
    await until(lambda: stage.started, what="the first message")
    poller.adjust(concurrency=0, rate=None)
    gate.open()
    await until(lambda: stage.ended == ["in flight"], what="the end of what was in flight")
    await until(lambda: time.time() - stage.requests("ReceiveMessage")[-1].at > 1.1, what="the end of the open poll")
    stage.send(*words(5))
    await never(lambda: len(stage.started) > 1, seconds=0.5)
    poller.adjust(concurrency=None, rate=None)
    await until(lambda: len(stage.ended) == 6, what="the rest")


@pytest.mark.slow
@pytest.mark.guarantee("B5")
async def test_a_rate_holds_under_backlog_and_can_be_changed_while_it_runs(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    stage.send(*words(80))
    poller = await container.opens(stage.worker(rate=20))
    await until(lambda: len(stage.started) >= 30, what="thirty at the first rate")
    times = stage.started_at[:30]
    assert max(sum(start <= each < start + 1 for each in times) for start in times) <= 23
    poller.adjust(concurrency=None, rate=1_000)
    await until(lambda: len(stage.started) == 80, seconds=2, what="the rest at the second rate")


@pytest.mark.guarantee("B5")
async def test_a_limited_worker_drains_without_waiting_for_its_rate(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    stage.send(*words(20))
    await container.opens(stage.worker(rate=1))
    await until(lambda: stage.ended, what="the first message")
    assert await container.drains() < 2.5
    assert {each["state"] for each in stage.left()} == {"ready"}


@pytest.mark.guarantee("B6")
async def test_the_trouble_of_one_queue_does_not_touch_another(stage: Stage, container: ContainerDoor) -> None:
    stage.queues("broken")
    broken = stage.worker()
    stage.control.fault("internal", queues=("broken",))
    await container.opens(broken)
    stage.queues("empty")
    await container.opens(stage.worker(), pace=Pace(wait=20, visibility=5, drain=2.0))
    stage.queues("uploads")
    await container.opens(stage.worker())
    stage.send(*words(30))
    await until(lambda: len(stage.ended) == 30, seconds=2, what="the queue that is well")


@pytest.mark.guarantee("B7")
async def test_a_hundred_malformed_messages_cost_no_slot(stage: Stage, door: Door) -> None:
    stage.queues()
    gate = Gate()
    stage.send(*words(100, "malformed"))
    await door.opens(stage.worker(concurrency=3))
    await until(lambda: len(stage.buried()) == 100, what="a hundred dead letters")
    await stage.empty()
    stage.otherwise = lambda _: gate.passed()
    stage.send(*words(3))
    await until(lambda: stage.running == 3, what="every slot in use")
    gate.open()
    await stage.empty()
