"""Whatever goes wrong with a queue, polling is back by itself, and nothing is lost: B31."""

import io
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from shared.consumer import Pace
from shared.container.poller import Poller
from shared.telemetry import logging
from tests.behaviours.doors import ContainerDoor
from tests.behaviours.stage import Stage, failing
from tests.behaviours.test_intake import words
from tests.waiting import until

ERRORS = (
    "internal",
    "unavailable",
    "throttled",
    "throttling",
    "expired",
    "denied",
    "over_limit",
    "no_queue",
    "reset",
    "timeout",  # the connection is accepted, and nothing is ever sent
)
SILENT = 3_600.0
"""Seconds for which the server would say nothing: the client must give up by itself."""
BACK_WITHIN = 15.0
"""Seconds from the end of a fault until messages come in again."""


@pytest.mark.guarantee("B31")
@pytest.mark.slow
async def test_after_every_fault_of_the_receive_messages_come_in_again_by_themselves(
    stage: Stage, container: ContainerDoor
) -> None:
    for fault in ERRORS:
        stage.queues(fault)
        stage.control.fault(fault, "ReceiveMessage", queues=(fault,), skip=1, seconds=SILENT)
        await container.opens(stage.worker(), pace=Pace(wait=1, answer=1.0, visibility=5, drain=5.0))
    await until(
        lambda: all(each["fired"] >= 2 for each in stage.control.faults()), what="two failed receives of each queue"
    )
    stage.control.heal()
    for fault in ERRORS:
        stage.queue, stage.url = fault, stage.server.url_of(fault)
        stage.send(fault)
    await until(lambda: Counter(stage.ended) == Counter(ERRORS), seconds=BACK_WITHIN, what="a message of each queue")


@pytest.mark.guarantee("B31")
@pytest.mark.slow
async def test_the_pauses_between_failing_receives_grow_and_are_jittered(
    stage: Stage, container: ContainerDoor
) -> None:
    pauses: list[list[float]] = []
    for number in range(4):
        stage.queues(f"queue-{number}")
        stage.control.fault("internal", "ReceiveMessage", queues=(stage.queue,))
        await container.opens(stage.worker())
    await until(lambda: all(each["fired"] >= 3 for each in stage.control.faults()), what="three failed receives each")
    for number in range(4):
        stage.queue = f"queue-{number}"
        asked = [each.at for each in stage.requests("ReceiveMessage")][:3]
        pauses.append([later - earlier for earlier, later in pairwise(asked)])
    assert all(0.45 < first < 1.2 and 0.95 < second < 2.2 for first, second in pauses), pauses
    assert max(first for first, _ in pauses) - min(first for first, _ in pauses) > 0.01


@pytest.mark.guarantee("B31")
async def test_a_log_that_cannot_be_written_does_not_end_the_polls(stage: Stage, container: ContainerDoor) -> None:
    class Closed(io.RawIOBase):
        def write(self, _line: Any, /) -> int:
            raise BrokenPipeError

    logging.configure(stream=Closed())  # type: ignore[arg-type]  # a stream, and a broken one
    stage.queues()
    stage.control.fault("internal", "ReceiveMessage", skip=1, count=1)
    await container.opens(stage.worker())
    stage.work["odd"] = failing(ConnectionError(), times=1)
    stage.send("odd", "well", "malformed")
    await until(lambda: stage.control.faults()[0]["fired"] == 1, what="the failed receive")
    stage.control.advance(10)
    await stage.empty(seconds=BACK_WITHIN)
    assert sorted({*stage.ended}) == ["odd", "well"]


@pytest.mark.guarantee("B31")
async def test_a_receive_whose_answer_was_lost_loses_no_message(stage: Stage, container: ContainerDoor) -> None:
    stage.queues()
    stage.send(*words(10))
    stage.control.fault("reset", "ReceiveMessage", after=True, count=1)
    await container.opens(stage.worker())
    await until(lambda: stage.entries("receive"), what="the lost receive")
    stage.control.advance(6)
    await stage.empty()
    assert Counter(stage.ended) == Counter(words(10))
    assert stage.findings().faults == {}


@pytest.mark.slow
@pytest.mark.guarantee("B31")
@pytest.mark.parametrize("gone_for", [0.0, 1.5])
async def test_a_queue_that_was_deleted_and_made_anew_is_consumed_again(
    stage: Stage, container: ContainerDoor, gone_for: float
) -> None:
    stage.queues()
    stage.send("before")
    poller: Poller = await container.opens(stage.worker())
    await stage.empty()
    stage.control.recreate("uploads", gone_for=gone_for)
    await until(lambda: _sent(stage, "after"), what="the new queue")
    await until(lambda: "after" in stage.ended, seconds=BACK_WITHIN, what="a message of the new queue")
    assert poller.has_polled


def _sent(stage: Stage, body: str) -> bool:
    try:
        stage.send(body)
    except stage.server.sqs.exceptions.QueueDoesNotExist:
        return False
    return True
