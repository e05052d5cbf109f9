"""Messages that end their sandbox, beside healthy ones: each is buried after a few starts, and nothing else is."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from shared.consumer import Clocks, Consumer, Stores, join
from shared.lambda_door.invocation import report
from shared.road.failure.breakers import Breakers
from shared.worker import BatchResult, Fifo, Together
from tests.fakes_ledger import CutLedger
from tests.made import make_worker
from tests.shared.lambda_door.test_invocation import Returning, record
from tests.virtual_time import clock, virtual

ARRIVALS = {0: "abcdKe", 2: "fLg", 3: "Mhij"}
"""In which invocation which messages are there for the first time; those in capitals end their sandbox."""


class Story:
    """Invocations of one function, one after another; what ends a sandbox leaves all of its records in the queue."""

    def __init__(self, *, kind: str) -> None:
        self.kind = kind
        self.ledger = CutLedger()
        self.queue = Returning()
        self.done = Counter[str]()
        self.starts = Counter[str]()
        self.ended = asyncio.Event()

    async def work(self, body: str) -> None:
        self.starts[body] += 1
        if body.isupper():
            await asyncio.sleep(1)
            self.ended.set()
            await asyncio.Event().wait()
        await asyncio.sleep(2)
        self.done[body] += 1

    async def batch(self, bodies: Sequence[str]) -> BatchResult:
        await asyncio.gather(*map(self.work, bodies))
        return [None] * len(bodies)

    def sandbox(self) -> Consumer:
        how: dict[str, Any] = {"order": Fifo() if self.kind == "fifo" else None}
        if self.kind == "batch":
            how = {"handle_batch": self.batch, "batch": Together(self.batch, count=10, seconds=1.0)}
        worker = make_worker(*([] if self.kind == "batch" else [self.work]), decode=lambda each: each.body, **how)
        stores = Stores(self.queue, self.ledger, breakers=Breakers(waits=False), resource_name="uploads")
        return join(worker, stores, clocks=Clocks(monotonic=clock, lease=clock))

    async def until_quiet(self) -> None:
        receipts = Counter[str]()
        there: list[str] = []
        for number in range(40):
            there += ARRIVALS.get(number, "")
            receipts.update(there)
            # Another group for each: of those behind one that stays nothing would begin.
            records = [record(each, attempt=receipts[each], group=f"g{each}") for each in there]
            staying = await self._invoke(records)
            there = [each for each in there if each in staying]
            if not there and number > max(ARRIVALS):
                return

    async def _invoke(self, records: list[dict[str, Any]]) -> Sequence[str]:
        self.ended.clear()
        invocation = asyncio.ensure_future(report(records, [self.sandbox()], deadline=clock() + 600))
        end = asyncio.ensure_future(self.ended.wait())
        await asyncio.wait([invocation, end], return_when=asyncio.FIRST_COMPLETED)
        end.cancel("cut")
        if invocation.done():
            return invocation.result().staying
        self.ledger.is_cut = True
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel("killed")
            with suppress(asyncio.CancelledError):
                await task
        self.ledger.is_cut = False
        return [each["body"] for each in records]


@pytest.mark.guarantee("R3")
@pytest.mark.parametrize("kind", ["each", "fifo", "batch"])
def test_three_messages_that_end_their_sandbox_are_buried_and_nothing_beside_them(kind: str) -> None:
    async def story() -> None:
        lived = Story(kind=kind)
        await lived.until_quiet()
        # A letter may be there twice: it is sent before the next one ends the sandbox, and deleted after the report.
        assert {letter.body for letter in lived.queue.letters} == {*"KLM"}
        assert sorted(lived.done) == [*"abcdefghij"]
        assert max(lived.starts[each] for each in "KLM") <= 6

    virtual(story())
