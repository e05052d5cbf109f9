"""What is expected, what was seen, and what is still missing."""

import asyncio

import pytest

from fleet.dev.demo.board import Board, Effect

NOTIFIED = Effect(("browser messages", "s1"), "browser message for 'a'", "upload to browser")
SAVED = Effect(("uploads", "s1"), "session of 'a' marked UPLOADED")


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def board(clock: Clock | None = None) -> Board:
    made = Board(now=clock or Clock())
    made.expect(NOTIFIED, SAVED)
    return made


def test_an_effect_that_was_not_seen_is_missing_by_name() -> None:
    effects = board()
    effects.saw(NOTIFIED.key)
    assert [effect.name for effect in effects.missing()] == ["session of 'a' marked UPLOADED"]
    assert effects.progress() == {"browser messages": (1, 1), "uploads": (0, 1)}


def test_a_latency_runs_from_the_cause_to_the_first_sighting() -> None:
    clock = Clock()
    effects = board(clock)
    effects.caused(NOTIFIED.key)
    clock.time += 2
    effects.saw(NOTIFIED.key)
    clock.time += 5
    effects.saw(NOTIFIED.key)
    assert effects.latencies() == {"upload to browser": [2.0]}


def test_a_sighting_may_be_dated_by_whoever_saw_it_and_never_lies_before_its_cause() -> None:
    effects = board()
    effects.caused(NOTIFIED.key)
    effects.saw(NOTIFIED.key, at=99.9)
    assert effects.latencies() == {"upload to browser": [0.0]}


def test_an_effect_without_a_hop_or_without_a_cause_has_no_latency() -> None:
    effects = board()
    effects.caused(SAVED.key)
    effects.saw(SAVED.key)
    effects.saw(NOTIFIED.key)
    assert effects.latencies() == {}


async def test_waiting_ends_with_the_last_missing_effect() -> None:
    effects = board()
    waiting = asyncio.create_task(effects.complete())
    effects.saw(("something", "else"))
    effects.saw(NOTIFIED.key)
    await asyncio.sleep(0)
    assert not waiting.done()
    effects.saw(SAVED.key)
    async with asyncio.timeout(5):
        await waiting


async def test_one_effect_may_be_left_out_of_the_waiting() -> None:
    effects = board()
    effects.saw(NOTIFIED.key)
    async with asyncio.timeout(5):
        await effects.complete(but=SAVED)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await effects.complete()
