"""A queue whose answers take their time, and a backlog in it."""

import asyncio

import pytest

from shared.message.delivery import Delivery
from tests.fakes import FakeQueue
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


class Far(FakeQueue):
    """A queue whose answers take 20 ms."""

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        self.open_polls += 1
        self.most_open_polls = max(self.most_open_polls, self.open_polls)
        try:
            await asyncio.sleep(0.02)
        finally:
            self.open_polls -= 1
        return await super().receive(limit=limit, wait=wait, visibility=visibility)


def test_a_backlog_far_away_is_fetched_by_many_polls_at_once() -> None:
    async def story() -> None:
        rig = Rig(at_once, concurrency=500, queue=Far(clock))
        rig.queue.put(*(f"b{number}" for number in range(500)))
        await rig.runs_for(0.5)
        assert len(rig.ended) == 500, "one poll at a time needs a second"

    virtual(story())


@pytest.mark.guarantee("B3")
def test_after_a_backlog_no_poll_is_opened_that_waited_for_room() -> None:
    async def story() -> None:
        rig = Rig(taking(0.1), concurrency=50)
        rig.queue.put(*(f"b{number}" for number in range(600)))
        await rig.runs_for(10)
        assert len(rig.ended) == 600
        assert rig.queue.open_polls > 1
        await rig.runs_for(21)
        assert rig.queue.open_polls == 1
        await rig.drains()

    virtual(story())
