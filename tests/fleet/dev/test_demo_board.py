"""What is expected, what was seen, and what is still missing."""

import asyncio

import pytest

from fleet.dev.demo.board import Board, Effect

TOLD = Effect(("browser messages", "s1"), "browser message for 'a'", "upload to browser")
SAVED = Effect(("uploads", "s1"), "session of 'a' marked UPLOADED")


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def board(clock: Clock | None = None) -> Board:
    made = Board(now=clock or Clock())
    made.expect(TOLD, SAVED)
    return made


def test_an_effect_that_was_not_seen_is_missing_by_name() -> None:
    told = board()
    told.saw(TOLD.key)
    assert [effect.name for effect in told.missing()] == ["session of 'a' marked UPLOADED"]
    assert told.progress() == {"browser messages": (1, 1), "uploads": (0, 1)}


def test_a_latency_runs_from_the_cause_to_the_first_sighting() -> None:
    clock = Clock()
    told = board(clock)
    told.caused(TOLD.key)
    clock.time += 2
    told.saw(TOLD.key)
    clock.time += 5
    told.saw(TOLD.key)
    assert told.latencies() == {"upload to browser": [2.0]}


def test_a_sighting_may_be_dated_by_whoever_saw_it_and_never_lies_before_its_cause() -> None:
    told = board()
    told.caused(TOLD.key)
    told.saw(TOLD.key, at=99.9)
    assert told.latencies() == {"upload to browser": [0.0]}


def test_an_effect_without_a_hop_or_without_a_cause_has_no_latency() -> None:
    told = board()
    told.caused(SAVED.key)
    told.saw(SAVED.key)
    told.saw(TOLD.key)
    assert told.latencies() == {}


async def test_waiting_ends_with_the_last_missing_effect() -> None:
    told = board()
    waiting = asyncio.create_task(told.complete())
    told.saw(("something", "else"))
    told.saw(TOLD.key)
    await asyncio.sleep(0)
    assert not waiting.done()
    told.saw(SAVED.key)
    await asyncio.wait_for(waiting, 5)


async def test_one_effect_may_be_left_out_of_the_waiting() -> None:
    told = board()
    told.saw(TOLD.key)
    await asyncio.wait_for(told.complete(but=SAVED), 5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(told.complete(), 0.01)
