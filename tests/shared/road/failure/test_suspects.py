"""A message that ends its process is the only one that is buried for it, and what is refused to one alone stops no other."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.road.failure.breakers import OPENS_AT, Breakers, Met, met_in_run
from shared.worker import BatchResult, Together
from tests.fakes import FakeQueue
from tests.fakes_ledger import CutLedger, FakeLedger
from tests.shared.rig import Rig, taking
from tests.virtual_time import clock, virtual


async def restarted_until_it_is_quiet(
    queue: FakeQueue, ledger: CutLedger, *, together: bool, killers: Sequence[int] = (0,)
) -> list[str]:
    """Nine healthy messages beside those that end their process, each sent after so many restarts; restarted at once, each time. The
    bodies that were buried.
    """
    done: list[str] = []
    queue.put(*"abcd")
    for restart in range(90):
        queue.put(*(f"killer {number}" for number, after in enumerate(killers) if after == restart))
        if not restart:
            queue.put(*"efghi")
        died = asyncio.Event()

        async def work(body: str, died: asyncio.Event = died) -> None:
            if body.startswith("killer"):
                died.set()
                await asyncio.Event().wait()
            await asyncio.sleep(3)
            done.append(body)

        async def batch(bodies: Sequence[str], died: asyncio.Event = died) -> BatchResult:
            for body in bodies:
                await work(body, died)
            return [None] * len(bodies)

        rig = (
            Rig(batch=batch, limits=Together(batch, seconds=1.0), queue=queue, ledger=ledger)
            if together
            else Rig(work, queue=queue, ledger=ledger)
        )
        rig.start()
        await asyncio.wait([asyncio.ensure_future(died.wait())], timeout=200)
        ledger.is_cut = True
        await rig.dies()
        ledger.is_cut = False
        if not queue.left and restart > max(killers):
            break
        await asyncio.sleep(61)  # their leases end
    return [letter.body for letter in queue.letters]


@pytest.mark.parametrize("together", [False, True])
def test_what_ends_its_process_is_buried_and_its_neighbours_are_not(*, together: bool) -> None:
    async def story() -> None:
        queue = FakeQueue(clock)
        assert await restarted_until_it_is_quiet(queue, CutLedger(), together=together) == ["killer 0"]
        assert queue.left == []

    virtual(story())


@pytest.mark.guarantee("R3")
@pytest.mark.parametrize("killers", [(0, 0), (0, 1), (0, 2), (0, 1, 2), (0, 2, 4, 6), (0, 0, 0, 3, 3, 5, 8)])
@pytest.mark.parametrize("together", [False, True])
def test_so_it_is_with_several_of_them_however_often_each_was_begun(
    killers: tuple[int, ...], *, together: bool
) -> None:
    async def story() -> None:
        queue = FakeQueue(clock)
        buried = await restarted_until_it_is_quiet(queue, CutLedger(), together=together, killers=killers)
        assert sorted(buried) == [f"killer {number}" for number in range(len(killers))]
        assert queue.left == []

    virtual(story())


def test_a_message_that_fails_by_itself_does_not_wait_for_others_at_its_last_run() -> None:
    async def story() -> None:
        async def fail(_body: str) -> None:
            await asyncio.sleep(10)
            raise ValueError

        rig = Rig(fail, ledger=FakeLedger(), concurrency=10, max_attempts=2)
        rig.queue.put(*"abcdefghij")
        await rig.runs_for(10 + 3 + 10 + 3)
        assert len(rig.queue.letters) == 10, "side by side, not one after another"
        await rig.drains()

    virtual(story())


def test_one_message_alone_opens_no_breaker_and_two_do() -> None:
    breakers = Breakers(clock=lambda: 0.0)
    of_one, of_another = Met(), Met()
    of_one.message, of_another.message = "m-1", "m-2"
    met_in_run.set(of_one)
    for _ in range(3 * OPENS_AT):
        breakers.failed("s3", code="AccessDenied")
    assert list(breakers.open) == []
    met_in_run.set(of_another)
    breakers.failed("s3", code="AccessDenied")
    assert list(breakers.open) == ["s3"]


def test_a_dependency_that_a_worker_has_not_met_does_not_stop_it() -> None:
    async def story() -> None:
        breakers = Breakers(clock=clock)
        for _ in range(OPENS_AT):
            breakers.failed("dynamodb", code="AccessDenied")  # somebody else's calls
        rig = Rig(taking(0.1), breakers=breakers)
        rig.queue.put(*(f"b{number}" for number in range(50)))
        await rig.runs_for(10)
        assert len(rig.ended) == 50
        assert rig.poller.missing == []
        await rig.drains()

    virtual(story())


def test_what_alone_is_refused_is_hidden_ever_longer_so_that_its_receipts_last_for_days() -> None:
    breakers = Breakers(clock=lambda: 0.0, dice=lambda: 1.0)
    seconds = [breakers.hiding(["s3"], attempt=attempt) for attempt in range(1, 101)]
    assert seconds[:3] == [20, 40, 80]
    assert sum(seconds) > 3 * 86_400


def test_a_burial_that_is_refused_keeps_its_reason() -> None:
    async def story() -> None:
        async def fail(_body: str) -> None:
            raise ValueError

        rig = Rig(fail, ledger=FakeLedger(), max_attempts=1)
        rig.queue.put("a")
        failures = [ConnectionResetError() for _ in range(7)]

        def flaky() -> None:
            if failures:
                raise failures.pop()

        rig.queue.fail_bury = flaky
        await rig.runs_for(400)
        [letter] = rig.queue.letters
        assert "ValueError" in str(letter.attributes)
        await rig.drains()

    virtual(story())


def test_what_ends_in_the_last_moment_of_a_drain_is_not_given_back() -> None:
    async def story() -> None:
        async def work(_body: str) -> None:
            try:
                await asyncio.sleep(1_000)
            except asyncio.CancelledError:
                await asyncio.sleep(0.2)

        rig = Rig(work)
        [stored] = rig.queue.put("a")
        await rig.runs_for(1)
        await rig.drains()
        assert rig.ended == ["a"]
        assert [call for call, _ in rig.queue.calls if call == "release"] == []
        assert stored.deleted

    virtual(story())
