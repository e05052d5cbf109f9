"""Messages that wait behind a slow one of their FIFO group do not keep other groups out."""

import asyncio

import pytest

from shared.consumer import Pace
from shared.worker import Fifo
from tests.fakes import FakeQueue
from tests.shared.rig import Rig
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
