"""What is cut because the process leaves, or because its lease is lost, has not failed, whatever its handler makes of that."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from string import ascii_lowercase
from typing import Any

import pytest

from shared.consumer import Pace
from shared.message.dead_letter import Letter
from shared.message.delivery import Delivery
from shared.outcome import Later, Reject
from shared.sqs.batches import Refused
from shared.worker import BatchResult
from tests.fakes import FakeQueue
from tests.fakes_ledger import FakeLedger
from tests.made import together
from tests.shared.rig import Rig
from tests.virtual_time import clock, virtual

RESTARTS = 8
"""More than a message has runs."""


async def whose_cleanup_raises(_body: str) -> None:
    try:
        await asyncio.sleep(3_600)
    finally:
        raise ConnectionError("closed while it was cleaned up")


async def whose_tasks_raise(body: str) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(whose_cleanup_raises(body))
        group.create_task(asyncio.sleep(3_600))


async def that_makes_an_error_of_it(_body: str) -> None:
    try:
        await asyncio.sleep(3_600)
    except asyncio.CancelledError:
        raise RuntimeError("interrupted") from None


async def that_says_it_without_the_reason(_body: str) -> None:
    try:
        await asyncio.sleep(3_600)
    except asyncio.CancelledError:
        raise asyncio.CancelledError from None


async def that_gathers(_body: str) -> None:
    async def step() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3_600)

    await asyncio.gather(step(), step())  # and is cancelled without the reason, since neither step was


async def that_cancels_itself(_body: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    try:
        await asyncio.sleep(3_600)
    finally:
        task.cancel()
        await asyncio.sleep(0)


async def whose_time_ends_in_its_cleanup(_body: str) -> None:
    try:
        await asyncio.sleep(3_600)
    finally:
        await asyncio.sleep(0.4)


async def in_batches(bodies: Sequence[str]) -> BatchResult:
    await whose_cleanup_raises(bodies[0])
    return [None] * len(bodies)


async def that_answers_an_error(bodies: Sequence[str]) -> BatchResult:
    try:
        await whose_cleanup_raises(bodies[0])
    except ConnectionError as error:
        return [error] * len(bodies)
    return [None] * len(bodies)


HANDLERS: list[dict[str, Any]] = [
    {"work": whose_cleanup_raises},
    {"work": whose_tasks_raise},
    {"work": that_makes_an_error_of_it},
    {"work": that_says_it_without_the_reason},
    {"work": that_gathers},
    {"work": that_cancels_itself},
    {"work": whose_time_ends_in_its_cleanup, "timeout": 124.2},
    {"batch": in_batches, "limits": together(seconds=1)},
    {"batch": that_answers_an_error, "limits": together(seconds=1)},
]
NAMES = ["cleanup", "tasks", "another error", "no reason", "gathered", "itself", "its time", "batch", "answered"]


@pytest.mark.guarantee("R2")
@pytest.mark.parametrize("handler", HANDLERS, ids=NAMES)
@pytest.mark.parametrize("ledger", [FakeLedger, lambda: None], ids=["counted", "not counted"])
def test_restarts_bury_no_message_whose_handler_raises_when_it_is_cut(
    handler: dict[str, Any], ledger: Callable[[], FakeLedger | None]
) -> None:
    async def story() -> None:
        queue, counts = FakeQueue(clock), ledger()
        queue.put("a")
        for _ in range(RESTARTS):
            rig = Rig(queue=queue, ledger=counts, **handler)
            await rig.runs_for(100.0)
            await rig.drains()
            assert [each.hidden_until <= clock() for each in queue.left] == [True], "given back, and not hidden"
        assert not queue.letters

    virtual(story())


@pytest.mark.guarantee("R2")
@pytest.mark.parametrize("handler", HANDLERS, ids=NAMES)
def test_so_is_it_with_leases_that_are_lost(handler: dict[str, Any]) -> None:
    async def story() -> None:
        rig = Rig(ledger=FakeLedger(), **handler)
        rig.queue.fail_extend = failing
        [message] = rig.queue.put("a")
        await rig.runs_for(RESTARTS * 100.0)
        assert message.receipts >= RESTARTS
        assert not rig.queue.letters
        await rig.drains()

    virtual(story())


def failing() -> None:
    raise ConnectionError


@pytest.mark.guarantee("B21")
@pytest.mark.parametrize("ended_by", ["restarts", "lost leases"])
def test_of_a_batch_that_is_cut_what_was_buried_is_not_buried_again(ended_by: str) -> None:
    class Slow(FakeQueue):
        async def bury(self, letter: Letter) -> None:
            await asyncio.sleep(24)
            await super().bury(letter)

    async def refuse(bodies: Sequence[str]) -> BatchResult:
        return [Reject("never")] * len(bodies)

    async def story() -> None:
        queue = Slow(clock)
        queue.put(*ascii_lowercase)
        if ended_by == "lost leases":
            queue.fail_extend = failing
        for _ in range(9):
            rig = Rig(batch=refuse, limits=together(count=26, seconds=1), queue=queue)
            await rig.runs_for(30.0 if ended_by == "restarts" else 65.0)
            await rig.drains()
        assert not queue.left
        assert sorted(letter.body for letter in queue.letters) == list(ascii_lowercase)

    virtual(story())


@pytest.mark.guarantee("B20")
def test_of_a_batch_that_is_cut_what_is_being_hidden_stays_hidden_and_each_message_is_settled_once() -> None:
    class Slow(FakeQueue):
        async def bury(self, letter: Letter) -> None:
            await asyncio.sleep(60)
            await super().bury(letter)

        async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
            settled.extend(each.body for each in deliveries)
            return await super().delete(deliveries)

        async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
            settled.extend(each.body for each in seconds)
            await asyncio.sleep(3)
            return await super().release(seconds)

    async def answer(bodies: Sequence[str]) -> BatchResult:
        await asyncio.sleep(18)
        answers = {"done": None, "never": Reject("never"), "later": Later("in an hour", after=3_600)}
        return [answers[body] for body in bodies]

    settled: list[str] = []

    async def story() -> None:
        queue, began = Slow(clock), clock()
        queue.put("done", "later", "never")
        queue.refuse = lambda call, each: "ReceiptHandleIsInvalid" if (call, each.body) == ("extend", "never") else ""
        rig = Rig(batch=answer, limits=together(count=3, seconds=1), queue=queue, pace=Pace(visibility=30))
        await rig.runs_for(28)
        assert {each.body: round(each.hidden_until - began, -2) for each in queue.left} == {"never": 0, "later": 3_600}
        assert sorted(settled) == ["done", "later"]
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("B29")
def test_a_drain_that_cuts_a_batch_asks_once_for_each_message_of_it() -> None:
    class Slow(FakeQueue):
        async def bury(self, letter: Letter) -> None:
            await asyncio.sleep(60)
            await super().bury(letter)

        async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
            asked.extend(each.body for each in deliveries)
            return await super().delete(deliveries)

        async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
            asked.extend(each.body for each in seconds)
            return await super().release(seconds)

    async def answer(bodies: Sequence[str]) -> BatchResult:
        answers = {"done": None, "never": Reject("never"), "later": Later("in an hour", after=3_600)}
        return [answers[body] for body in bodies]

    asked: list[str] = []

    async def story() -> None:
        queue = Slow(clock)
        queue.put("done", "later", "never")
        rig = Rig(batch=answer, limits=together(count=3, seconds=1), queue=queue, pace=Pace(drain=10))
        await rig.runs_for(5)
        await rig.drains()
        assert sorted(asked) == ["done", "later", "never"]

    virtual(story())
