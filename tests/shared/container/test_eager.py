"""Since Python 3.12: work that never waits takes no turn of the loop, and no guarantee is another's for that."""

import asyncio
import sys

import pytest

from shared.message.delivery import Delivery
from tests.fakes import FakeQueue
from tests.shared.rig import Rig
from tests.virtual_time import clock, virtual

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="a task takes a turn of the loop there, however short its work"
)


class Busy(FakeQueue):
    """Whatever comes with its messages, the loop has something else to do as well."""

    def __init__(self, order: list[str]) -> None:
        super().__init__(clock)
        self._order = order

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        received = await super().receive(limit=limit, wait=wait, visibility=visibility)
        asyncio.get_running_loop().call_soon(self._order.append, "another")
        return received


def test_work_that_never_waits_ends_before_the_loop_turns_to_anything_else() -> None:
    async def story() -> None:
        order: list[str] = []

        async def work(body: str) -> None:
            order.append(body)

        rig = Rig(work, queue=Busy(order))
        rig.queue.put("a", "b")
        await rig.runs_for(1)
        assert order[:3] == ["a", "b", "another"]
        await rig.drains()
        assert rig.queue.left == []

    virtual(story())


def test_work_that_cancels_its_own_task_before_it_waits_has_failed_and_comes_again() -> None:
    async def story() -> None:
        bodies: list[str] = []

        async def work(body: str) -> None:
            bodies.append(body)
            task = asyncio.current_task()
            assert task is not None
            if bodies == ["a"]:
                task.cancel()
                await asyncio.sleep(1)

        rig = Rig(work)
        rig.queue.put("a")
        await rig.runs_for(60)
        assert bodies == ["a", "a"]
        await rig.drains()
        assert rig.queue.left == []

    virtual(story())


def test_slots_are_kept_where_some_of_the_work_waits_and_some_does_not() -> None:
    async def story() -> None:
        async def work(body: str) -> None:
            if body.startswith("slow"):
                await asyncio.sleep(5)

        rig = Rig(work, concurrency=2)
        rig.queue.put("slow0", "quick0", "quick1", "slow1", "slow2", "quick2", "quick3")
        await rig.runs_for(30)
        assert rig.most_running == 2
        assert len(rig.ended) == 7
        await rig.drains()
        assert rig.queue.left == []

    virtual(story())
