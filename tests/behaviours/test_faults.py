"""Whatever goes wrong with a queue, polling is back by itself, and nothing is lost: B31."""

from collections import Counter

import pytest

from shared.poller import Poller
from tests.behaviours.doors import ContainerDoor
from tests.behaviours.stage import Stage
from tests.behaviours.test_intake import words
from tests.waiting import until

ERRORS = ("internal", "unavailable", "throttled", "expired", "denied", "over_limit", "no_queue", "reset")
BACK_WITHIN = 15.0
"""Seconds from the end of a fault until messages come in again."""


async def test_after_every_fault_of_the_receive_messages_come_in_again_by_themselves(
    stage: Stage, container: ContainerDoor
) -> None:
    for fault in ERRORS:
        stage.queues(fault)
        stage.control.fault(fault, "ReceiveMessage", queues=(fault,), skip=1)
        await container.opens(stage.worker())
    await until(
        lambda: all(each["fired"] >= 2 for each in stage.control.faults()), what="two failed receives of each queue"
    )
    stage.control.heal()
    for fault in ERRORS:
        stage.queue, stage.url = fault, stage.server.url_of(fault)
        stage.send(fault)
    await until(lambda: Counter(stage.ended) == Counter(ERRORS), seconds=BACK_WITHIN, what="a message of each queue")


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
