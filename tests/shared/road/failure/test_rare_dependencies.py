"""A dependency that few messages ask: those that found it down are gone, and the others say nothing of it."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.road.failure.breakers import LONGEST_PROBE, OPENS_AT, Breakers
from shared.worker import BatchResult, Fifo
from tests.made import together
from tests.shared.rig import Rig
from tests.virtual_time import clock, virtual

ASKS = "asks"
MINUTE = 60.0


class Rare:
    """A dependency that only bodies beginning with `asks` call. It is down while `is_down`, and the queue with it."""

    def __init__(self) -> None:
        self.breakers = Breakers(clock=clock, dice=lambda: 0.5)
        self.is_down = True
        self.asked = 0

    async def one(self, body: str) -> None:
        await asyncio.sleep(0.1)
        if body.startswith(ASKS):
            self.asked += 1
            if self.is_down:
                self.breakers.failed("s3", code="ServiceUnavailable")
                raise ConnectionError
            self.breakers.succeeded("s3")

    async def many(self, bodies: Sequence[str]) -> BatchResult:
        for body in bodies:
            await self.one(body)
        return [None] * len(bodies)


def rig_of(rare: Rare, door: str) -> Rig:
    if door == "batch":
        return Rig(batch=rare.many, limits=together(count=10, seconds=1), breakers=rare.breakers)
    return Rig(rare.one, breakers=rare.breakers, order=Fifo() if door == "fifo" else None)


async def meets_outage_and_forgets(rig: Rig) -> None:
    """Enough of them are lost with their leases, as where the whole network is away for a while."""
    lost = [rig.queue.put(f"{ASKS} {number}", group=f"lost {number}")[0] for number in range(OPENS_AT + 1)]
    await rig.runs_for(MINUTE / 2)
    assert rig.poller.missing == ["s3: is down (ServiceUnavailable)"]
    for each in lost:
        rig.queue.messages.remove(each)
    await asyncio.sleep(2 * MINUTE)


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize("door", ["plain", "fifo", "batch"])
def test_all_go_on_within_a_minute_where_those_that_found_a_dependency_down_are_gone_and_the_others_do_not_ask_it(
    door: str,
) -> None:
    async def story() -> None:
        rare = Rare()
        rig = rig_of(rare, door)
        await meets_outage_and_forgets(rig)
        rare.is_down = False
        for number in range(300):
            rig.queue.put(f"other {number}", group=f"g{number % 20}")
        await asyncio.sleep(MINUTE)
        assert (len(rig.queue.left), rig.poller.missing) == (0, [])
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R1")
def test_a_backlog_of_which_few_ask_what_is_down_probes_no_more_often_and_is_worked_off_after_it() -> None:
    async def story() -> None:
        rare = Rare()
        rig = rig_of(rare, "plain")
        for number in range(100):
            rig.queue.put(f"{ASKS} {number}" if number % 10 == 0 else f"other {number}")
        await rig.runs_for(10 * MINUTE)
        asked = rare.asked
        await asyncio.sleep(10 * MINUTE)
        assert rig.poller.missing == ["s3: is down (ServiceUnavailable)"]
        assert rare.asked - asked <= 10 * MINUTE / LONGEST_PROBE * 1.5, "one probe at a time, and not more often"
        rare.is_down = False
        await asyncio.sleep(LONGEST_PROBE + 5)
        assert rig.queue.left == []
        assert rig.queue.letters == []
        await rig.drains()

    virtual(story())


def test_a_probe_that_did_not_ask_leaves_the_next_turn_at_once_and_one_that_did_does_not() -> None:
    async def story() -> None:
        breakers = Breakers(clock=clock, dice=lambda: 1.0)
        for _ in range(OPENS_AT):
            breakers.failed("s3", code="ServiceUnavailable")
        began = clock()
        for _ in range(3):
            assert await breakers.passage({"s3"}), "it is a probe"
            breakers.probed({"s3"})
        assert clock() - began < 1.5
        assert await breakers.passage({"s3"})
        breakers.failed("s3", code="ServiceUnavailable")
        breakers.probed({"s3"})
        assert await breakers.passage({"s3"})
        assert clock() - began > 1.5

    virtual(story())
