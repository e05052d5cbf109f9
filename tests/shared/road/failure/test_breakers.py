"""A dependency that is down: its breaker opens, messages wait in hand, one at a time is the probe, and nothing counts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shared.outcome import Stalled
from shared.road.failure.breakers import (
    LONGEST_HIDING,
    LONGEST_LATE,
    LONGEST_PROBE,
    MOST_TRIES,
    OPENS_AT,
    SHORTEST_HIDING,
    Breakers,
)
from shared.worker import BatchResult, Fifo
from tests.fakes_ledger import FakeLedger
from tests.made import together
from tests.shared.rig import Rig
from tests.virtual_time import clock, virtual


def answered(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "UpdateItem")  # type: ignore[typeddict-item]  # the rest is not looked at


class Dependency:
    """A call that a handler makes; it tells the breakers what came of it, as a client does."""

    def __init__(self, breakers: Breakers) -> None:
        self.breakers = breakers
        self.is_down = False
        self.is_silent = False
        self.code = "ServiceUnavailable"
        self.calls: list[float] = []

    async def __call__(self) -> None:
        self.calls.append(clock())
        if self.is_silent:
            try:
                await asyncio.sleep(15)  # all its tries
            except asyncio.CancelledError:
                self.breakers.cut("dynamodb", after=clock() - self.calls[-1])
                raise
        if self.is_down:
            self.breakers.failed("dynamodb", code=self.code)
            raise answered(self.code, 503)
        self.breakers.succeeded("dynamodb")


def rig_of(dependency_work: Callable[[Dependency, str], Awaitable[None]], **options: Any) -> tuple[Rig, Dependency]:
    breakers = Breakers(clock=clock, dice=lambda: 0.5)
    dependency = Dependency(breakers)
    rig = Rig(lambda body: dependency_work(dependency, body), breakers=breakers, ledger=FakeLedger(), **options)
    return rig, dependency


def batching_rig(**options: Any) -> tuple[Rig, Dependency]:
    breakers = Breakers(clock=clock, dice=lambda: 0.5)
    dependency = Dependency(breakers)

    async def batch(bodies: Sequence[str]) -> BatchResult:
        await dependency()
        return [None] * len(bodies)

    rig = Rig(batch=batch, limits=together(count=2, seconds=1), breakers=breakers, ledger=FakeLedger(), **options)
    return rig, dependency


async def calling(dependency: Dependency, _body: str) -> None:
    await dependency()


@pytest.mark.guarantee("R1")
def test_an_outage_of_hours_buries_nothing_costs_one_receipt_and_is_worked_off_at_once_after_it() -> None:
    async def story() -> None:
        rig, dependency = rig_of(calling)
        dependency.is_down = True
        stored = rig.queue.put(*(f"b{number}" for number in range(200)))
        await rig.runs_for(6 * 3_600)
        assert rig.queue.letters == []
        assert rig.ended == []
        assert sum(each.receipts for each in stored) <= 10, "what is in hand waits there, the rest in the queue"
        assert len(dependency.calls) <= 6 * 3_600 / LONGEST_PROBE * 1.5 + 50, "one probe at a time"
        dependency.is_down = False
        await rig.runs_for(LONGEST_PROBE + 5)
        assert len(rig.ended) == 200
        assert max(each.receipts for each in stored) == 1
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R1")
def test_a_silence_that_is_longer_than_a_handler_may_take_is_an_outage_too() -> None:
    async def story() -> None:
        rig, dependency = rig_of(calling, timeout=10.0)
        dependency.is_silent = True
        stored = rig.queue.put(*(f"b{number}" for number in range(20)))
        await rig.runs_for(2 * 3_600)
        assert (rig.queue.letters, rig.ended) == ([], [])
        assert sum(each.receipts for each in stored) <= 10, "what is in hand waits there, the rest in the queue"
        dependency.is_silent = False
        await rig.runs_for(LONGEST_PROBE + 15)
        assert len(rig.ended) == 20
        await rig.drains()

    virtual(story())


def test_a_fifo_group_waits_in_its_order() -> None:
    async def story() -> None:
        rig, dependency = rig_of(calling, order=Fifo())
        dependency.is_down = True
        rig.queue.put("a0", "a1", "a2", group="a")
        await rig.runs_for(600)
        assert rig.ended == []
        dependency.is_down = False
        await rig.runs_for(60)
        assert rig.ended == ["a0", "a1", "a2"]
        await rig.drains()

    virtual(story())


def test_what_waits_in_hand_is_given_back_by_a_drain_within_its_budget() -> None:
    async def story() -> None:
        rig, dependency = rig_of(calling)
        dependency.is_down = True
        stored = rig.queue.put("a", "b")
        await rig.runs_for(120)
        assert await rig.drains() <= 25.0
        await asyncio.sleep(LONGEST_HIDING)
        assert len(rig.queue.visible()) == 2
        assert [each.receipts for each in stored] == [1, 1]

    virtual(story())


def test_a_run_that_met_an_outage_is_not_one_of_the_runs_after_which_a_message_is_buried() -> None:
    async def story() -> None:
        rig, dependency = rig_of(calling, max_attempts=1)
        dependency.is_down = True
        rig.queue.put("a")
        await rig.runs_for(300)
        dependency.is_down = False
        await rig.runs_for(60)
        assert (rig.ended, rig.queue.letters) == (["a"], [])
        await rig.drains()

    virtual(story())


def test_what_fails_by_itself_when_the_outage_is_over_has_failed() -> None:
    """The run in hand that met the outage is no excuse for the next one."""

    async def calls_and_fails(dependency: Dependency, body: str) -> None:
        await dependency()
        raise ValueError(body)

    async def story() -> None:
        rig, dependency = rig_of(calls_and_fails, max_attempts=1)
        dependency.is_down = True
        rig.queue.put("a")
        await rig.runs_for(0.5)
        dependency.is_down = False
        await rig.runs_for(LONGEST_PROBE)
        assert (len(rig.queue.letters), len(dependency.calls)) == (1, 2)
        await rig.drains()

    virtual(story())


@pytest.mark.parametrize("made", [partial(rig_of, calling), batching_rig])
def test_at_its_last_receipt_a_message_waits_in_hand_for_what_is_down_and_only_one_that_cannot_is_buried(
    made: Callable[..., tuple[Rig, Dependency]],
) -> None:
    async def story() -> None:
        rig, dependency = made(max_receives=1)
        dependency.is_down = True
        rig.queue.put("a", "b")
        await rig.runs_for(600)
        assert rig.queue.letters == []
        dependency.is_down = False
        await rig.runs_for(LONGEST_PROBE + 5)
        assert (rig.queue.letters, [each.body for each in rig.queue.messages if not each.deleted]) == ([], [])
        dependency.is_down = True
        rig.queue.put("c")
        await rig.runs_for(60)
        await rig.drains()
        assert [each.body for each in rig.queue.letters] == ["c"]

    virtual(story())


def test_what_alone_is_refused_does_not_hold_its_slot_for_ever() -> None:
    async def forbidden(dependency: Dependency, body: str) -> None:
        if body == "secret":
            dependency.breakers.failed("s3", code="AccessDenied")
            dependency.breakers.succeeded("s3")
            raise answered("AccessDenied", 403)

    async def story() -> None:
        rig, _ = rig_of(forbidden, concurrency=1)
        rig.queue.put("secret", "open")
        await rig.runs_for(200)
        assert rig.started.count("secret") >= MOST_TRIES
        assert rig.ended == ["open"]
        assert rig.queue.letters == [], "a dead letter cannot mend a permission"
        await rig.drains()

    virtual(story())


def test_a_breaker_opens_after_so_many_failures_in_a_row_and_closes_with_one_success() -> None:
    breakers = Breakers(clock=lambda: 0.0)
    for _ in range(OPENS_AT - 1):
        breakers.failed("s3", code="SlowDown")
    breakers.succeeded("s3")
    for _ in range(OPENS_AT - 1):
        breakers.failed("s3", code="SlowDown")
    assert not breakers.open
    breakers.failed("s3", code="SlowDown")
    breakers.failed("events", code="InternalFailure")
    assert set(breakers.open) == {"s3"}
    breakers.succeeded("s3")
    assert not breakers.open


@pytest.mark.guarantee("R1")
def test_where_nothing_may_wait_a_message_is_hidden_the_longer_the_older_the_outage_is() -> None:
    async def story() -> None:
        breakers = Breakers(waits=False, clock=clock, dice=lambda: 1.0)
        for _ in range(OPENS_AT):
            breakers.failed("s3", code="SlowDown")
        assert not await breakers.wait(1, ["s3"])
        assert breakers.hiding(["s3"], attempt=1) == SHORTEST_HIDING
        await asyncio.sleep(1_200)
        assert breakers.hiding(["s3"], attempt=1) == 300
        await asyncio.sleep(36_000)
        assert breakers.hiding(["s3"], attempt=1) == LONGEST_HIDING

    virtual(story())


@pytest.mark.guarantee("R1")
def test_a_hundred_receipts_last_for_three_days_though_each_process_that_is_asked_has_just_begun() -> None:
    breakers = Breakers(waits=False, clock=lambda: 0.0, dice=lambda: 0.5)
    for _ in range(OPENS_AT):
        breakers.failed("s3", code="AccessDenied")
    seconds = [breakers.hiding(["s3"], attempt=attempt) for attempt in range(1, 100)]
    assert seconds[0] < SHORTEST_HIDING
    assert sum(seconds) > 2.5 * 86_400
    assert max(seconds) <= LONGEST_LATE


def test_a_message_that_stalls_says_what_does_not_answer() -> None:
    assert "dynamodb" in Stalled("dynamodb is down").why


def test_intake_goes_on_as_soon_as_the_dependency_is_back() -> None:
    async def story() -> None:
        rig, dependency = rig_of(calling)
        dependency.is_down = True
        rig.queue.put(*(str(number) for number in range(20)))
        await rig.runs_for(60)
        asked = rig.queue.count("receive")
        dependency.is_down = False
        dependency.breakers.succeeded("dynamodb")
        await asyncio.sleep(0.3)
        assert rig.queue.count("receive") > asked
        assert sorted(rig.ended) == sorted(str(number) for number in range(20))
        await rig.drains()

    virtual(story())


def test_a_batch_that_is_refused_whole_speaks_for_more_than_one_message() -> None:
    async def story() -> None:
        rig, dependency = batching_rig()
        dependency.code, dependency.is_down = "AccessDenied", True
        rig.queue.put("a", "b")
        await rig.runs_for(60)
        assert dependency.breakers.open, "the same batch waits in hand: no other message will ever be refused"
        dependency.is_down = False
        await rig.runs_for(LONGEST_PROBE + 5)
        assert rig.queue.left == []
        await rig.drains()

    virtual(story())
