"""FIFO groups, fair shares, and limits that change while a worker runs."""

import asyncio
from collections import Counter

import pytest

from shared.consumer import Pace
from shared.worker import FairShares, Fifo
from tests.shared.rig import Rig, at_once, taking
from tests.virtual_time import clock, virtual


def test_messages_of_a_fifo_group_run_one_at_a_time_and_in_order_and_groups_run_beside_each_other() -> None:
    async def story() -> None:
        overlap = Counter[str]()
        worst = Counter[str]()

        async def work(body: str) -> None:
            group = body[0]
            overlap[group] += 1
            worst[group] = max(worst[group], overlap[group])
            await asyncio.sleep(1.0)
            overlap[group] -= 1

        rig = Rig(work, order=Fifo(), concurrency=10)
        for group in "abc":
            rig.queue.put(*(f"{group}{number}" for number in range(8)), group=group)
        began = clock()
        await rig.runs_for(15)
        for group in "abc":
            assert [body for body in rig.ended if body[0] == group] == [f"{group}{number}" for number in range(8)]
        assert set(worst.values()) == {1}
        assert clock() - began < 24, "three groups beside each other take no longer than one"
        assert rig.queue.left == []

    virtual(story())


def test_behind_a_failed_message_the_rest_of_its_group_goes_back_and_other_groups_go_on() -> None:
    async def story() -> None:
        faults = [ConnectionError()]

        async def work(body: str) -> None:
            if body == "a1" and faults:
                raise faults.pop()

        rig = Rig(work, order=Fifo())
        rig.queue.put("a0", "a1", "a2", "a3", group="a")
        rig.queue.put("b0", "b1", group="b")
        await rig.runs_for(0.9)
        assert [body for body in rig.ended if body[0] == "b"] == ["b0", "b1"]
        assert [body for body in rig.started if body[0] == "a"] == ["a0", "a1"]
        await rig.runs_for(30)
        assert [body for body in rig.ended if body[0] == "a"] == ["a0", "a1", "a2", "a3"]

    virtual(story())


def test_nothing_of_a_group_overtakes_a_message_that_went_back_to_its_queue() -> None:
    async def story() -> None:
        faults = [ConnectionError() for _ in range(8)]  # more than its runs in hand

        async def work(body: str) -> None:
            if body == "a1" and faults:
                raise faults.pop()

        rig = Rig(work, order=Fifo())
        rig.queue.put("a0", "a1", "a2", "a3", group="a")
        await rig.runs_for(3_600)
        assert faults == []
        assert rig.ended == ["a0", "a1", "a2", "a3"]

    virtual(story())


def test_a_fifo_message_starts_after_the_delete_of_the_one_before_it() -> None:
    async def story() -> None:
        rig = Rig(at_once, order=Fifo())
        rig.queue.put("a0", "a1", group="a")
        refusals = ["InternalError"]
        rig.queue.refuse = lambda call, each: (
            refusals.pop() if call == "delete" and each.body == "a0" and refusals else ""
        )
        await rig.runs_for(0.05)
        assert rig.started == ["a0"]
        await rig.runs_for(2)
        assert rig.ended == ["a0", "a1"]

    virtual(story())


def test_a_noisy_tenant_does_not_hold_the_slots_of_the_others() -> None:
    async def story() -> None:
        rig = Rig(taking(10), concurrency=10, order=FairShares(4))
        rig.queue.put(*(f"noisy {number}" for number in range(12)), group="noisy")
        rig.queue.put("quiet 1", group="quiet 1")
        rig.queue.put("quiet 2", group="quiet 2")
        await rig.runs_for(1)
        assert sum(count for body, count in rig.running.items() if body.startswith("noisy")) == 4
        assert {"quiet 1", "quiet 2"} <= set(rig.started)
        await rig.runs_for(60)
        assert len(rig.ended) == 14

    virtual(story())


def test_what_waits_for_its_turn_is_given_back_by_a_drain() -> None:
    async def story() -> None:
        rig = Rig(taking(6), order=Fifo(), pace=Pace(wait=1))
        rig.queue.put(*(f"a{number}" for number in range(6)), group="a")
        await rig.runs_for(1)
        await rig.drains()
        assert rig.ended == ["a0", "a1", "a2"], "what can begin in the first half of the budget"
        assert [stored.body for stored in rig.queue.visible()] == ["a3", "a4", "a5"]

    virtual(story())


def test_what_waits_for_its_turn_keeps_its_lease() -> None:
    async def story() -> None:
        rig = Rig(taking(50), order=Fifo(), pace=Pace(visibility=30))
        stored = rig.queue.put("a0", "a1", "a2", group="a")
        await rig.runs_for(200)
        assert rig.ended == ["a0", "a1", "a2"]
        assert [each.receipts for each in stored] == [1, 1, 1]

    virtual(story())


