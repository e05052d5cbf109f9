"""Deletes: gathered, tried again, remembered."""

import asyncio

from shared.intake import Pace
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import virtual


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
