"""The container's door: polls, slots, failures and the drain."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.consumer import Pace
from shared.message.delivery import Delivery
from shared.worker import BatchResult
from tests.made import together
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import virtual


def test_every_message_is_handled_once_and_deleted_in_batches() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        rig.queue.put(*(f"b{number}" for number in range(100)))
        await rig.runs_for(5)
        assert sorted(rig.ended) == sorted(f"b{number}" for number in range(100))
        assert rig.queue.left == []
        assert rig.queue.count("delete") <= 20
        await rig.drains()

    virtual(story())


def test_never_more_handlers_run_than_there_are_slots() -> None:
    async def story() -> None:
        rig = Rig(taking(1.0), concurrency=3)
        rig.queue.put(*(f"b{number}" for number in range(20)))
        await rig.runs_for(30)
        assert rig.most_running == 3
        assert len(rig.ended) == 20
        await rig.drains()

    virtual(story())


def test_a_slow_message_costs_its_own_slot_only() -> None:
    async def work(body: str) -> None:
        await asyncio.sleep(1_000 if body == "slow" else 0.1)

    async def story() -> None:
        rig = Rig(work, concurrency=10)
        rig.queue.put("slow", *(f"b{number}" for number in range(50)))
        await rig.runs_for(3)
        assert len(rig.ended) == 50
        assert rig.running["slow"] == 1

    virtual(story())


def test_an_empty_queue_has_one_open_poll_and_three_calls_a_minute() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        await rig.runs_for(600)
        assert rig.queue.most_open_polls == 1
        assert rig.queue.count("receive") <= 31
        await rig.drains()

    virtual(story())


def test_work_longer_than_the_visibility_timeout_is_never_seen_by_another_consumer() -> None:
    async def story() -> None:
        rig = Rig(taking(600), pace=Pace(visibility=60))
        [stored] = rig.queue.put("long")
        await rig.runs_for(1_000)
        assert (stored.receipts, stored.deleted, rig.ended) == (1, True, ["long"])
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("B31")
def test_polling_survives_every_fault_and_is_back_within_ten_seconds_of_its_end() -> None:
    async def story() -> None:
        rig = Rig(at_once)

        def broken() -> None:
            raise ConnectionResetError

        rig.queue.fail_receive = broken
        await rig.runs_for(300)
        assert rig.queue.count("receive") < 60, "it must back off and not spin"
        rig.queue.fail_receive = lambda: None
        rig.queue.put("a")
        await rig.runs_for(11)
        assert rig.ended == ["a"]
        await rig.drains()

    virtual(story())


def test_a_failed_message_comes_back_after_its_backoff_and_then_succeeds() -> None:
    async def story() -> None:
        faults = [ConnectionError(), ConnectionError()]

        async def work(_body: str) -> None:
            if faults:
                raise faults.pop()

        rig = Rig(work)
        [stored] = rig.queue.put("a")
        await rig.runs_for(60)
        assert (stored.receipts, stored.deleted) == (3, True)
        await rig.drains()

    virtual(story())


def test_a_hundred_unreadable_messages_cost_no_slot() -> None:
    async def story() -> None:
        rig = Rig(at_once, concurrency=2, decode=_refusing_poison)
        poison = rig.queue.put(*("poison" for _ in range(100)))
        await rig.runs_for(30)
        assert len(rig.queue.letters) == 100
        assert all(stored.deleted for stored in poison)
        rig.queue.put("good 1", "good 2")
        await rig.runs_for(5)
        assert sorted(rig.ended) == ["good 1", "good 2"]
        await rig.drains()

    virtual(story())


def _refusing_poison(delivery: Delivery) -> str:
    if delivery.body == "poison":
        raise ValueError(delivery.body)
    return delivery.body


def test_a_drain_lets_running_work_finish_and_deletes_it() -> None:
    async def story() -> None:
        rig = Rig(taking(5))
        rig.queue.put("a", "b")
        await rig.runs_for(1)
        assert await rig.drains() < 25
        assert sorted(rig.ended) == ["a", "b"]
        assert rig.queue.left == []

    virtual(story())


def test_a_drain_cuts_what_hangs_and_gives_it_back_inside_the_budget() -> None:
    async def story() -> None:
        rig = Rig(taking(100_000), pace=Pace(drain=25))
        [stored] = rig.queue.put("a")
        await rig.runs_for(1)
        assert await rig.drains() <= 26
        assert rig.queue.visible() == [stored]

    virtual(story())


def test_a_drain_with_no_free_slot_does_not_wait_for_one() -> None:
    async def story() -> None:
        rig = Rig(taking(3), concurrency=1)
        rig.queue.put("a", "b")
        await rig.runs_for(1)
        assert await rig.drains() < 4
        assert rig.started == ["a"], "nothing is started during a drain"
        assert [stored.body for stored in rig.queue.visible()] == ["b"]

    virtual(story())


def test_what_the_open_poll_brings_during_a_drain_is_worked_off() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(wait=10))
        await rig.runs_for(1)
        rig.queue.put("late", delay=2.0)
        await rig.drains()
        assert rig.ended == ["late"]
        assert rig.queue.left == []

    virtual(story())


def test_what_it_brings_in_the_second_half_of_the_budget_is_given_back_once() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(wait=20, drain=20))
        await rig.runs_for(1)
        [stored] = rig.queue.put("late", delay=12.0)
        await rig.drains()
        assert rig.started == []
        assert rig.queue.visible() == [stored]
        assert stored.receipts == 1

    virtual(story())


def test_an_idle_drain_ends_with_its_open_poll_and_inside_the_budget() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(wait=20, drain=10))
        await rig.runs_for(1)
        assert await rig.drains() <= 10.1
        rig = Rig(at_once, pace=Pace(wait=5, drain=10))
        await rig.runs_for(1)
        assert await rig.drains() <= 5.1

    virtual(story())


def test_two_processes_share_a_queue_and_a_dead_one_loses_nothing() -> None:
    async def story() -> None:
        first = Rig(taking(100), pace=Pace(visibility=30))
        first.queue.put(*(f"b{number}" for number in range(5)))
        await first.runs_for(10)
        await first.dies()
        second = Rig(at_once)
        second.queue.messages = first.queue.messages
        await second.runs_for(60)
        assert sorted(second.ended) == [f"b{number}" for number in range(5)]
        await second.drains()

    virtual(story())


class Batches:
    """A batch handler that remembers its batches; each takes `seconds`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seen: list[list[str]] = []
        self._seconds = seconds

    async def __call__(self, bodies: Sequence[str]) -> BatchResult:
        self.seen.append(list(bodies))
        await asyncio.sleep(self._seconds)
        return [None] * len(bodies)


