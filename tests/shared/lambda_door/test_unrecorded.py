"""Work with a key whose completion cannot be written down before Lambda's time ends."""

import asyncio

import pytest

from shared.consumer import Clocks, Stores, join
from shared.lambda_door.invocation import Report, report
from shared.road.failure.breakers import Breakers
from tests.made import make_worker
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
