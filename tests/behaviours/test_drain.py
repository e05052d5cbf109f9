"""SIGTERM to a real process: nothing is lost, nothing stays hidden, and the end comes inside the budget: B28 to B30."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.behaviours.stage import Stage
from tests.waiting import until

BUDGET = 3
"""Seconds of the drain in these processes."""


@asynccontextmanager
async def running(stage: Stage, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **stage.environment,
        "HEALTH_PORT": "0",
        "POLL_WAIT_SECONDS": "1",
        "VISIBILITY_SECONDS": "20",
        "DRAIN_SECONDS": str(BUDGET),
        "PATH": os.environ["PATH"],
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.behaviours.drained_worker", env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process: asyncio.subprocess.Process, *, signals: int = 1) -> float:
    """Ask it to end; how many seconds it took."""
    asked_at = time.monotonic()
    for _ in range(signals):
        process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(BUDGET + 5):
        assert await process.wait() == 0
    return time.monotonic() - asked_at


def states(stage: Stage) -> set[str]:
    return {each["state"] for each in stage.left()}


def started(stage: Stage, count: int) -> Callable[[], bool]:
    return lambda: len(stage.effects("started")) >= count


@pytest.mark.guarantee("B28")
async def test_a_drain_lets_work_end_deletes_it_and_receives_nothing_more(stage: Stage) -> None:
    stage.queues()
    stage.send(*["0.4"] * 50)
    async with running(stage, CONCURRENCY="5") as process:
        await until(started(stage, 10), what="work")
        assert await ended(process) < BUDGET + 1
    assert states(stage) == {"ready"}
    assert len(stage.effects("ended")) == len(stage.entries("delete")) == 50 - len(stage.left())
    assert stage.findings().faults == {}
    assert stage.findings().done_twice == 0


@pytest.mark.guarantee("B28")
@pytest.mark.slow
async def test_hung_work_is_cut_and_given_back_inside_the_budget_and_a_second_signal_changes_nothing(
    stage: Stage,
) -> None:
    stage.queues()
    stage.send("hang", "hang", "0.1")
    async with running(stage) as process:
        await until(lambda: len(stage.effects("ended")) == 1 and started(stage, 3)(), what="the quick one")
        assert await ended(process, signals=3) < BUDGET + 1.5
    assert [each["body"] for each in stage.left()] == ["hang", "hang"]
    assert states(stage) == {"ready"}
    assert stage.findings().faults == {}


@pytest.mark.slow
@pytest.mark.guarantee("B29")
async def test_messages_that_were_not_started_are_given_back_in_batches(stage: Stage) -> None:
    stage.queues("uploads.fifo")
    for place in range(12):  # bodies of one group, which wait for the first
        stage.send(f"{2 + place / 100}", group="red")
    async with running(stage) as process:
        await until(started(stage, 1), what="the first of the group")
        await ended(process)
    assert states(stage) == {"ready"}
    released = stage.entries("release")
    assert len(released) >= 9
    assert len(stage.requests("ChangeMessageVisibilityBatch")) <= 3
    assert stage.findings().faults == {}


@pytest.mark.guarantee("B28")
@pytest.mark.slow
async def test_a_message_that_comes_during_the_drain_is_handled_or_given_back(stage: Stage) -> None:
    stage.queues()
    stage.send("1.0")
    async with running(stage) as process:
        await until(started(stage, 1), what="work")
        ending = asyncio.create_task(ended(process))
        stage.send("0.1", "0.1")
        assert await ending < BUDGET + 1
    assert states(stage) <= {"ready"}
    assert stage.findings().faults == {}
