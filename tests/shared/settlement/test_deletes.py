"""Deletes: gathered, tried again, remembered."""

import asyncio
from itertools import pairwise

import pytest

from shared.consumer import Pace
from shared.message.delivery import Attribute
from shared.message.identity import REPLAY
from shared.settlement.gathered import REMEMBERED
from tests.fakes import delivery
from tests.fakes_ledger import FakeLedger, Row
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


def test_a_refused_delete_is_tried_again_and_the_handler_is_not() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        rig.queue.put("a", "b")
        refusals = ["InternalError", "RequestThrottled"]
        rig.queue.refuse = lambda call, each: (
            refusals.pop() if call == "delete" and each.body == "a" and refusals else ""
        )
        await rig.runs_for(5)
        assert rig.queue.left == []
        assert sorted(rig.started) == ["a", "b"]
        await rig.drains()

    virtual(story())


def test_a_delete_call_that_fails_whole_is_tried_again() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        rig.queue.put("a")
        faults = [ConnectionResetError(), TimeoutError(), OSError()]

        def flaky() -> None:
            if faults:
                raise faults.pop()

        rig.queue.fail_delete = flaky
        await rig.runs_for(5)
        assert (rig.queue.left, rig.started) == ([], ["a"])
        await rig.drains()

    virtual(story())


def test_finished_work_whose_delete_failed_is_deleted_on_redelivery_without_running_again() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(visibility=30))
        [stored] = rig.queue.put("a")
        rig.queue.refuse = lambda call, each: "ReceiptHandleIsInvalid" if call == "delete" and each.attempt == 1 else ""
        await rig.runs_for(60)
        assert (stored.receipts, stored.deleted, rig.started) == (2, True, ["a"])
        await rig.drains()

    virtual(story())


def test_a_delete_that_cannot_come_through_ends_with_its_lease_and_is_remembered() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(visibility=30))
        [stored] = rig.queue.put("a")

        def broken() -> None:
            raise ConnectionResetError

        rig.queue.fail_delete = rig.queue.fail_extend = broken
        await rig.runs_for(40)
        rig.queue.fail_delete = rig.queue.fail_extend = lambda: None
        await rig.runs_for(60)
        assert (stored.deleted, rig.started) == (True, ["a"])
        await rig.drains()

    virtual(story())


class SilentAtFirst(FakeLedger):
    """Does not answer the first note."""

    async def note(self, key: str, *, now: float, keep: float) -> None:
        if key not in self.rows:
            self.rows[key] = Row("", claimed_until=now)
            await asyncio.Event().wait()


def test_a_replayed_message_that_loses_its_lease_while_the_ledger_hears_of_it_does_not_run_again() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(visibility=30), ledger=SilentAtFirst())
        [stored] = rig.queue.put("a")
        stored.attributes = {REPLAY: Attribute("String", '{"plan_id": "p-1", "replayed_from": "m-7"}')}
        rig.queue.refuse = lambda call, each: "ReceiptHandleIsInvalid" if call == "extend" and each.attempt == 1 else ""
        await rig.runs_for(60)
        assert (stored.receipts, stored.deleted, rig.started) == (2, True, ["a"])
        await rig.drains()

    virtual(story())


def delete_times(dice: float, *, visibility: float, extends: bool) -> list[float]:
    """When a delete was tried, in seconds after the first try, while every delete is throttled."""

    async def story() -> list[float]:
        rig = Rig(at_once, pace=Pace(visibility=int(visibility)), dice=lambda: dice)
        rig.queue.put("a")
        times: list[float] = []

        def throttled() -> None:
            times.append(clock())
            raise OSError

        def unreachable() -> None:
            raise OSError

        rig.queue.fail_delete = throttled
        if not extends:
            rig.queue.fail_extend = unreachable
        await rig.runs_for(visibility)
        rig.queue.fail_delete = lambda: None
        return [each - times[0] for each in times]

    return virtual(story())


@pytest.mark.guarantee("B12")
def test_other_dice_make_other_pauses_between_the_tries_of_a_delete() -> None:
    low, high = (delete_times(dice, visibility=30, extends=True)[:4] for dice in (0.0, 0.5))
    assert low == pytest.approx([0.0, 0.1, 0.3, 0.7])
    assert high == pytest.approx([0.0, 0.2, 0.6, 1.4])


@pytest.mark.guarantee("B12")
@pytest.mark.parametrize("dice", [0.0, 0.5, 0.99])
def test_a_delete_is_tried_as_long_as_its_lease_lasts_and_not_once_beyond_and_never_in_a_flood(dice: float) -> None:
    times = delete_times(dice, visibility=5, extends=False)
    assert 4.5 < times[-1] < 5, "the last try comes shortly before the end, whatever the pause had grown to"
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.049
    assert len(times) < 25


def test_deletes_made_during_the_drain_are_sent_before_the_end() -> None:
    async def story() -> None:
        rig = Rig(taking(3))
        rig.queue.put(*(f"b{number}" for number in range(7)))
        await rig.runs_for(1)
        await rig.drains()
        assert rig.queue.left == []

    virtual(story())


def test_an_empty_batch_is_never_sent() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        await rig.deletes.settled()
        await asyncio.sleep(1)
        assert rig.queue.count("delete") == 0

    virtual(story())


@pytest.mark.slow
def test_of_finished_work_the_last_ten_thousand_are_remembered() -> None:
    async def story() -> None:
        rig = Rig()
        finished = [delivery("a", message_id=f"m-{number}") for number in range(REMEMBERED + 1)]
        for each in finished:  # they hold no lease, so that no delete of theirs is ever sent
            rig.deletes.add(each)
        assert not rig.deletes.was_finished(finished[0])
        assert rig.deletes.was_finished(finished[1])

    virtual(story())
