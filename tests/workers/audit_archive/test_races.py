"""Several workers at once, every call of theirs held up, lost, late or cut, in any order that can be thought of."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.examples import examples
from tests.workers.audit_archive.fakes import NOON, World, event_of, row
from workers.audit_archive.chain.chain import Maker
from workers.audit_archive.chain.listing import PATIENCE
from workers.audit_archive.chain.verify import verify
from workers.audit_archive.store.claims import LEASE

Result = TypeVar("Result")

ROWS = [row(f"e{number}", created_at=NOON + timedelta(hours=number % 2)) for number in range(4)]
MOST_WORKERS = 3


@dataclass(eq=False)
class Call:
    """A request under way: its sender waits for `answer`."""

    worker: int
    effect: Callable[[], Any]
    answer: asyncio.Future[Any]


class Races(RuleBasedStateMachine):
    """The test is the network: it decides which request arrives next, and which answer is heard."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World()
        self.under_way: list[Call] = []
        self.late: list[Callable[[], Any]] = []
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        self.started = 0
        self.done: set[str] = set()

    def wire(self, worker: int) -> Any:
        async def wire(_call: str, _key: str, effect: Callable[[], Result]) -> Result:
            call = Call(worker, effect, self.loop.create_future())
            self.under_way.append(call)
            try:
                answer: Result = await call.answer
            finally:
                if call in self.under_way:
                    self.under_way.remove(call)
            return answer

        return wire

    @rule(which=st.integers(1, 2 ** len(ROWS) - 1))
    def a_batch_is_delivered(self, which: int) -> None:
        if len(self.tasks) < MOST_WORKERS:
            rows = [each for place, each in enumerate(ROWS) if which >> place & 1]
            self.start(self.world.worker(self.wire(self.started)).keep(rows))

    @rule()
    def a_digest_is_due(self) -> None:
        if len(self.tasks) < MOST_WORKERS:
            self.start(Maker(bucket=self.world.bucket.over(self.wire(self.started)), now=self.world.clock).make())

    @rule(picked=st.lists(st.integers(0, 100), min_size=1, max_size=6))
    def requests_arrive(self, picked: list[int]) -> None:
        for number in picked:
            if self.under_way:
                self.answer(self.under_way[number % len(self.under_way)])

    @rule(number=st.integers(0, 100), calls=st.integers(1, 16))
    def one_worker_runs_ahead(self, number: int, calls: int) -> None:
        worker = sorted(self.tasks)[number % len(self.tasks)] if self.tasks else -1
        for _ in range(calls):
            waiting = [call for call in self.under_way if call.worker == worker]
            if waiting:
                self.answer(waiting[0])

    @rule(number=st.integers(0, 100))
    def a_client_repeats_a_request_that_had_succeeded(self, number: int) -> None:
        if self.under_way:
            call = self.under_way[number % len(self.under_way)]
            call.effect()
            self.answer(call)

    @rule(number=st.integers(0, 100), how=st.sampled_from(["request lost", "answer lost", "late"]))
    def something_is_lost(self, number: int, how: str) -> None:
        if self.under_way:
            call = self.under_way.pop(number % len(self.under_way))
            self.end(call.effect, how)
            call.answer.set_exception(ConnectionError(how))
            self.settle()

    @rule(number=st.integers(0, 100), how=st.sampled_from(["request lost", "answer lost", "late"]))
    def a_worker_dies(self, number: int, how: str) -> None:
        if self.tasks:
            worker = sorted(self.tasks)[number % len(self.tasks)]
            for call in [each for each in self.under_way if each.worker == worker]:
                self.end(call.effect, how)
            self.tasks.pop(worker).cancel()
            self.settle()

    @rule(number=st.integers(0, 100))
    def a_late_request_arrives(self, number: int) -> None:
        if self.late:
            self.late.pop(number % len(self.late))()

    @rule(seconds=st.sampled_from([1, LEASE / 2, LEASE + 1, PATIENCE.total_seconds() + 1]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @invariant()
    def no_event_is_archived_twice_and_none_is_done_without(self) -> None:
        archived = self.world.archived()
        assert len(archived) == len(set(archived))
        assert self.done <= set(archived)

    @invariant()
    def no_object_is_listed_twice(self) -> None:
        listed = self.world.listed()
        assert len(listed) == len(set(listed))

    def teardown(self) -> None:
        try:
            for worker in list(self.tasks):
                for call in [each for each in self.under_way if each.worker == worker]:
                    self.late.append(call.effect)
                self.tasks.pop(worker).cancel()
            self.settle()
            self.loop.run_until_complete(self.everything_comes_to_an_end())
        finally:
            self.loop.close()

    async def everything_comes_to_an_end(self) -> None:
        for _ in range(8):  # redelivery, until the queue is empty
            self.world.clock.advance(LEASE + 1)
            results = await self.world.worker().keep(ROWS)
            if set(results.values()) == {None}:
                break
        for effect in self.late:
            effect()
        assert set((await self.world.worker().keep(ROWS)).values()) == {None}
        assert sorted(self.world.archived()) == [event_of(row.identity) for row in ROWS]
        for _ in range(3):
            self.world.clock.advance(PATIENCE.total_seconds() + 1)
            await Maker(bucket=self.world.bucket, now=self.world.clock).make()
        assert self.world.listed() == self.world.table_objects()
        assert self.world.pending() == []
        verification = await verify(self.world.bucket)
        assert verification.ok, verification.first
        assert verification.rows == len(ROWS)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        self.tasks[self.started] = self.loop.create_task(work)
        self.started += 1
        self.settle()

    def answer(self, call: Call) -> None:
        self.under_way.remove(call)
        call.answer.set_result(call.effect())
        self.settle()

    def end(self, effect: Callable[[], Any], how: str) -> None:
        if how == "answer lost":
            effect()
        elif how == "late":
            self.late.append(effect)

    def settle(self) -> None:
        """Let every worker go on until it waits for an answer or is done, and note what it reports as archived."""
        self.loop.run_until_complete(self._turns())
        for worker, task in [*self.tasks.items()]:
            if task.done():
                del self.tasks[worker]
                if task.exception() is None and isinstance(task.result(), dict):
                    self.done |= {event_of(name) for name, error in task.result().items() if error is None}

    async def _turns(self) -> None:
        for _ in range(12):
            await asyncio.sleep(0)


TestRaces = Races.TestCase
TestRaces.settings = settings(
    max_examples=examples(200), stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
