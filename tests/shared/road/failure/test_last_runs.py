"""A message that ends its process is found, and none beside it is taken for it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.outcome import Unavailable
from shared.road.failure.breakers import OPENS_AT, Breakers
from shared.worker import BatchResult, Together
from tests.fakes_ledger import FakeLedger
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


def begun_often(ledger: FakeLedger, rig: Rig, body: str, *, times: int, last_runs: int = 0) -> str:
    """A message in the queue that `times` processes have begun, and none has ended. Returns its id."""
    [stored] = rig.queue.put(body)
    stored.receipts = times + 1
    ledger.counts[f"runs#uploads#{stored.message_id}"] = times
    ledger.counts[f"last#uploads#{stored.message_id}"] = last_runs
    return stored.message_id


@pytest.mark.guarantee("R3")
def test_the_last_runs_of_two_workers_of_one_process_are_not_beside_each_other() -> None:
    async def story() -> None:
        last_run, ledger, others = asyncio.Lock(), FakeLedger(), FakeLedger()
        killer = Rig(taking(20), ledger=ledger, last_run=last_run)
        other = Rig(taking(20), ledger=others, last_run=last_run)
        begun_often(ledger, killer, "killer", times=4)
        begun_often(others, other, "healthy", times=4)
        killer.start()
        other.start()
        await asyncio.sleep(10)
        assert killer.started + other.started in (["killer"], ["healthy"])
        await asyncio.sleep(40)
        assert (killer.ended, other.ended) == (["killer"], ["healthy"])
        await killer.drains()
        await other.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_a_last_run_that_waits_for_a_dependency_holds_up_no_other() -> None:
    async def story() -> None:
        breakers = Breakers(clock=clock)

        async def down(_body: str) -> None:
            for _ in range(OPENS_AT):
                breakers.failed("s3", code="ServiceUnavailable")
            raise Unavailable("the other side is down")

        last_run, ledger, others = asyncio.Lock(), FakeLedger(), FakeLedger()
        waiting = Rig(down, ledger=ledger, last_run=last_run, breakers=breakers)
        other = Rig(at_once, ledger=others, last_run=last_run)
        name = begun_often(ledger, waiting, "waiting", times=4)
        waiting.start()
        await asyncio.sleep(3_600)
        begun_often(others, other, "healthy", times=4)
        other.start()
        await asyncio.sleep(10)
        assert other.ended == ["healthy"]
        assert len(waiting.started) > 10, "it is tried all the while"
        assert ledger.counts[f"last#uploads#{name}"] == 0, "a process that ends while it waits does not spend it"
        await waiting.drains()
        await other.drains()
        assert ledger.counts[f"runs#uploads#{name}"] == 4
        assert waiting.queue.letters == []

    virtual(story())


@pytest.mark.guarantee("R3")
@pytest.mark.parametrize("times", [5, 9])
def test_a_process_that_ended_before_a_last_run_began_spends_nothing(times: int) -> None:
    async def story() -> None:
        ledger = FakeLedger()
        rig = Rig(at_once, ledger=ledger)
        name = begun_often(ledger, rig, "healthy", times=times)
        await rig.runs_for(2)
        assert (rig.ended, rig.queue.letters) == (["healthy"], [])
        assert ledger.counts[f"last#uploads#{name}"] == 0
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_so_it_is_with_a_batch_which_buries_the_one_whose_last_run_ended_the_process() -> None:
    batches: list[list[str]] = []

    async def handle(bodies: Sequence[str]) -> BatchResult:
        batches.append(list(bodies))
        return [None] * len(bodies)

    async def story() -> None:
        ledger = FakeLedger()
        limits: Together[Any] = Together(handle, count=3, seconds=1)
        rig = Rig(batch=handle, limits=limits, ledger=ledger)
        begun_often(ledger, rig, "a", times=5)
        begun_often(ledger, rig, "killer", times=5, last_runs=1)
        begun_often(ledger, rig, "b", times=7)
        await rig.runs_for(5)
        assert sorted(batches) == [["a"], ["b"]]
        assert [letter.body for letter in rig.queue.letters] == ["killer"]
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_a_last_run_that_a_drain_cuts_is_not_the_messages_end() -> None:
    async def story() -> None:
        ledger = FakeLedger()
        rig = Rig(taking(600), ledger=ledger)
        name = begun_often(ledger, rig, "slow", times=4)
        await rig.runs_for(2)
        assert ledger.counts[f"last#uploads#{name}"] == 1
        await rig.drains()
        assert (ledger.counts[f"last#uploads#{name}"], ledger.counts[f"runs#uploads#{name}"]) == (0, 4)
        assert rig.queue.letters == []

    virtual(story())
