"""A ledger that refuses, hangs or loses its answers under work with a key: nothing is run twice where it can be helped."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from shared.message.delivery import Attribute
from shared.message.identity import REPLAY
from shared.outcome import Later
from shared.road.once import RELEASE_SECONDS
from tests.shared.keyed import FAULTS, FaultyLedger, Stand, at_once, hangs, in_three_seconds, message, refused
from tests.virtual_time import clock, virtual


def test_a_release_that_hangs_costs_the_drain_less_than_a_second() -> None:
    async def story() -> None:
        stand = Stand(in_three_seconds, ledger=FaultyLedger())
        stand.ledger.before["release"] = [hangs]
        task = asyncio.create_task(stand.road().travel(message()))
        await asyncio.sleep(1)
        task.cancel("cut")
        cut_at = clock()
        await asyncio.wait({task})
        assert task.cancelled()
        assert clock() - cut_at == pytest.approx(RELEASE_SECONDS)

    virtual(story())


def test_a_release_that_fails_does_not_hide_why_the_handler_failed() -> None:
    async def story() -> None:
        async def handle(_event: dict[str, str]) -> None:
            raise Later("the receiver is away", after=77)

        stand = Stand(handle)
        stand.ledger.before["release"] = [refused]
        assert not await stand.road().travel(message())
        assert stand.hidden == [77]

    virtual(story())


def test_a_claim_that_is_not_released_is_told_with_the_code_of_aws() -> None:
    async def denied() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteItem")

    async def story() -> None:
        async def handle(_event: dict[str, str]) -> None:
            raise ValueError

        stand = Stand(handle)
        stand.ledger.before["release"] = [denied]
        with capture_logs() as lines:
            await stand.road().travel(message())
        assert [each["error_type"] for each in lines if each["event"] == "claim_not_released"] == ["AccessDenied"]

    virtual(story())


@pytest.mark.parametrize("fault", [hangs, refused])
def test_a_replay_that_cannot_be_told_of_does_not_keep_its_message(fault: Any) -> None:
    async def story() -> None:
        stand = Stand(at_once)
        stand.ledger.before["note"] = [fault]
        replay = Attribute("String", text='{"plan_id": "p-1", "replayed_from": "m-0"}')
        started = clock()
        assert await stand.road().travel(replace(message(), attributes={REPLAY: replay}))
        assert clock() - started <= 10

    virtual(story())


def test_a_claim_is_not_waited_for_so_long_that_its_lease_could_end_under_the_work() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        stand.ledger.before["claim"] = [hangs]
        started = clock()
        assert await stand.road(timeout=10).travel(message())
        assert 5.5 <= clock() - started <= 6.5  # and is asked again after half to one and a half seconds

    virtual(story())


@pytest.mark.guarantee("R1")
@pytest.mark.parametrize("duplicates", ["refuse", "wait"])
def test_claims_that_are_never_answered_bury_nothing_however_short_the_timeout_is(duplicates: str) -> None:
    async def story() -> None:
        stand = Stand(at_once)
        stand.ledger.before["claim"] = [hangs] * 20
        road = stand.road(timeout=0.5, max_attempts=2, duplicates=duplicates)
        for attempt in range(1, 5):
            assert not await road.travel(message(attempt=attempt))
        assert (stand.ran, stand.letters) == ([], [])
        assert await road.travel(message(attempt=5))
        assert stand.ran == ["a"]

    virtual(story())


@pytest.mark.guarantee("K8")
@pytest.mark.parametrize("duplicates", ["refuse", "wait"])
def test_without_a_claim_nothing_runs_and_the_message_comes_again(duplicates: str) -> None:
    async def story() -> None:
        stand = Stand(at_once)
        stand.ledger.before["claim"] = [refused]
        road = stand.road(duplicates=duplicates)
        assert not await road.travel(message())
        assert (stand.ran, stand.hidden) == ([], [4.0])
        assert await road.travel(message(attempt=2))
        assert stand.ran == ["a"]

    virtual(story())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_claim_whose_answer_was_lost_keeps_nobody_waiting(fault: str) -> None:
    async def story() -> None:
        stand = Stand(at_once)
        stand.ledger.after["claim"] = [FAULTS[fault]]
        road = stand.road()
        assert await road.travel(message()) or await road.travel(message(attempt=2))
        assert stand.ran == ["a"]

    virtual(story())


@pytest.mark.guarantee("K8")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_completion_that_fails_is_tried_again_and_the_handler_is_not(fault: str, place: str) -> None:
    async def story() -> None:
        stand = Stand(in_three_seconds)
        getattr(stand.ledger, place)["complete"] = [FAULTS[fault], FAULTS[fault]]
        road = stand.road()
        with capture_logs() as lines:
            assert await road.travel(message())
            assert await road.travel(message())
        assert stand.ran == ["a"]
        assert {each["event"] for each in lines} == {"message_done"}

    virtual(story())


@pytest.mark.guarantee("K9")
@pytest.mark.parametrize("fault", FAULTS)
def test_work_that_cannot_be_written_down_is_done_all_the_same_and_its_lease_keeps_others_off(fault: str) -> None:
    async def story() -> None:
        stand = Stand(at_once)
        stand.ledger.before["complete"] = [FAULTS[fault]] * 20
        road = stand.road(timeout=10)
        started = clock()
        with capture_logs() as lines:
            assert await road.travel(message()), "to let it come back would run it again for certain"
        assert clock() - started <= 10
        assert "completion_not_recorded" in [each["event"] for each in lines]
        stand.ledger.before.clear()
        assert not await road.travel(message())
        assert stand.ran == ["a"]
        await asyncio.sleep(20)
        assert await road.travel(message())
        assert stand.ran == ["a", "a"], "at least once, after that"

    virtual(story())


@pytest.mark.guarantee("K8")
def test_work_that_is_cut_while_it_is_written_down_is_still_written_down() -> None:
    async def story() -> None:
        stand = Stand(at_once)
        stand.ledger.before["complete"] = [hangs]
        road = stand.road()
        task = asyncio.create_task(road.travel(message()))
        await asyncio.sleep(1)
        task.cancel("cut")
        await asyncio.wait({task})
        assert task.cancelled()
        assert await road.travel(message(attempt=2))
        assert stand.ran == ["a"]

    virtual(story())


@pytest.mark.guarantee("K9")
def test_a_claim_that_was_lost_is_told_and_the_message_is_done() -> None:
    async def story() -> None:
        async def stands_still(_event: dict[str, str]) -> None:
            row = stand.ledger.rows["sample#k"]
            row.owner = "another"

        stand = Stand(stands_still)
        with capture_logs() as lines:
            assert await stand.road().travel(message())
        assert "claim_lost" in [each["event"] for each in lines]
        assert stand.ledger.rows["sample#k"].owner == "another"

    virtual(story())
