"""A pause finishes what is in hand, receives nothing, and costs a drain nothing."""

import pytest

from shared.consumer import Pace
from shared.worker import FairShares, Fifo
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import virtual


def test_a_pause_finishes_what_runs_and_receives_nothing_until_it_ends() -> None:
    async def story() -> None:
        rig = Rig(taking(5), pace=Pace(wait=1))
        rig.queue.put("a")
        await rig.runs_for(1)
        rig.poller.adjust(concurrency=0, rate=None)
        await rig.runs_for(5)
        rig.queue.put("b")
        await rig.runs_for(100)
        assert rig.ended == ["a"]
        rig.poller.adjust(concurrency=None, rate=None)
        await rig.runs_for(10)
        assert rig.ended == ["a", "b"]
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("B4")
@pytest.mark.parametrize("order", [Fifo(), FairShares(1)])
def test_a_pause_finishes_what_waits_in_hand_for_its_turn(order: Fifo | FairShares) -> None:
    async def story() -> None:
        rig = Rig(taking(5), order=order, pace=Pace(wait=1))
        rig.queue.put("a0", "a1", "a2", group="a")
        rig.queue.put("b0", "b1", group="b")
        await rig.runs_for(1)
        rig.poller.adjust(concurrency=0, rate=None)
        await rig.runs_for(2)
        rig.queue.put("a3", group="a")
        await rig.runs_for(60)
        assert (sorted(rig.ended), rig.leases.kept) == (["a0", "a1", "a2", "b0", "b1"], 0)
        assert [stored.body for stored in rig.queue.visible()] == ["a3"]
        await rig.drains()

    virtual(story())


def test_a_paused_worker_drains_at_once() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(wait=1))
        await rig.runs_for(5)
        rig.poller.adjust(concurrency=0, rate=None)
        await rig.runs_for(5)
        assert await rig.drains() < 0.1

    virtual(story())
