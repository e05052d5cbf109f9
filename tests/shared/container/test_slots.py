"""Places for messages in hand."""

import asyncio

from shared.limits import Slots


async def test_free_places_are_told_at_once() -> None:
    assert await Slots(3).some_free() == 3


async def test_no_more_places_are_reserved_than_there_are() -> None:
    slots = Slots(3)
    assert [slots.reserve(2), slots.reserve(2), slots.reserve(2)] == [2, 1, 0]


async def test_with_all_places_taken_one_waits_until_one_is_given() -> None:
    slots = Slots(1)
    slots.reserve(1)
    waiting = asyncio.create_task(slots.some_free())
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.give(1)
    assert await waiting == 1


async def test_places_given_back_together_are_free_together() -> None:
    slots = Slots(10)
    slots.reserve(10)
    slots.give(9)
    assert await slots.some_free() == 9


async def test_a_larger_count_wakes_who_waits_for_a_place() -> None:
    slots = Slots(0)
    waiting = asyncio.create_task(slots.some_free())
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.resize(2)
    assert await waiting == 2


async def test_a_smaller_count_frees_no_place_until_enough_were_given_back() -> None:
    slots = Slots(3)
    slots.reserve(3)
    slots.resize(1)
    slots.give(2)
    assert slots.free == 0
    slots.give(1)
    assert slots.free == 1
