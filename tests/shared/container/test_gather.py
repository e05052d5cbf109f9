"""Messages gathered for a batch handler."""

import asyncio
from collections.abc import Sequence
from typing import Any

from shared.container.gather import Gather
from shared.message.delivery import Attribute, Delivery
from shared.message.pointer import MARK
from shared.worker import Together
from tests.fakes import delivery
from tests.made import together
from tests.virtual_time import clock, virtual


class Started:
    """The batches that were started: when, and what was in them."""

    def __init__(self, limits: Together[Any]) -> None:
        self.batches: list[tuple[float, list[str]]] = []
        self.gather = Gather(limits, self._start)

    def add(self, *bodies: str) -> None:
        for body in bodies:
            self.gather.add(delivery(body))

    def _start(self, deliveries: Sequence[Delivery]) -> None:
        self.batches.append((clock() - 1_000, [each.body for each in deliveries]))


def test_a_batch_starts_when_it_is_full() -> None:
    async def story() -> None:
        started = Started(together(count=3, seconds=60))
        started.add("a", "b", "c", "d")
        assert started.batches == [(0, ["a", "b", "c"])]

    virtual(story())


def test_a_batch_starts_when_its_bodies_are_large_enough() -> None:
    async def story() -> None:
        started = Started(together(count=100, bytes=11, seconds=60))
        started.add("żółw", "ab", "x")
        assert started.batches == []
        started.add("y")
        assert started.batches == [(0, ["żółw", "ab", "x", "y"])]

    virtual(story())


def test_a_body_in_s3_counts_with_the_bytes_that_it_will_have() -> None:
    async def story() -> None:
        started = Started(together(count=100, bytes=1_000, seconds=60))
        started.gather.add(delivery("pointer", attributes={MARK: Attribute("Number", "1000")}))
        assert started.batches == [(0, ["pointer"])]

    virtual(story())


def test_a_batch_starts_when_its_first_message_has_waited_long_enough() -> None:
    async def story() -> None:
        started = Started(together(count=100, seconds=5))
        started.add("a")
        await asyncio.sleep(4)
        started.add("b")
        await asyncio.sleep(60)
        assert started.batches == [(5, ["a", "b"])]

    virtual(story())


def test_a_batch_that_was_full_leaves_no_timer_behind() -> None:
    async def story() -> None:
        started = Started(together(count=2, seconds=5))
        started.add("a")
        await asyncio.sleep(3)
        started.add("b", "c")
        await asyncio.sleep(60)
        assert started.batches == [(3, ["a", "b"]), (8, ["c"])]

    virtual(story())


def test_the_bytes_of_one_batch_do_not_count_for_the_next() -> None:
    async def story() -> None:
        started = Started(together(count=100, bytes=4, seconds=5))
        started.add("long enough", "ab")
        await asyncio.sleep(60)
        assert started.batches == [(0, ["long enough"]), (5, ["ab"])]

    virtual(story())


def test_what_is_taken_out_is_never_started() -> None:
    async def story() -> None:
        started = Started(together(count=3, seconds=5))
        started.add("a", "b")
        assert [each.body for each in started.gather.take_all()] == ["a", "b"]
        await asyncio.sleep(60)
        assert started.batches == []

    virtual(story())


def test_nothing_gathered_is_nothing_to_take() -> None:
    async def story() -> None:
        assert Started(together()).gather.take_all() == []

    virtual(story())


def test_nothing_gathered_never_starts() -> None:
    async def story() -> None:
        started = Started(together(seconds=1))
        await asyncio.sleep(60)
        assert started.batches == []

    virtual(story())
