"""Batches in the container's door whose leases end or whose road breaks: no message is kept from view without work."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from shared.consumer import Pace
from shared.worker import BatchResult, Fifo
from tests.made import together
from tests.shared.rig import Rig
from tests.virtual_time import virtual


@pytest.mark.guarantee("B17")
def test_one_lost_lease_cuts_its_batch_and_the_others_of_it_are_given_back_at_once() -> None:
    async def story() -> None:
        calls: list[list[str]] = []

        async def slow(bodies: Sequence[str]) -> BatchResult:
            calls.append(sorted(bodies))
            await asyncio.sleep(100 if len(calls) == 1 else 0)
            return [None] * len(bodies)

        rig = Rig(batch=slow, limits=together(count=3, seconds=1), pace=Pace(visibility=30))
        rig.queue.put("a", "b", "c")
        rig.queue.refuse = lambda call, each: (
            "ReceiptHandleIsInvalid"
            if call == "extend" and (each.body, each.attempt, len(calls)) == ("a", 1, 1)
            else ""
        )
        await rig.runs_for(25)
        assert calls[:2] == [["a", "b", "c"], ["b", "c"]], "cut at the first extension, and not after a hundred seconds"
        await rig.runs_for(60)
        assert rig.queue.left == []
        assert rig.leases.kept == 0

    virtual(story())


@pytest.mark.guarantee("B19")
def test_a_longest_lease_cuts_a_batch_and_its_messages_come_back() -> None:
    async def story() -> None:
        calls: list[int] = []

        async def slow(bodies: Sequence[str]) -> BatchResult:
            calls.append(len(bodies))
            await asyncio.sleep(1_000 if len(calls) == 1 else 0)
            return [None] * len(bodies)

        rig = Rig(batch=slow, limits=together(count=10, seconds=1), pace=Pace(visibility=30), longest_lease=70.0)
        rig.queue.put("a", "b", "c")
        await rig.runs_for(120)
        assert sum(calls) == 6
        assert rig.queue.left == []
        assert rig.leases.kept == 0

    virtual(story())


@pytest.mark.guarantee("B17")
def test_what_lost_its_lease_while_it_was_gathered_is_not_started() -> None:
    async def story() -> None:
        started: list[str] = []

        async def quick(bodies: Sequence[str]) -> BatchResult:
            started.extend(bodies)
            return [None] * len(bodies)

        rig = Rig(batch=quick, limits=together(count=10, seconds=25), pace=Pace(visibility=30))
        rig.queue.put("a", "b")
        rig.queue.refuse = lambda call, each: (
            "ReceiptHandleIsInvalid" if call == "extend" and each.body == "a" and each.attempt == 1 else ""
        )
        await rig.runs_for(28)
        assert started == ["b"]
        await rig.runs_for(60)
        assert sorted(started) == ["a", "b"]
        assert rig.leases.kept == 0
        await rig.drains()

    virtual(story())


def test_a_lease_lost_during_the_drain_leaves_no_message_of_its_batch_hidden() -> None:
    async def story() -> None:
        async def endless(bodies: Sequence[str]) -> BatchResult:
            await asyncio.sleep(10_000)
            return [None] * len(bodies)

        rig = Rig(batch=endless, limits=together(count=3, seconds=1), pace=Pace(wait=1, visibility=30, drain=60))
        rig.queue.put("a", "b", "c")
        await rig.runs_for(5)
        rig.queue.refuse = lambda call, each: "ReceiptHandleIsInvalid" if (call, each.body) == ("extend", "a") else ""
        await rig.drains()
        assert {stored.body for stored in rig.queue.visible()} >= {"b", "c"}
        assert rig.leases.kept == 0

    virtual(story())


def test_a_road_that_breaks_keeps_no_lease_and_frees_its_slots() -> None:
    async def story() -> None:
        done: list[str] = []

        async def work(body: str) -> None:
            if body.startswith("broken") and body not in done:
                done.append(body)
                raise ConnectionError
            done.append(body)

        options: dict[str, Any] = {"backoff": None}  # nothing to ask for a pause: the pipeline itself breaks
        rig = Rig(work, concurrency=2, pace=Pace(visibility=30), **options)
        rig.queue.put("broken 1", "broken 2", "well 1", "well 2")
        await rig.runs_for(5)
        assert {"well 1", "well 2"} <= set(done)
        await rig.runs_for(60)
        assert rig.queue.left == []
        assert rig.leases.kept == 0

    virtual(story())


@pytest.mark.guarantee("B26")
def test_behind_a_broken_road_a_fifo_group_waits() -> None:
    async def story() -> None:
        faults = [ConnectionError() for _ in range(3)]

        async def work(body: str) -> None:
            if body == "a0" and faults:
                raise faults.pop()

        options: dict[str, Any] = {"backoff": None}
        rig = Rig(work, order=Fifo(), pace=Pace(visibility=30), **options)
        rig.queue.put("a0", "a1", "a2", group="a")
        await rig.runs_for(5)
        assert rig.started == ["a0"] * 3, "twice more in hand"
        await rig.runs_for(90)
        assert rig.ended == ["a0", "a1", "a2"]

    virtual(story())


def test_no_more_batches_run_at_once_than_the_concurrency_says() -> None:
    async def story() -> None:
        running, most = [0], [0]

        async def slow(bodies: Sequence[str]) -> BatchResult:
            running[0] += 1
            most[0] = max(most[0], running[0])
            await asyncio.sleep(10)
            running[0] -= 1
            return [None] * len(bodies)

        rig = Rig(batch=slow, limits=together(count=100, seconds=1), concurrency=1)
        rig.start()
        for number in range(5):
            rig.queue.put(f"b{number}")
            await asyncio.sleep(2)
        await rig.runs_for(60)
        assert (rig.queue.left, most[0]) == ([], 1)

    virtual(story())


@pytest.mark.guarantee("B1")
@pytest.mark.parametrize(("own", "ordered", "expected"), [(3, 1, 1), (1, 3, 3), (3, 0, 3)])
def test_as_many_batches_run_at_once_as_an_order_says_and_a_pause_ends_those_in_hand(
    own: int, ordered: int, expected: int
) -> None:
    async def story() -> None:
        running, most = [0], [0]

        async def slow(bodies: Sequence[str]) -> BatchResult:
            running[0] += 1
            most[0] = max(most[0], running[0])
            await asyncio.sleep(10)
            running[0] -= 1
            return [None] * len(bodies)

        rig = Rig(batch=slow, limits=together(count=5, seconds=1), concurrency=own)
        if ordered:
            await rig.runs_for(1)
            rig.poller.adjust(concurrency=ordered, rate=None)
        for number in range(7):
            rig.queue.put(f"b{number}", f"c{number}")
            await rig.runs_for(1.5)
        if not ordered:
            rig.poller.adjust(concurrency=0, rate=None)
        await rig.runs_for(120)
        assert (most[0], rig.leases.kept) == (expected, 0)
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("B24")
@pytest.mark.parametrize("wrong", ["raises", "answers too little"])
def test_an_event_that_makes_a_batch_handler_fail_is_buried_and_its_neighbours_are_not(wrong: str) -> None:
    async def story() -> None:
        async def many(bodies: Sequence[str]) -> BatchResult:
            if "poison" not in bodies:
                done.extend(bodies)
                return [None] * len(bodies)
            if wrong == "raises":
                raise ValueError
            return []

        done: list[str] = []
        rig = Rig(batch=many, limits=together(count=4, seconds=1))
        rig.queue.put("a", "poison", "b", "c")
        await rig.runs_for(24 * 3_600)
        assert sorted(done) == ["a", "b", "c"]
        assert [each.body for each in rig.queue.letters] == ["poison"]
        assert rig.queue.left == []
        await rig.drains()

    virtual(story())
