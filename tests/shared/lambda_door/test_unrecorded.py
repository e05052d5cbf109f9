"""What had its end before Lambda's time was over, and was still waiting to say so: for its completion, or for the others of its batch."""

import asyncio
from collections.abc import Sequence
from string import ascii_lowercase

import pytest

from shared.consumer import Clocks, Stores, join
from shared.lambda_door.invocation import Report, report
from shared.message.dead_letter import Letter
from shared.outcome import Reject
from shared.road.failure.breakers import Breakers
from shared.worker import BatchResult
from tests.made import make_worker, together
from tests.shared.keyed import FaultyLedger, hangs
from tests.shared.lambda_door.test_invocation import Returning, record
from tests.virtual_time import clock, virtual


@pytest.mark.guarantee("K9")
def test_work_that_is_done_is_reported_as_done_though_the_time_ended_before_it_was_written_down() -> None:
    ran: list[str] = []

    async def handle(body: str) -> None:
        ran.append(body)
        await asyncio.sleep(7)

    async def story() -> Report:
        ledger = FaultyLedger()
        ledger.before["complete"] = [hangs] * 9
        worker = make_worker(handle, decode=lambda each: each.body, key=lambda body: body, timeout=15.0)
        stores = Stores(Returning(), breakers=Breakers(waits=False), resource_name="uploads", ledger=ledger)
        consumer = join(worker, stores, clocks=Clocks(monotonic=clock, lease=clock))
        return await report([record("a")], [consumer], deadline=clock() + 9)

    found = virtual(story())
    assert (ran, found.staying, found.left) == (["a"], (), 1)


@pytest.mark.guarantee("B21", "B32")
def test_of_a_batch_what_was_buried_before_the_time_ended_is_not_buried_again() -> None:
    class Slow(Returning):
        async def bury(self, letter: Letter) -> None:
            await asyncio.sleep(1)
            await super().bury(letter)

    async def refuse(bodies: Sequence[str]) -> BatchResult:
        return [Reject("never")] * len(bodies)

    async def story() -> tuple[list[str], int]:
        queue, left = Slow(), [record(body) for body in ascii_lowercase]
        worker = make_worker(
            handle_batch=refuse, batch=together(count=26, seconds=1), decode=lambda each: each.body, timeout=15.0
        )
        stores = Stores(queue, breakers=Breakers(waits=False), resource_name="uploads")
        consumer = join(worker, stores, clocks=Clocks(monotonic=clock, lease=clock))
        invocations = 0
        while left and invocations < 9:
            found = await report(left, [consumer], deadline=clock() + 2.5)
            left = [each for each in left if each["messageId"] in found.staying]
            invocations += 1
        return sorted(letter.body for letter in queue.letters), invocations

    assert virtual(story()) == (list(ascii_lowercase), 2)
