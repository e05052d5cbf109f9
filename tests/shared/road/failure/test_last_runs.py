"""A message that ends its process is found, and none beside it is taken for it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from shared.outcome import Unavailable
from shared.road.failure.apart import PATIENCE, Apart, first_start_apart
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
        apart, ledger, others = Apart(), FakeLedger(), FakeLedger()
        killer = Rig(taking(20), ledger=ledger, apart=apart)
        other = Rig(taking(20), ledger=others, apart=apart)
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

        apart, ledger, others = Apart(), FakeLedger(), FakeLedger()
        waiting = Rig(down, ledger=ledger, apart=apart, breakers=breakers)
        other = Rig(at_once, ledger=others, apart=apart)
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
        begun_often(ledger, rig, "killer", times=5, last_runs=3)
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


@pytest.mark.guarantee("R3")
def test_beside_a_message_that_may_end_the_process_nothing_runs_whatever_its_queue() -> None:
    async def story() -> None:
        apart, ledger = Apart(), FakeLedger()
        suspected = Rig(taking(20), ledger=ledger, apart=apart)
        other = Rig(taking(10), ledger=FakeLedger(), apart=apart)
        other.queue.put("at work")
        other.start()
        await asyncio.sleep(1)
        begun_often(ledger, suspected, "suspect", times=2)
        suspected.start()
        await asyncio.sleep(1)
        other.queue.put("new")
        await asyncio.sleep(7.9)
        assert (suspected.started, other.started) == ([], ["at work"])
        await asyncio.sleep(10)
        assert (suspected.started, other.started) == (["suspect"], ["at work"])
        await asyncio.sleep(12)
        assert (suspected.ended, other.started) == (["suspect"], ["at work", "new"])
        await suspected.drains()
        await other.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_it_waits_half_a_minute_for_those_that_are_at_work_and_no_longer() -> None:
    async def story() -> None:
        apart, ledger = Apart(), FakeLedger()
        suspected = Rig(taking(1), ledger=ledger, apart=apart)
        other = Rig(taking(600), ledger=FakeLedger(), apart=apart)
        other.queue.put("long")
        other.start()
        await asyncio.sleep(1)
        begun_often(ledger, suspected, "suspect", times=2)
        suspected.start()
        await asyncio.sleep(PATIENCE - 1)
        assert suspected.started == []
        await asyncio.sleep(5)
        assert suspected.ended == ["suspect"]
        await suspected.drains()
        await other.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_a_lone_run_that_does_not_let_itself_be_cut_holds_up_the_others_no_longer_than_its_time_limit() -> None:
    async def story() -> None:
        async def stubborn(_body: str) -> None:
            end = clock() + 900
            while clock() < end:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(end - clock())

        apart, ledger = Apart(), FakeLedger()
        suspected = Rig(stubborn, ledger=ledger, apart=apart, timeout=30.0)
        other = Rig(at_once, ledger=FakeLedger(), apart=apart)
        begun_often(ledger, suspected, "suspect", times=2)
        suspected.start()
        other.start()
        await asyncio.sleep(1)
        other.queue.put("healthy")
        await asyncio.sleep(25)
        assert other.ended == []
        await asyncio.sleep(10)
        assert other.ended == ["healthy"]
        assert suspected.ended == []
        await other.drains()
        await asyncio.sleep(900)
        await suspected.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_a_process_that_is_killed_from_outside_at_two_lone_starts_buries_nothing() -> None:
    async def story() -> None:
        ledger = FakeLedger()
        rig = Rig(at_once, ledger=ledger)
        begun_often(ledger, rig, "healthy", times=4, last_runs=2)
        await rig.runs_for(2)
        assert (rig.ended, rig.queue.letters) == (["healthy"], [])
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_what_failed_each_time_and_was_begun_once_more_is_run_again_and_not_taken_for_one_that_never_ended() -> None:
    async def story() -> None:
        async def fail(_body: str) -> None:
            raise ValueError

        ledger = FakeLedger()
        rig = Rig(fail, ledger=ledger)
        name = begun_often(ledger, rig, "faulty", times=5)
        ledger.counts[f"ended#uploads#{name}"] = 3
        await rig.runs_for(2)
        [letter] = rig.queue.letters
        assert "ValueError" in str(letter.attributes)
        await rig.drains()

    virtual(story())


def test_of_few_starts_the_last_one_is_alone_and_of_one_none() -> None:
    assert [first_start_apart(starts) for starts in (1, 2, 3, 4, 5, 8)] == [1, 2, 3, 3, 3, 3]
