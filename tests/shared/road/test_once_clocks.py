"""What is promised of keyed work where the wall clocks of processes differ, or one stood still: it may be done twice, and then no more."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.shared.keyed import Stand, at_once, in_three_seconds, message, refused
from tests.virtual_time import virtual

HOUR = 3_600.0


@pytest.mark.parametrize(("first", "second"), [(0.0, HOUR), (-HOUR, 0.0)])
def test_the_clock_that_is_ahead_takes_over_what_the_other_runs_and_what_is_recorded_is_not_done_again(
    first: float, second: float
) -> None:
    async def story() -> None:
        stand = Stand(in_three_seconds)
        running = asyncio.create_task(stand.road(ahead=first).travel(message()))
        await asyncio.sleep(1)
        with capture_logs() as lines:
            assert await stand.road(ahead=second).travel(message())
            assert await running
        assert "claim_lost" in [each["event"] for each in lines]
        assert stand.ran == ["a", "a"]
        for ahead in (-HOUR, 0.0, HOUR):
            assert await stand.road(ahead=ahead).travel(message())
        assert stand.ran == ["a", "a"]
        assert stand.letters == []

    virtual(story())


def test_work_of_a_process_that_died_with_its_clock_ahead_waits_for_as_long_and_is_done() -> None:
    async def story() -> None:
        stand = Stand(in_three_seconds)
        stand.ledger.before["release"] = [refused]
        dies = asyncio.create_task(stand.road(ahead=HOUR).travel(message()))
        await asyncio.sleep(1)
        dies.cancel("cut")
        await asyncio.wait({dies})
        stand.handle, road = at_once, stand.road()
        assert not await road.travel(message(attempt=2))
        await asyncio.sleep(HOUR)
        assert not await road.travel(message(attempt=3))
        await asyncio.sleep(20)
        assert await road.travel(message(attempt=4))
        assert stand.letters == []

    virtual(story())


def test_a_lease_that_ended_while_its_key_was_claimed_starts_no_handler_and_leaves_no_claim() -> None:
    async def story() -> None:
        stand = Stand(at_once)

        async def stands_still() -> None:
            stand.lease = False

        stand.ledger.after["claim"] = [stands_still]
        road = stand.road()
        assert not await road.travel(message())
        assert (stand.ran, stand.letters) == ([], [])
        stand.lease = True
        assert await road.travel(message(attempt=2))
        assert stand.ran == ["a"]

    virtual(story())