def test_under_backlog_more_polls_are_open_and_in_quiet_only_one() -> None:
    async def story() -> None:
        rig = Rig(taking(1), concurrency=60)
        rig.queue.put(*(f"b{number}" for number in range(200)))
        await rig.runs_for(0.5)
        assert rig.running.total() == 60
        await rig.runs_for(60)
        assert len(rig.ended) == 200
        before = rig.queue.count("receive")
        await rig.runs_for(600)
        assert rig.queue.count("receive") - before <= 31
        assert rig.queue.open_polls == 1

    virtual(story())


def test_a_backlog_costs_few_requests() -> None:
    async def story() -> None:
        rig = Rig(at_once, concurrency=50)
        rig.queue.put(*(f"b{number}" for number in range(1000)))
        await rig.runs_for(10)
        assert len(rig.ended) == 1000
        assert len(rig.queue.calls) <= 220

    virtual(story())


def test_a_trickle_costs_little_more_than_half_a_call_for_each_message() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        rig.start()
        for number in range(1000):
            rig.queue.put(f"b{number}")
            await asyncio.sleep(0.01)
        await rig.runs_for(5)
        assert len(rig.ended) == 1000
        assert len(rig.queue.calls) <= 600

    virtual(story())


@pytest.mark.parametrize("seconds", [0.01, 0.05])
def test_what_trickles_in_waits_for_the_poll_interval_at_most(seconds: float) -> None:
    async def story() -> None:
        sent: dict[str, float] = {}
        waited: list[float] = []

        async def work(body: str) -> None:
            waited.append(clock() - sent[body])

        rig = Rig(work, poll_interval=seconds)
        rig.start()
        for number in range(400):
            sent[f"b{number}"] = clock()
            rig.queue.put(f"b{number}")
            await asyncio.sleep(seconds * 0.37)
        await rig.runs_for(5)
        assert len(waited) == 400
        assert 0.8 * seconds <= max(waited) <= seconds + 0.002

    virtual(story())


def test_a_rate_limit_holds_in_every_second() -> None:
    async def story() -> None:
        starts: list[float] = []

        async def work(_body: str) -> None:
            starts.append(clock())

        rig = Rig(work, rate=50, concurrency=50)
        rig.queue.put(*(f"b{number}" for number in range(300)))
        await rig.runs_for(7)
        assert len(starts) == 300
        assert max(sum(1 for other in starts if start <= other < start + 1) for start in starts) <= 55
        await rig.drains()

    virtual(story())


def test_a_rate_can_be_changed_while_the_worker_runs() -> None:
    async def story() -> None:
        rig = Rig(at_once, rate=1)
        rig.queue.put(*(f"b{number}" for number in range(200)))
        await rig.runs_for(10)
        assert 9 <= len(rig.ended) <= 12
        rig.poller.adjust(concurrency=None, rate=100)
        await rig.runs_for(5)
        assert len(rig.ended) == 200

    virtual(story())


def test_more_slots_are_used_as_soon_as_there_are_more() -> None:
    async def story() -> None:
        rig = Rig(taking(10), concurrency=2)
        rig.queue.put(*(f"b{number}" for number in range(20)))
        await rig.runs_for(1)
        assert rig.running.total() == 2
        rig.poller.adjust(concurrency=12, rate=None)
        await rig.runs_for(1)
        assert rig.running.total() == 12

    virtual(story())


def test_what_goes_back_behind_a_failed_message_gives_its_places_back() -> None:
    async def story() -> None:
        faults = {f"{group}0": 4 for group in "abcdef"}

        async def work(body: str) -> None:
            if faults.get(body, 0):
                faults[body] -= 1
                raise ConnectionError

        rig = Rig(work, order=Fifo(), concurrency=2)
        for group in "abcdef":
            rig.queue.put(*(f"{group}{number}" for number in range(10)), group=group)
        await rig.runs_for(900)
        assert len(rig.ended) == 60
        rig.queue.calls.clear()
        await rig.runs_for(30)
        assert {limit for call, limit in rig.queue.calls if call == "receive"} == {10}, "all places are free again"

    virtual(story())


def test_groups_beside_each_other_stay_within_the_concurrency() -> None:
    async def story() -> None:
        rig = Rig(taking(10), order=FairShares(1), concurrency=3)
        for group in range(12):
            rig.queue.put(f"g{group}", group=f"g{group}")
        await rig.runs_for(60)
        assert (len(rig.ended), rig.most_running) == (12, 3)

    virtual(story())


def test_a_failure_on_a_fair_queue_sends_nobody_else_back() -> None:
    async def story() -> None:
        async def work(body: str) -> None:
            await asyncio.sleep(1)
            if body == "a0":
                raise ConnectionError

        rig = Rig(work, order=FairShares(1))
        stored = rig.queue.put("a0", "a1", "a2", group="a")
        await rig.runs_for(3.5)
        assert rig.ended == ["a1", "a2"]
        assert [each.receipts for each in stored[1:]] == [1, 1]

    virtual(story())
