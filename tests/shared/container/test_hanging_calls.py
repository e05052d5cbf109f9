"""Calls that hang hide nothing: a lost lease is seen, a group keeps its order, a drain keeps to its budget."""

import asyncio
from collections.abc import Sequence

from shared.consumer import Pace
from shared.message.delivery import Delivery
from shared.sqs.batches import Refused
from shared.worker import Fifo
from tests.fakes import FakeQueue
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


class Hanging(FakeQueue):
    """A queue whose extensions and deletes are never answered while `hangs`."""

    hangs = False

    async def extend(self, deliveries: Sequence[Delivery], *, seconds: float) -> list[Refused]:
        await self._hang()
        return await super().extend(deliveries, seconds=seconds)

    async def delete(self, deliveries: Sequence[Delivery]) -> list[Refused]:
        await self._hang()
        return await super().delete(deliveries)

    async def _hang(self) -> None:
        if self.hangs:
            await asyncio.sleep(100_000)


def hanging(rig: Rig) -> Hanging:
    assert isinstance(rig.queue, Hanging)
    return rig.queue


def test_an_extension_that_hangs_does_not_hide_that_the_lease_has_ended() -> None:
    async def story() -> None:
        rig = Rig(taking(1_000), pace=Pace(visibility=30), queue=Hanging(clock))
        rig.queue.put("a")
        await rig.runs_for(1)
        hanging(rig).hangs = True
        await rig.runs_for(30.5)
        assert rig.started == ["a", "a"], "it came again when its lease ended"
        assert rig.most_running == 1, "its first handler was cut by then"

    virtual(story())


def test_a_message_that_lost_its_lease_while_it_waited_for_its_turn_is_not_started() -> None:
    async def story() -> None:
        rig = Rig(taking(100), order=Fifo(), pace=Pace(visibility=30), queue=Hanging(clock, fifo=True))
        rig.queue.put("a0", "a1", group="a")
        await rig.runs_for(1)
        hanging(rig).hangs = True
        await rig.runs_for(35)
        assert "a1" not in rig.started, "its lease has ended as well: it must wait for a0 to come again"
        hanging(rig).hangs = False
        await rig.runs_for(1_500)
        assert rig.ended == ["a0", "a1"]
        await rig.drains()

    virtual(story())


def test_a_drain_keeps_to_its_budget_though_sqs_answers_nothing_any_more() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(wait=1, drain=10), queue=Hanging(clock))
        await rig.runs_for(1)
        hanging(rig).hangs = True
        rig.queue.put("a", "b")
        await rig.runs_for(5)
        assert await rig.drains() <= 11

    virtual(story())
