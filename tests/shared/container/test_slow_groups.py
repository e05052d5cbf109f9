"""Messages that wait for the turn of their group do not keep other groups out."""

import asyncio

import pytest

from shared.consumer import Pace
from shared.limits import Budget
from shared.worker import FairShares, Fifo
from tests.fakes import FakeQueue
from tests.shared.rig import Rig, taking
from tests.virtual_time import clock, virtual


@pytest.mark.guarantee("R7")
def test_three_slow_groups_leave_the_idle_slots_to_others() -> None:
    async def story() -> None:
        async def work(body: str) -> None:
            await asyncio.sleep(50 if body.startswith("slow") else 0.1)

        rig = Rig(work, order=Fifo(), concurrency=10, pace=Pace(visibility=60))
        for group in ("slow-a", "slow-b", "slow-c"):
            rig.queue.put(*(f"{group}-{number}" for number in range(10)), group=group)
        await rig.runs_for(2)
        for number in range(40):
            rig.queue.put(f"quick-{number}", group=f"q-{number}")
        await rig.runs_for(5)
        assert sum(body.startswith("quick") for body in rig.ended) == 40
        await rig.drains()

    virtual(story())


def test_while_no_handler_is_idle_groups_that_wait_take_no_places_of_their_own() -> None:
    async def story() -> None:
        async def never(_body: str) -> None:
            await asyncio.sleep(1_000)

        rig = Rig(never, order=Fifo(), concurrency=2, pace=Pace(visibility=60))
        for group in range(20):
            rig.queue.put(*(f"{group}-{number}" for number in range(10)), group=str(group))
        await rig.runs_for(5)
        assert len(rig.started) == 2
        assert rig.leases.kept <= 2 + 20
        await rig.drains()

    virtual(story())


def test_what_waits_takes_no_more_than_ten_places_for_each_handler() -> None:
    async def story() -> None:
        async def never(_body: str) -> None:
            await asyncio.sleep(1_000)

        more_than_sqs = FakeQueue(clock, fifo=False)  # hands out a group of which something is in flight
        rig = Rig(never, queue=more_than_sqs, order=Fifo(), concurrency=2, pace=Pace(visibility=60))
        rig.queue.put(*(str(number) for number in range(200)), group="one")
        await rig.runs_for(5)
        assert len(rig.started) == 1
        assert rig.leases.kept <= 2 + 20 + 20
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("B27")
def test_a_flood_of_one_tenant_does_not_keep_others_out_while_handlers_are_idle() -> None:
    async def story() -> None:
        async def work(body: str) -> None:
            await asyncio.sleep(50 if body.startswith("flood") else 0.1)

        rig = Rig(work, order=FairShares(2), concurrency=10, pace=Pace(visibility=60))
        flood = rig.queue.put(*(f"flood-{number}" for number in range(300)), group="noisy")
        await rig.runs_for(2)
        rig.queue.put(*(f"quick-{number}" for number in range(40)), group="quiet")
        await rig.runs_for(5)
        assert sum(body.startswith("quick") for body in rig.ended) == 40
        assert sum(body.startswith("flood") for body in rig.started) == 2
        await rig.runs_for(200)
        assert max(each.receipts for each in flood) == 1
        await rig.drains()

    virtual(story())


def test_a_flood_leaves_half_of_the_bytes_to_the_other_queues_of_the_process() -> None:
    async def story() -> None:
        rig = Rig(taking(1_000), order=FairShares(1), concurrency=2, pace=Pace(visibility=60), budget=Budget(100_000))
        rig.queue.put(*("x" * 1_000 for _ in range(300)), group="noisy")
        await rig.runs_for(5)
        held = 100_000 - rig.consumer.budget.room
        assert 40_000 <= held <= 80_000, "half, and what open polls bring"
        assert len(rig.started) == 1
        await rig.drains()

    virtual(story())


def test_after_an_empty_answer_the_next_messages_are_taken_to_be_as_large_as_the_last() -> None:
    async def story() -> None:
        rig = Rig(taking(1_000), concurrency=50, pace=Pace(wait=1), budget=Budget(100_000))
        rig.queue.put("x" * 25_000)
        await rig.runs_for(10)
        rig.queue.put(*("x" * 25_000 for _ in range(20)))
        await rig.runs_for(5)
        assert len(rig.started) <= 4, "each beyond these stands above the budget"
        await rig.drains()

    virtual(story())


def test_no_more_than_a_thousand_messages_wait_for_their_share() -> None:
    async def story() -> None:
        rig = Rig(taking(1_000), order=FairShares(1), concurrency=2, pace=Pace(visibility=60))
        rig.queue.put(*(str(number) for number in range(1_300)), group="noisy")
        await rig.runs_for(30)
        assert 1_000 <= rig.leases.kept <= 1_000 + 2 + 20
        await rig.drains()

    virtual(story())
