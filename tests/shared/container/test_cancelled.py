"""What is cancelled ends, and nothing goes on without it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import pytest

from shared.limits import Throttle
from shared.message.identity import ATTRIBUTE as FAILURE
from shared.road.failure.breakers import OPENS_AT, Breakers
from shared.worker import BatchResult, Fifo
from tests.fakes import delivery
from tests.fakes_ledger import FakeLedger
from tests.shared.rig import Rig, taking
from tests.virtual_time import clock, virtual


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.06, 0.5, 30.0])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with all of its tasks"])
def test_a_poller_that_is_cancelled_leaves_nothing_behind_that_goes_on_without_it(
    moment: float, *, alone: bool
) -> None:
    async def story() -> None:
        rig = Rig(taking(0.02), concurrency=3)
        rig.queue.put(*(f"b{number}" for number in range(40)))
        await rig.runs_for(moment)
        ours = asyncio.all_tasks() - {asyncio.current_task()}
        if alone:  # as the program cancels it that runs a worker inside itself
            ours = {task for task in ours if _name(task) == "Poller.run"}
            assert len(ours) == 1
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
        calls = len(rig.queue.calls)
        for _ in range(5):
            await asyncio.sleep(0.02)
            assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(rig.queue.calls) == calls

    virtual(story())


def _name(task: asyncio.Task[Any]) -> str:
    return str(getattr(task.get_coro(), "__qualname__", ""))


Waiting = tuple[Coroutine[Any, Any, object], Callable[[], None]]
"""What waits, and a change that lets it look and wait again."""


def throttled() -> Waiting:
    throttle = Throttle(0.1, clock=clock)
    throttle.spend(1_000)
    return throttle.allowed(), lambda: throttle.change(0.2)


def leased() -> Waiting:
    rig = Rig(taking(1.0))
    rig.leases.take(delivery(received_at=clock()))
    return rig.leases.keep(), lambda: rig.leases.unsettle([])


def broken() -> Waiting:
    breakers = Breakers(clock=clock)
    for name in ("s3", "dynamodb"):
        for _ in range(OPENS_AT):
            breakers.failed(name, code="Timeout")
    return breakers.passage(["s3", "dynamodb"]), lambda: breakers.succeeded("s3")


@pytest.mark.parametrize("waiting", [throttled, leased, broken])
@pytest.mark.parametrize("steps", range(4))
def test_a_cancellation_that_meets_a_change_is_not_lost(waiting: Callable[[], Waiting], steps: int) -> None:
    async def story() -> None:
        waits, change = waiting()
        task = asyncio.create_task(waits)
        await asyncio.sleep(0.001)
        change()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0.001)
        assert task.done()

    virtual(story())


def cancel_this() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def waits() -> None:
    cancel_this()
    await asyncio.sleep(0.1)


async def raises() -> None:
    cancel_this()
    raise ValueError


async def insists() -> None:
    for _ in range(3):
        with suppress(asyncio.CancelledError):
            await waits()
    await waits()


@pytest.mark.parametrize("order", [None, Fifo()])
@pytest.mark.parametrize("end", [waits, raises, insists])
def test_a_handler_that_cancels_its_own_task_fails_its_message_and_holds_up_nobody(
    order: Fifo | None, end: Callable[[], Awaitable[None]]
) -> None:
    async def story() -> None:
        wild = ["first"]

        async def work(body: str) -> None:
            if body == "a" and wild:
                wild.pop()
                await end()
            await asyncio.sleep(0.1)

        rig = Rig(work, order=order)
        rig.queue.put("a", "b", group="g")
        await rig.runs_for(10)
        assert sorted(rig.ended) == ["a", "b"]
        assert rig.ended == ["a", "b"] or order is None
        await rig.drains()

    virtual(story())


@pytest.mark.parametrize("end", [waits, raises, insists])
@pytest.mark.parametrize("together", [False, True])
def test_a_handler_that_cancels_its_own_task_at_each_run_has_so_many_runs_as_one_that_fails(
    end: Callable[[], Awaitable[None]], *, together: bool
) -> None:
    async def story() -> None:
        runs: list[str] = []

        async def work(body: str) -> None:
            runs.append(body)
            await end()

        async def batch(bodies: Sequence[str]) -> BatchResult:
            await work(*bodies)
            return [None]

        rig = Rig(None if together else work, batch=batch if together else None, ledger=FakeLedger())
        rig.queue.put("a")
        await rig.runs_for(100_000)
        assert runs == ["a"] * 5
        [letter] = rig.queue.letters
        assert ("ValueError" if end is raises else "CancelledError") in str(letter.attributes[FAILURE].text)
        await rig.drains()

    virtual(story())
