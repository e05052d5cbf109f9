"""A process that is told to leave: nothing healthy is spent, and the process is gone in time, whatever runs in it."""

import asyncio
import random
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.consumer import Pace
from shared.message.delivery import Delivery
from shared.sqs.batches import Refused
from shared.worker import BatchResult, FairShares, Fifo
from tests.fakes import FakeQueue
from tests.fakes_ledger import FakeLedger
from tests.made import together
from tests.shared.rig import Rig, taking
from tests.virtual_time import clock, virtual

ROOT = Path(__file__).parents[3]


@pytest.mark.guarantee("R4")
def test_twenty_restarts_under_load_spend_at_most_one_receipt_each_and_bury_nothing() -> None:
    async def story() -> None:
        dice = random.Random(7)
        queue = FakeQueue(clock)
        rig = Rig(taking(0.5), queue=queue, pace=Pace(wait=5, drain=10))
        rig.start()
        done: list[str] = []
        for restart in range(20):
            for number in range(dice.randint(20, 60)):
                queue.put(f"{restart}-{number}")
                await asyncio.sleep(dice.random() / 20)
            await rig.drains()
            done += rig.ended
            rig = Rig(taking(0.5), queue=queue, pace=Pace(wait=5, drain=10))
            rig.start()
        await asyncio.sleep(60)
        await rig.drains()
        done += rig.ended
        assert sorted(done) == sorted(each.body for each in queue.messages)
        assert max(each.receipts for each in queue.messages) <= 2
        assert queue.letters == []

    virtual(story())


class SilentInTheEnd(FakeQueue):
    """From a moment on it answers nothing."""

    is_silent = False

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        await self._answers()
        return await super().receive(limit=limit, wait=wait, visibility=visibility)

    async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
        await self._answers()
        return await super().release(seconds)

    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        await self._answers()
        return await super().delete(deliveries)

    async def _answers(self) -> None:
        if self.is_silent:
            await asyncio.sleep(3_600)


def test_a_queue_that_answers_nothing_any_more_does_not_make_the_drain_longer_than_its_budget() -> None:
    async def story() -> None:
        queue = SilentInTheEnd(clock)
        rig = Rig(taking(60), queue=queue, pace=Pace(wait=5, drain=10), concurrency=1, order=FairShares(1))
        queue.put("a", "b", "c", group="a")
        await rig.runs_for(7)
        queue.is_silent = True
        await asyncio.sleep(5)
        assert await rig.drains() <= 10.0

    virtual(story())


async def drained(rig: Rig) -> MutableMapping[str, Any]:
    """The log line of its drain."""
    with capture_logs() as lines:
        await rig.drains()
    [line] = [each for each in lines if each["event"] == "drained"]
    return line


@pytest.mark.guarantee("R5")
@pytest.mark.parametrize("call", ["delete", "release"])
def test_a_drain_counts_what_it_could_not_settle_and_warns_of_it(call: str) -> None:
    async def story() -> None:
        work = taking(2 if call == "delete" else 600)
        rig = Rig(work, pace=Pace(wait=5, drain=10), concurrency=3)
        rig.queue.refuse = lambda asked, _delivery: "ServiceUnavailable" if asked == call else ""
        rig.queue.put("a", "b", "c")
        await rig.runs_for(1)
        line = await drained(rig)
        assert (line["unsettled"], line["log_level"]) == (3, "warning")
        assert len(rig.queue.left) == 3

    virtual(story())


def test_a_drain_counts_what_was_given_up_before_its_end_because_its_lease_was_over() -> None:
    async def story() -> None:
        rig = Rig(taking(2), pace=Pace(wait=2, visibility=5, drain=20), concurrency=3)
        rig.queue.refuse = lambda _asked, _delivery: "ServiceUnavailable"
        rig.queue.put("a", "b", "c")
        await rig.runs_for(1)
        assert (await drained(rig))["unsettled"] == 3

    virtual(story())


@pytest.mark.guarantee("R6")
def test_a_fifo_message_whose_delete_is_still_refused_when_the_drain_ends_is_not_given_back() -> None:
    async def story() -> None:
        rig = Rig(taking(1), pace=Pace(wait=5, drain=10), order=Fifo())
        rig.queue.refuse = lambda call, _delivery: "ServiceUnavailable" if call == "delete" else ""
        rig.queue.put("a", "b", group="g")
        await rig.runs_for(2)
        line = await drained(rig)
        assert rig.started == ["a"]
        assert (line["unsettled"], line["cut"]) == (1, 0)
        assert [each.body for each in rig.queue.visible()] == [], "its group waits with it, and b does not overtake"

    virtual(story())


def test_a_handler_may_stop_the_process_that_runs_it_and_is_done_itself() -> None:
    async def story() -> None:
        async def stopping(body: str) -> None:
            rig.stop.set()
            rig.stop.set()
            await asyncio.sleep(1)

        rig = Rig(stopping, pace=Pace(wait=5, drain=10), concurrency=1, order=FairShares(1))
        rig.queue.put("a", "b", group="g")
        await rig.runs_for(30)
        assert rig.ended[0] == "a"
        assert rig.queue.messages[0].deleted
        assert rig.leases.kept == 0

    virtual(story())


class SlowLedger(FakeLedger):
    async def count(self, key: str, *, by: int, now: float, keep: float) -> int:
        await asyncio.sleep(1.9)
        return await super().count(key, by=by, now=now, keep=keep)


@pytest.mark.guarantee("B30")
def test_what_its_batch_had_finished_when_the_drain_cut_it_is_deleted_and_not_given_back() -> None:
    async def story() -> None:
        async def halves(bodies: Sequence[str]) -> BatchResult:
            await asyncio.sleep(12.5)
            return [None if each == "done" else ConnectionError() for each in bodies]

        rig = Rig(batch=halves, limits=together(count=2, seconds=1), pace=Pace(wait=1, drain=10), ledger=SlowLedger())
        done, failed = rig.queue.put("done", "failed")
        await rig.runs_for(5)
        assert (await drained(rig))["unsettled"] == 0
        assert (done.deleted, failed.deleted) == (True, False)

    virtual(story())


def test_a_drain_that_settled_everything_says_so_without_a_warning() -> None:
    async def story() -> None:
        rig = Rig(taking(2), pace=Pace(wait=5, drain=10), concurrency=1, order=FairShares(1))
        rig.queue.put(*(str(number) for number in range(12)), group="a")
        await rig.runs_for(1)
        line = await drained(rig)
        assert (line["unsettled"], line["log_level"]) == (0, "info")

    virtual(story())
