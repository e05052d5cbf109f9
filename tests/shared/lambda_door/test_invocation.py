"""One invocation of Lambda's door, without SQS: large batches, broken roads, and who runs beside whom."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from shared.consumer import Clocks, Stores, join
from shared.lambda_door.invocation import Report, report
from shared.message.delivery import Delivery
from shared.road.failure.breakers import Breakers
from shared.sqs.batches import Refused
from shared.worker import BatchResult, FairShares, Fifo
from tests.fakes import FakeQueue
from tests.made import make_worker, together
from tests.virtual_time import VirtualTimeLoop, clock, virtual

BEGAN = VirtualTimeLoop.BEGAN

Work = Callable[[str], Awaitable[None]]


class Returning(FakeQueue):
    """Remembers what is given back; every receipt is good."""

    def __init__(self) -> None:
        super().__init__(clock)
        self.given_back: list[str] = []
        self.hidden: list[str] = []

    async def release(self, seconds: Mapping[Delivery, float]) -> list[Refused]:
        for each, patience in seconds.items():
            (self.hidden if patience else self.given_back).append(each.body)
        return []


class Case:
    """One worker behind the door; `started` lists bodies, `groups` counts what runs of each group."""

    def __init__(self, work: Work | None = None, *, waits: bool = True, **options: Any) -> None:
        self.queue = Returning()
        self.started: list[str] = []
        self.running = 0
        self.most_running = 0
        self._work = work
        self._waits = waits
        worker = make_worker(self._handle, **{"decode": lambda each: each.body, **options})
        self.consumer = join(
            worker,
            Stores(self.queue, breakers=Breakers(waits=False), resource_name="uploads"),
            clocks=Clocks(monotonic=clock, lease=clock),
        )

    async def reports(self, records: Sequence[Any], *, seconds: float = 30.0) -> Report:
        return await report(records, [self.consumer], deadline=clock() + seconds)

    async def _handle(self, body: str) -> None:
        self.started.append(body)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self._waits:
                await asyncio.sleep(0)
            if self._work is not None:
                await self._work(body)
        finally:
            self.running -= 1


def record(body: str, *, group: str | None = None, message_id: str = "", attempt: int = 1) -> dict[str, Any]:
    system = {"ApproximateReceiveCount": str(attempt)} | ({"MessageGroupId": group} if group else {})
    return {
        "messageId": message_id or body,
        "receiptHandle": f"receipt of {body}",
        "body": body,
        "attributes": system,
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:uploads",
    }


@pytest.mark.slow
@pytest.mark.guarantee("B32")
async def test_ten_thousand_records_run_within_the_concurrency_and_each_has_its_own_answer() -> None:
    async def work(body: str) -> None:
        if body.endswith("7"):
            raise ConnectionError

    case = Case(work, concurrency=50)
    found = await case.reports([record(f"b{number}") for number in range(10_000)])
    assert case.most_running == 50
    assert len(case.started) == 10_000
    assert set(found.staying) == {f"b{number}" for number in range(7, 10_000, 10)}
    assert found.left == 9_000


@pytest.mark.slow
async def test_ten_thousand_records_of_which_each_came_twice_run_once() -> None:
    case = Case()
    records = [record(f"b{number}") for number in range(5_000)]
    assert await case.reports([*records, *records]) == Report((), 5_000)
    assert max(Counter(case.started).values()) == 1


@pytest.mark.slow
async def test_ten_thousand_records_of_a_hundred_groups_keep_their_order() -> None:
    overlaps = Counter[str]()
    worst = Counter[str]()

    async def work(body: str) -> None:
        group = body.partition(" ")[0]
        overlaps[group] += 1
        worst[group] = max(worst[group], overlaps[group])
        await asyncio.sleep(0)
        overlaps[group] -= 1

    case = Case(work, concurrency=20, order=Fifo())
    records = [record(f"g{number % 100} {number:05}", group=f"g{number % 100}") for number in range(10_000)]
    assert await case.reports(records) == Report((), 10_000)
    assert set(worst.values()) == {1}
    for group in range(100):
        ran = [body for body in case.started if body.startswith(f"g{group} ")]
        assert ran == sorted(ran)


def test_at_the_deadline_what_has_not_begun_stays_and_what_runs_is_cut() -> None:
    async def story() -> None:
        case = Case(lambda _: asyncio.sleep(60), concurrency=10)
        found = await case.reports([record(f"b{number}") for number in range(10_000)], seconds=20)
        assert clock() - BEGAN < 21
        assert (len(found.staying), found.left) == (10_000, 0)
        assert len(case.started) == 10

    virtual(story())


def test_work_that_will_not_be_cut_does_not_hold_up_the_report() -> None:
    async def stubborn(_body: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(20)

    async def story() -> None:
        found = await Case(stubborn).reports([record("b")], seconds=5)
        assert clock() - BEGAN < 6
        assert found == Report(("b",), 0, goes_on=True)

    virtual(story())


def test_after_its_report_no_further_record_begins_though_the_sandbox_lives_on() -> None:
    async def stubborn(_body: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(3)

    async def story() -> None:
        for order in (None, Fifo(), FairShares(1)):
            case = Case(stubborn, concurrency=2, order=order)
            records = [record(f"b{number}", group=f"g{number % 5}") for number in range(60)]
            found = await case.reports(records, seconds=5)
            assert (len(found.staying), len(case.started)) == (60, 2)
            await asyncio.sleep(100)  # the next invocation runs in the same loop
            assert len(case.started) == 2

    virtual(story())


async def test_without_time_nothing_begins() -> None:
    case = Case()
    assert await case.reports([record("a"), record("b")], seconds=0) == Report(("a", "b"), 0)
    assert case.started == []


async def test_no_records_mean_no_work() -> None:
    assert await Case().reports([]) == Report((), 0)


@pytest.mark.guarantee("B27")
async def test_groups_of_a_fair_queue_take_turns() -> None:
    case = Case(concurrency=1, order=FairShares(1))
    noisy = [record(f"noisy {number}", group="noisy") for number in range(100)]
    quiet = [record(f"quiet {number}", group="quiet") for number in range(3)]
    await case.reports([*noisy, *quiet])
    assert max(case.started.index(f"quiet {number}") for number in range(3)) <= 6


async def test_a_copy_is_handled_by_its_newest_receipt_where_the_first_one_stood() -> None:
    case = Case(concurrency=1, order=Fifo())
    records = [
        record("old", group="g", message_id="m-1"),
        record("second", group="g"),
        record("new", group="g", message_id="m-1", attempt=2),
    ]
    assert await case.reports(records) == Report((), 2)
    assert case.started == ["new", "second"]


async def test_a_road_that_breaks_keeps_its_message_and_the_rest_of_its_group_and_other_groups_go_on() -> None:
    async def work(body: str) -> None:
        if body == "red 1":
            raise ConnectionError  # there is no backoff to ask: the pipeline itself breaks

    case = Case(work, concurrency=1, order=Fifo(), backoff=None)
    records = [record(f"{group} {number}", group=group) for number in range(3) for group in ("red", "green")]
    found = await case.reports(records)
    assert found == Report(("red 1", "red 2"), 4)
    assert case.queue.given_back == ["red 2"]


async def test_a_batch_handler_gets_no_more_at_once_than_a_container_would_give_it() -> None:
    sizes: list[int] = []

    async def handle_batch(bodies: Sequence[str]) -> BatchResult:
        sizes.append(len(bodies))
        return [ConnectionError() if body == "b105" else None for body in bodies]

    case = Case(handle_batch=handle_batch, batch=together(count=100), concurrency=2)
    found = await case.reports([record(f"b{number}") for number in range(1_050)])
    assert sizes == [100] * 10 + [50]
    assert found == Report(("b105",), 1_049)


async def test_a_batch_ends_at_its_bytes_too() -> None:
    sizes: list[int] = []

    async def handle_batch(bodies: Sequence[str]) -> BatchResult:
        sizes.append(len(bodies))
        return [None] * len(bodies)

    case = Case(handle_batch=handle_batch, batch=together(count=100, bytes=30), concurrency=1)
    await case.reports([record(f"{number:010}") for number in range(7)])
    assert sizes == [3, 3, 1]


async def test_a_batch_that_fails_leaves_the_others_of_its_invocation_alone() -> None:
    async def handle_batch(bodies: Sequence[str]) -> BatchResult:
        if "b0" in bodies:
            raise ConnectionError
        return [None] * len(bodies)

    case = Case(handle_batch=handle_batch, batch=together(count=2), concurrency=1)
    assert await case.reports([record(f"b{number}") for number in range(4)]) == Report(("b0", "b1"), 2)
    assert case.queue.hidden == ["b0", "b1"]


def test_a_handler_that_is_cut_at_the_deadline_is_told_so() -> None:
    async def story() -> None:
        cut: list[str] = []

        async def work(body: str) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cut.append(body)
                raise

        await Case(work).reports([record("a"), record("b")], seconds=5)
        assert sorted(cut) == ["a", "b"]

    virtual(story())


async def test_records_whose_handler_never_waits_share_one_task() -> None:
    tasks: list[int] = []

    async def count(_body: str) -> None:
        tasks.append(len(asyncio.all_tasks()))

    before = len(asyncio.all_tasks())
    case = Case(count, waits=False, concurrency=10)
    assert await case.reports([record(f"b{number}") for number in range(10)]) == Report((), 10)
    assert set(tasks) == {before + 1}


async def test_where_the_first_handler_to_wait_is_in_the_middle_the_others_run_beside_it() -> None:
    met = asyncio.Barrier(3)

    async def meet(body: str) -> None:
        if body in {"b3", "b4", "b5"}:
            await met.wait()

    case = Case(meet, waits=False, concurrency=3)
    assert await case.reports([record(f"b{number}") for number in range(8)]) == Report((), 8)
    assert case.most_running == 3
