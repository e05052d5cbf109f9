"""Handlers that raise, return or are what they should not: each costs its own message a try, and nobody else's: B24."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from shared.message.delivery import Delivery
from shared.outcome import Reject
from tests.behaviours.doors import Door
from tests.behaviours.stage import Stage, failing
from tests.made import together
from tests.waiting import until


class Unheard(BaseException):
    """What no handler should raise."""


@pytest.mark.guarantee("B24")
@pytest.mark.parametrize(
    "error", [Unheard(), asyncio.CancelledError(), SystemExit(1)], ids=lambda error: type(error).__name__
)
async def test_whatever_a_handler_raises_fails_only_its_own_message(
    stage: Stage, door: Door, error: BaseException
) -> None:
    stage.queues()
    stage.work["odd"] = failing(error, times=1)
    stage.send("odd", "well", "well too")
    await door.opens(stage.worker())
    await stage.seen("extend")
    stage.control.advance(10)
    await stage.empty()
    assert Counter(stage.ended) == Counter(["odd", "well", "well too"])
    assert stage.started.count("odd") == 2


@pytest.mark.guarantee("B24")
async def test_a_handler_that_cancels_its_own_task_fails_only_its_own_message(stage: Stage, door: Door) -> None:
    async def cancel_this(delivery: Delivery) -> None:
        task = asyncio.current_task()
        assert task is not None
        if stage.started.count(delivery.body) == 1:
            task.cancel()
        await asyncio.sleep(0.01)

    stage.queues()
    stage.work["odd"] = cancel_this
    stage.send("odd", "well", "well too")
    await door.opens(stage.worker(concurrency=1))
    await stage.seen("extend")
    stage.control.advance(10)
    await stage.empty()
    assert Counter(stage.ended) == Counter(["odd", "well", "well too"])


@pytest.mark.guarantee("B24")
async def test_a_handler_that_returns_what_it_should_raise_fails_only_its_own_message(stage: Stage, door: Door) -> None:
    stage.queues()
    calls: list[str] = []

    async def handle(delivery: Delivery) -> Any:
        calls.append(delivery.body)
        return Reject("returned") if delivery.body == "odd" and calls.count("odd") == 1 else None

    stage.send("odd", "well")
    await door.opens(stage.worker(handle=handle))
    await stage.seen("extend")
    await stage.seen("delete")
    assert [each["body"] for each in stage.left()] == ["odd"]
    stage.control.advance(10)
    await stage.empty()
    assert Counter(calls) == {"odd": 2, "well": 1}


@pytest.mark.guarantee("B24")
@pytest.mark.parametrize("nonsense", [None, 7, [], "ab", ["done", "done"]])
async def test_a_batch_handler_that_answers_nonsense_loses_nothing(stage: Stage, door: Door, nonsense: object) -> None:
    stage.queues()
    calls: list[int] = []

    async def handle_batch(deliveries: Any) -> Any:
        calls.append(len(deliveries))
        return [None] * len(deliveries) if len(calls) > 2 else nonsense

    stage.send("one", "two")
    await door.opens(stage.worker(handle_batch=handle_batch, batch=together(count=2, seconds=0.1)))
    await stage.seen("extend", 2)
    assert len(stage.left()) == 2

    def all_is_done() -> bool:
        stage.control.advance(10)
        return not stage.left()

    await until(all_is_done, what="the empty queue")
    assert stage.buried() == []
