"""One invocation of Lambda's door in which something stands still or stops: what is beside it goes on, and is told rightly."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.app import App
from shared.clients import Clients
from shared.consumer import Clocks, Consumer, Stores, join
from shared.lambda_door.entry import Sandbox
from shared.lambda_door.invocation import Report, report
from shared.message.delivery import Delivery
from shared.road.failure.breakers import Breakers
from shared.sqs.batches import Refused
from shared.worker import BatchResult, Fifo
from tests.fakes_ledger import FakeLedger
from tests.made import together
from tests.shared.lambda_door.test_invocation import Case, Returning, record
from tests.virtual_time import clock, virtual


async def cancels_itself(body: str) -> None:
    if body == "b0":
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)


@pytest.mark.guarantee("B24")
@pytest.mark.parametrize("order", [None, Fifo()])
async def test_a_handler_that_cancels_itself_stops_no_record_beside_it(order: Fifo | None) -> None:
    case = Case(cancels_itself, concurrency=1, order=order)
    assert await case.reports([record(f"b{number}", group=f"g{number}") for number in range(4)]) == Report(("b0",), 3)


@pytest.mark.guarantee("B24")
async def test_a_batch_handler_that_cancels_itself_stops_no_batch_after_it() -> None:
    async def handle_batch(bodies: Sequence[str]) -> BatchResult:
        await cancels_itself(bodies[0])
        return [None] * len(bodies)

    case = Case(handle_batch=handle_batch, batch=together(count=2), concurrency=1)
    assert await case.reports([record(f"b{number}") for number in range(4)]) == Report(("b0", "b1"), 2)


class Silent(Returning):
    """The first `silent` releases are never answered."""

    def __init__(self, silent: int) -> None:
        super().__init__()
        self.silent = silent

    async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
        self.silent -= 1
        if self.silent >= 0:
            await asyncio.Event().wait()
        return await super().release(seconds)


async def fails(_body: str) -> None:
    raise ConnectionError


def consumer_of(case: Case, queue: Returning, *, ledger: FakeLedger | None = None) -> Consumer:
    stores = Stores(queue, breakers=Breakers(waits=False), resource_name="uploads", ledger=ledger)
    return join(case.consumer.worker, stores, clocks=Clocks(monotonic=clock, lease=clock))


def test_a_message_is_hidden_though_the_first_call_for_that_is_never_answered() -> None:
    async def story() -> None:
        queue = Silent(1)
        await report([record("a")], [consumer_of(Case(fails), queue)], deadline=clock() + 60)
        assert queue.hidden + queue.given_back == ["a"]

    virtual(story())


def test_that_a_message_could_not_be_hidden_is_told() -> None:
    async def story() -> None:
        with capture_logs() as logs:
            consumer = consumer_of(Case(fails), Silent(99))
            assert await report([record("a")], [consumer], deadline=clock() + 60) == Report(("a",), 0)
        assert [(each["count"], each["log_level"]) for each in logs if each["event"] == "hide_unconfirmed"] == [
            (1, "warning")
        ]

    virtual(story())


def at_its_last_run() -> FakeLedger:
    """A ledger that knows four runs of the message "suspect", none of which ended."""
    ledger = FakeLedger()
    ledger.counts["runs#uploads#suspect"] = 4
    return ledger


def test_what_a_batch_has_done_is_reported_as_done_though_a_suspect_beside_it_is_cut() -> None:
    async def handle_batch(bodies: Sequence[str]) -> BatchResult:
        if "suspect" in bodies:
            await asyncio.sleep(60)
        return [None] * len(bodies)

    async def story() -> None:
        consumer = consumer_of(Case(handle_batch=handle_batch, batch=together()), Returning(), ledger=at_its_last_run())
        records = [record("a"), record("suspect", attempt=5), record("b")]
        assert await report(records, [consumer], deadline=clock() + 5) == Report(("suspect",), 2)

    virtual(story())


def test_a_suspect_that_is_done_is_reported_as_done_though_the_ledger_is_silent_afterwards() -> None:
    ledger = at_its_last_run()

    async def handle(_body: str) -> None:
        async def silent(*_place: Any, **_named: Any) -> int:
            await asyncio.Event().wait()
            return 0

        ledger.count = silent  # type: ignore[method-assign]  # from now on it never answers

    async def story() -> None:
        consumer = consumer_of(Case(handle), Returning(), ledger=ledger)
        assert await report([record("suspect", attempt=5)], [consumer], deadline=clock() + 1) == Report((), 1)

    virtual(story())


@pytest.mark.guarantee("B32")
def test_an_opening_that_hangs_ends_before_lambda_ends_the_sandbox_and_the_next_invocation_opens_again() -> None:
    opened: list[str] = []

    @asynccontextmanager
    async def open_workers(_environment: Mapping[str, str], _clients: Clients) -> AsyncIterator[tuple[Any, ...]]:
        opened.append("once")
        if len(opened) == 1:
            await asyncio.Event().wait()
        yield ()

    sandbox = Sandbox(App("sample", ("uploads",), open_workers), {"AWS_REGION": "us-east-1"})
    try:
        with pytest.raises(TimeoutError, match="sample could not be opened"):
            sandbox.invoke({"Records": []}, remaining=0.8)
        assert sandbox.invoke({"Records": []}, remaining=30) == {"batchItemFailures": []}
    finally:
        sandbox.close()
