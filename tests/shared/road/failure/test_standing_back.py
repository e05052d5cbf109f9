"""What waits while a message runs by itself has not begun: if the process ends now, none of its runs is spent."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.road.failure.apart import Apart
from shared.worker import BatchResult, Together
from tests.fakes_ledger import FakeLedger
from tests.shared.rig import Rig, taking
from tests.shared.road.failure.test_last_runs import begun_often
from tests.virtual_time import virtual


class Beside:
    """A message that was begun once, in another queue of a process in which a suspect begins to run by itself for `seconds`."""

    def __init__(self, *, seconds: float, together: bool = False) -> None:
        self.ledger = FakeLedger()
        self.begun: list[int] = []
        apart, suspects = Apart(), FakeLedger()
        self.suspected = Rig(taking(seconds), ledger=suspects, apart=apart)
        how: dict[str, Any] = {"batch": self.batch, "limits": Together(self.batch, seconds=1.0)} if together else {}
        self.rig = Rig(self.work, ledger=self.ledger, apart=apart, **how)
        begun_often(suspects, self.suspected, "suspect", times=4)
        self.name = begun_often(self.ledger, self.rig, "again", times=1)

    @property
    def runs(self) -> int:
        return self.ledger.counts[f"runs#uploads#{self.name}"]

    async def work(self, _body: str) -> None:
        self.begun.append(self.runs)

    async def batch(self, bodies: Sequence[str]) -> BatchResult:
        self.begun.append(self.runs)
        return [None] * len(bodies)

    async def start(self) -> None:
        self.suspected.start()
        await asyncio.sleep(1)
        self.rig.start()
        await asyncio.sleep(5)


@pytest.mark.guarantee("R2")
@pytest.mark.parametrize("together", [False, True])
def test_a_run_that_waits_for_a_message_by_itself_is_counted_when_it_begins(*, together: bool) -> None:
    async def story() -> None:
        beside = Beside(seconds=20, together=together)
        await beside.start()
        assert (beside.begun, beside.runs) == ([], 1), "it waits"
        await asyncio.sleep(20)
        assert beside.begun == [2]
        await beside.rig.drains()
        await beside.suspected.drains()

    virtual(story())


@pytest.mark.guarantee("R2")
def test_and_one_that_a_drain_cuts_before_that_is_not_counted() -> None:
    async def story() -> None:
        beside = Beside(seconds=600)
        await beside.start()
        await beside.rig.drains()
        assert (beside.begun, beside.runs) == ([], 1)
        await beside.suspected.drains()

    virtual(story())
