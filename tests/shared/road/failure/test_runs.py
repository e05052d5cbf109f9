"""Runs and not receipts decide on burial: deploys, turns and others' claims bury nothing, a message that kills its process is."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.backoff import Backoff
from shared.message.delivery import Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Reject
from shared.road.failure.runs import UNKNOWN, Runs
from shared.worker import Fifo
from tests.fakes import delivery
from tests.fakes_ledger import FakeLedger
from tests.shared.rig import Rig, at_once
from tests.virtual_time import virtual


class Down(FakeLedger):
    async def count(self, key: str, *, by: int, now: float, keep: float) -> int:
        raise ConnectionError


def receipt(attempt: int) -> Delivery:
    return delivery(message_id="m-1", attempt=attempt)


def runs_of(ledger: FakeLedger | None) -> Runs:
    return Runs(ledger, now=lambda: 1_000.0)


async def test_the_usual_message_costs_no_call() -> None:
    ledger = FakeLedger()
    assert await runs_of(ledger).begin(receipt(1)) == 1
    assert ledger.counts == {}


async def test_a_run_is_counted_when_its_first_receipt_has_failed_and_when_a_later_one_begins() -> None:
    ledger = FakeLedger()
    runs = runs_of(ledger)
    await runs.begin(receipt(1))
    await runs.failed(receipt(1))
    assert [await runs.begin(receipt(attempt)) for attempt in (2, 3)] == [2, 3]
    await runs.failed(receipt(3))
    assert ledger.counts == {"runs#uploads#m-1": 3}


async def test_receipts_without_a_run_do_not_count() -> None:
    runs = runs_of(FakeLedger())
    assert await runs.begin(receipt(40)) == 1


async def test_a_run_that_was_cut_is_taken_back() -> None:
    runs = runs_of(FakeLedger())
    for attempt in range(2, 20):
        assert await runs.begin(receipt(attempt)) == 1
        await runs.forget(receipt(attempt))


async def test_while_the_ledger_is_down_nothing_is_taken_for_the_last_run() -> None:
    assert await runs_of(Down()).begin(receipt(60)) == UNKNOWN


async def test_without_a_ledger_receipts_stand_for_runs() -> None:
    assert await runs_of(None).begin(receipt(4)) == 4


def rig_with(ledger: FakeLedger, work: Any = at_once, **options: Any) -> Rig:
    return Rig(work, ledger=ledger, **options)


@pytest.mark.guarantee("R3")
def test_a_message_whose_process_dies_at_each_start_is_buried_with_that_reason() -> None:
    async def story() -> None:
        ledger = FakeLedger()
        rig = rig_with(ledger)
        [stored] = rig.queue.put("killer")
        stored.receipts = 6
        ledger.counts["runs#uploads#m-1"] = 5  # five processes have begun it, and none has ended it
        ledger.counts["last#uploads#m-1"] = 3  # the last three ran nothing else
        await rig.runs_for(2)
        assert rig.started == []
        [letter] = rig.queue.letters
        reason = letter.attributes[ATTRIBUTE].text or ""
        assert "NeverEnded" in reason
        assert "begun 5 times" in reason
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R2")
def test_many_receipts_of_a_message_that_never_ran_bury_nothing() -> None:
    async def story() -> None:
        rig = rig_with(FakeLedger())
        [stored] = rig.queue.put("healthy")
        stored.receipts = 30
        await rig.runs_for(2)
        assert (rig.ended, rig.queue.letters) == (["healthy"], [])
        await rig.drains()

    virtual(story())


def test_at_the_queues_last_receipt_what_fails_is_buried_by_us_with_its_reason() -> None:
    async def failing(_body: str) -> None:
        raise ConnectionError

    async def story() -> None:
        rig = rig_with(FakeLedger(), failing, max_receives=30)
        [stored] = rig.queue.put("a")
        stored.receipts = 29
        await rig.runs_for(2)
        assert "ConnectionError" in (rig.queue.letters[0].attributes[ATTRIBUTE].text or "")
        await rig.drains()

    virtual(story())


def test_a_rejected_message_is_buried_at_its_first_run() -> None:
    async def rejecting(_body: str) -> None:
        raise Reject("never")

    async def story() -> None:
        rig = rig_with(FakeLedger(), rejecting)
        rig.queue.put("a")
        await rig.runs_for(2)
        assert len(rig.queue.letters) == 1
        await rig.drains()

    virtual(story())


async def failing(_body: str) -> None:
    raise ConnectionError


@pytest.mark.parametrize("ledger", [FakeLedger, lambda: None])
def test_the_runs_in_hand_of_a_fifo_head_count_as_one(ledger: Callable[[], FakeLedger | None]) -> None:
    async def story() -> None:
        rig = Rig(failing, order=Fifo(), backoff=Backoff(cap=2.0), ledger=ledger())
        [stored] = rig.queue.put("a", group="g")
        await rig.runs_for(120)
        assert stored.receipts == 5
        assert rig.started == ["a"] * 13, "three at each receipt, and one at the last"
        assert "ConnectionError" in (rig.queue.letters[0].attributes[ATTRIBUTE].text or "")
        await rig.drains()

    virtual(story())


def test_without_a_ledger_a_fifo_head_has_all_its_runs_where_few_are_allowed() -> None:
    async def story() -> None:
        rig = Rig(failing, order=Fifo(), max_attempts=2, backoff=Backoff(cap=2.0))
        [stored] = rig.queue.put("a", group="g")
        await rig.runs_for(30)
        assert stored.receipts == 2
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R2")
@pytest.mark.parametrize("receipts", [6, 40, 98])
@pytest.mark.parametrize("order", [None, Fifo()])
def test_without_a_ledger_many_receipts_of_a_message_that_never_ran_do_not_bury_it_unrun(
    receipts: int, order: Fifo | None
) -> None:
    async def story() -> None:
        rig = Rig(at_once, order=order)
        [stored] = rig.queue.put("healthy", group="g")
        stored.receipts = receipts
        await rig.runs_for(2)
        assert (rig.ended, rig.queue.letters) == (["healthy"], [])
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R3")
def test_without_a_ledger_what_comes_to_its_last_receipt_is_buried_with_a_reason_before_sqs_moves_it() -> None:
    async def story() -> None:
        rig = Rig(at_once, max_receives=30)
        [stored] = rig.queue.put("killer")
        stored.receipts = 29
        await rig.runs_for(2)
        assert rig.started == []
        reason = rig.queue.letters[0].attributes[ATTRIBUTE].text or ""
        assert "NeverEnded" in reason
        assert "received 30 times" in reason
        await rig.drains()

    virtual(story())


def test_without_a_ledger_a_queue_that_allows_few_receipts_has_them_all_run() -> None:
    async def story() -> None:
        rig = Rig(failing, max_receives=3, backoff=Backoff(cap=2.0))
        rig.queue.put("a")
        await rig.runs_for(60)
        assert rig.started == ["a"] * 3
        assert "ConnectionError" in (rig.queue.letters[0].attributes[ATTRIBUTE].text or "")
        await rig.drains()

    virtual(story())