def test_a_batch_is_gathered_across_receives_by_count() -> None:
    async def story() -> None:
        batches = Batches()
        rig = Rig(batch=batches, limits=together(count=25, seconds=5))
        rig.queue.put(*(f"b{number}" for number in range(50)))
        await rig.runs_for(2)
        assert [len(batch) for batch in batches.seen] == [25, 25]
        await rig.runs_for(2)
        assert rig.queue.left == []
        await rig.drains()

    virtual(story())


def test_a_small_batch_goes_when_its_first_message_is_old_enough() -> None:
    async def story() -> None:
        batches = Batches()
        rig = Rig(batch=batches, limits=together(count=25, seconds=5))
        rig.queue.put("a", "b")
        await rig.runs_for(4)
        assert batches.seen == []
        await rig.runs_for(2)
        assert batches.seen == [["a", "b"]]
        await rig.drains()

    virtual(story())


def test_gathered_messages_are_handled_at_once_by_a_drain() -> None:
    async def story() -> None:
        batches = Batches()
        rig = Rig(batch=batches, limits=together(count=500, seconds=600), pace=Pace(wait=1))
        rig.queue.put(*(f"b{number}" for number in range(40)))
        await rig.runs_for(10)
        await rig.drains()
        assert [len(seen) for seen in batches.seen] == [40]
        assert rig.queue.left == []

    virtual(story())


def test_messages_that_wait_for_their_batch_keep_their_leases() -> None:
    async def story() -> None:
        batches = Batches()
        rig = Rig(batch=batches, limits=together(count=500, seconds=300), pace=Pace(visibility=30))
        stored = rig.queue.put("a", "b")
        await rig.runs_for(400)
        assert batches.seen == [["a", "b"]]
        assert [each.receipts for each in stored] == [1, 1]
        await rig.drains()

    virtual(story())


def test_no_more_batches_run_at_once_than_the_worker_allows() -> None:
    async def story() -> None:
        batches = Batches(seconds=100)
        rig = Rig(batch=batches, limits=together(count=10, seconds=0.1), concurrency=2)
        rig.queue.put(*(f"b{number}" for number in range(40)))
        await rig.runs_for(50)
        assert len(batches.seen) == 2

    virtual(story())
