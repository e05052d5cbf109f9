"""Polls that fail, or that are answered too well: paced, reported once, and never taken for an empty queue."""

import asyncio
from collections.abc import Sequence

import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from shared.consumer import Pace
from shared.container.intake import FIRST_PAUSE, LONGEST_PAUSE
from shared.message.delivery import Delivery
from shared.outcome import LONGEST_WITHOUT_KEYS
from tests.fakes import FakeQueue
from tests.shared.rig import Rig, at_once
from tests.virtual_time import clock, virtual


class Rubbish(FakeQueue):
    """Something that answers every long poll at once, and with nothing."""

    def __init__(self) -> None:
        super().__init__(clock)
        self.is_broken = True

    async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
        if not self.is_broken:
            return await super().receive(limit=limit, wait=wait, visibility=visibility)
        self.calls.append(("receive", limit))
        await asyncio.sleep(0.005)
        return []


def denied() -> None:
    raise ClientError({"Error": {"Code": "ExpiredToken"}}, "ReceiveMessage")


def is_failing(rig: Rig) -> bool:
    return rig.poller.failure != ""


def warnings(logs: Sequence[object]) -> list[tuple[str, str]]:
    return [(each["log_level"], each["error_type"]) for each in logs if each["event"] == "poll_failed"]  # type: ignore[index]


def test_a_fault_that_lasts_is_one_warning_with_the_code_of_aws_and_the_next_fault_is_another() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        await rig.runs_for(1)
        with capture_logs() as logs:
            for _ in range(2):
                rig.queue.fail_receive = denied
                await rig.runs_for(120)
                rig.queue.fail_receive = lambda: None
                await rig.runs_for(60)
        await rig.drains()
        assert [each for each in warnings(logs) if each[0] == "warning"] == [("warning", "ExpiredToken")] * 2
        assert len(warnings(logs)) > 10, "the others are there for who looks closer"

    virtual(story())


def test_the_end_of_a_fault_is_seen_though_the_queue_is_empty_before_a_long_poll_is_over() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        await rig.runs_for(1)
        rig.queue.fail_receive = denied
        await rig.runs_for(120)
        rig.queue.fail_receive = lambda: None
        await rig.runs_for(LONGEST_PAUSE)
        assert is_failing(rig) is False
        await rig.drains()

    virtual(story())


def test_while_the_keys_are_refused_polls_do_not_grow_rare_so_that_new_ones_are_used_at_once() -> None:
    async def story() -> None:
        rig = Rig(at_once)
        await rig.runs_for(1)
        rig.queue.fail_receive = denied
        await rig.runs_for(600)
        asked = rig.queue.count("receive")
        await rig.runs_for(10 * LONGEST_WITHOUT_KEYS)
        assert rig.queue.count("receive") - asked >= 9
        await rig.drains()

    virtual(story())


def test_the_time_for_which_a_poll_waited_in_vain_is_a_part_of_the_pause_after_it() -> None:
    class Mute(FakeQueue):
        async def receive(self, *, limit: int, wait: int, visibility: int) -> list[Delivery]:
            self.calls.append(("receive", limit))
            await asyncio.Event().wait()
            return []

    async def story() -> None:
        pace = Pace()
        rig = Rig(at_once, queue=Mute(clock), pace=pace)
        await rig.runs_for(300)
        asked = rig.queue.count("receive")
        await rig.runs_for(10 * (pace.answer + FIRST_PAUSE))
        assert rig.queue.count("receive") - asked >= 10
        await rig.drains()

    virtual(story())


@pytest.mark.guarantee("R6")
def test_long_polls_that_are_answered_at_once_with_nothing_are_paced_and_count_as_a_fault() -> None:
    async def story() -> None:
        queue = Rubbish()
        rig = Rig(at_once, queue=queue)
        await rig.runs_for(60)
        assert queue.count("receive") < 40
        assert is_failing(rig) is True
        queue.is_broken = False
        queue.put("a")
        await rig.runs_for(20)
        assert rig.ended == ["a"]
        assert is_failing(rig) is False
        await rig.drains()

    virtual(story())


def test_an_empty_queue_whose_polls_are_not_held_open_is_asked_once_in_a_second_and_a_backlog_without_rest() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(wait=0))
        await rig.runs_for(60)
        assert rig.queue.count("receive") <= 61
        rig.queue.put(*map(str, range(200)))
        await rig.runs_for(3)
        assert len(rig.ended) == 200
        await rig.drains()

    virtual(story())


def test_where_the_start_may_fail_a_queue_that_cannot_be_polled_ends_the_process() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(fails_fast=True))
        rig.queue.fail_receive = denied
        with pytest.raises(ClientError):
            await rig.poller.run(rig.stop)

    virtual(story())


def test_once_it_has_polled_no_fault_ends_the_process() -> None:
    async def story() -> None:
        rig = Rig(at_once, pace=Pace(fails_fast=True))
        await rig.runs_for(1)
        rig.queue.fail_receive = denied
        await rig.runs_for(300)
        rig.queue.fail_receive = lambda: None
        rig.queue.put("a")
        await rig.runs_for(60)
        assert rig.ended == ["a"]
        await rig.drains()

    virtual(story())
