"""Leases are kept while there is work, and what is lost is neither finished nor deleted."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from shared.consumer import Pace
from shared.message.delivery import Delivery
from shared.sqs.batches import Refused
from tests.fakes import FakeQueue
from tests.shared.rig import Rig, taking
from tests.virtual_time import clock, virtual


def test_extensions_of_many_messages_are_asked_for_ten_at_a_time() -> None:
    async def story() -> None:
        rig = Rig(taking(45), concurrency=30, pace=Pace(visibility=60))
        rig.queue.put(*(f"b{number}" for number in range(30)))
        await rig.runs_for(44)
        assert [size for call, size in rig.queue.calls if call == "extend"] == [10, 10, 10]
        await rig.drains()

    virtual(story())


def test_only_messages_near_their_end_are_extended() -> None:
    async def story() -> None:
        rig = Rig(taking(70), pace=Pace(visibility=60))
        rig.queue.put("early")
        await rig.runs_for(35)
        rig.queue.put("late")
        await rig.runs_for(10)
        assert [size for call, size in rig.queue.calls if call == "extend"] == [1]

    virtual(story())


def test_a_failing_extension_does_not_stop_the_later_ones() -> None:
    async def story() -> None:
        rig = Rig(taking(200), pace=Pace(visibility=60))
        [stored] = rig.queue.put("a")
        await rig.runs_for(1)
        faults = [ConnectionResetError(), TimeoutError()]

        def flaky() -> None:
            if faults:
                raise faults.pop()

        rig.queue.fail_extend = flaky
        await rig.runs_for(210)
        assert (stored.receipts, stored.deleted) == (1, True)

    virtual(story())


def test_a_refused_entry_is_tried_again_alone() -> None:
    async def story() -> None:
        rig = Rig(taking(200), pace=Pace(visibility=60))
        stored = rig.queue.put("a", "b")
        refusals = ["InternalError"]
        rig.queue.refuse = lambda call, each: (
            refusals.pop() if call == "extend" and each.body == "a" and refusals else ""
        )
        await rig.runs_for(210)
        assert [each.receipts for each in stored] == [1, 1]

    virtual(story())


def test_a_lost_lease_cancels_the_handler_and_forbids_the_delete() -> None:
    async def story() -> None:
        rig = Rig(taking(100), pace=Pace(visibility=60))
        [stored] = rig.queue.put("a")
        await rig.runs_for(1)
        rig.queue.refuse = lambda call, _each: "ReceiptHandleIsInvalid" if call == "extend" else ""
        await rig.runs_for(45)
        assert rig.running.total() == 0
        assert rig.queue.count("delete") == 0
        assert not stored.deleted

    virtual(story())


def test_a_lease_that_ran_out_because_no_extension_came_through_is_lost() -> None:
    async def story() -> None:
        rig = Rig(taking(1_000), pace=Pace(visibility=60))
        rig.queue.put("a")
        await rig.runs_for(1)

        def broken() -> None:
            raise ConnectionResetError

        rig.queue.fail_extend = rig.queue.fail_receive = broken
        await rig.runs_for(75)
        assert rig.running.total() == 0

    virtual(story())


@pytest.mark.guarantee("B18")
def test_a_lease_is_not_kept_beyond_the_twelve_hours_of_sqs() -> None:
    async def that_outlives_its_limit(_body: str) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(100_000)
        await asyncio.sleep(100_000)

    async def story() -> None:
        rig = Rig(that_outlives_its_limit, pace=Pace(visibility=600))
        rig.queue.put("a")
        await rig.runs_for(1)
        extended: list[float] = []
        began = asyncio.get_running_loop().time()
        rig.queue.fail_extend = lambda: extended.append(asyncio.get_running_loop().time() - began)
        await rig.runs_for(43_300)
        assert max(extended) + 600 < 43_200
        assert rig.ended == []

    virtual(story())


def test_an_extension_that_is_answered_late_holds_from_the_moment_it_was_asked_for() -> None:
    """When SQS began to count is not known: it may have been at once."""

    class Late(FakeQueue):
        async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
            if self.count("extend"):
                await asyncio.Event().wait()
            refused = await super().extend(deliveries, seconds=seconds)
            await asyncio.sleep(5)
            return refused

    async def story() -> None:
        rig = Rig(taking(200), queue=Late(clock), pace=Pace(visibility=60))
        [stored] = rig.queue.put("a")
        await rig.runs_for(41)
        hidden_until = stored.hidden_until
        await rig.runs_for(hidden_until - clock() - 0.01)
        assert rig.running.total() == 0, "it runs on although another may have it in a moment"

    virtual(story())


def test_a_lease_that_nobody_extends_is_not_held_beyond_its_end() -> None:
    async def story() -> None:
        rig = Rig(pace=Pace(visibility=60))
        rig.queue.put("a")
        [received] = await rig.queue.receive(limit=1, wait=0, visibility=60)
        rig.leases.take(received)
        assert rig.leases.holds(received)
        await asyncio.sleep(60)
        assert not rig.leases.holds(received)

    virtual(story())


def test_work_that_will_not_be_cut_for_its_lost_lease_is_not_deleted() -> None:
    async def story() -> None:
        async def stubborn(_body: str) -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(0)

        rig = Rig(stubborn, pace=Pace(visibility=60))
        rig.queue.put("a")
        rig.queue.refuse = lambda call, _each: "ReceiptHandleIsInvalid" if call == "extend" else ""
        await rig.runs_for(59)
        assert rig.ended == ["a"]
        assert rig.queue.count("delete") == 0

    virtual(story())
