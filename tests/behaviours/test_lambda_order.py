"""What an invocation owes to groups, to records that cannot be read, and to copies: B26, B27 and B32 behind Lambda."""

import asyncio
from typing import Any

import pytest

from shared.outcome import Reject
from shared.worker import FairShares, Fifo
from tests.behaviours.doors import LambdaDoor
from tests.behaviours.stage import Gate, Stage, failing
from tests.behaviours.test_intake import words
from tests.behaviours.test_lambda import door, event, opened
from tests.waiting import until

__all__ = ["door"]

Record = dict[str, Any]


def without(record: Record, *names: str) -> None:
    """Take these away, so that the record cannot be read."""
    for name in names:
        del record[name]


@pytest.mark.guarantee("B27")
async def test_a_noisy_tenant_of_an_invocation_does_not_hold_every_slot(stage: Stage, door: LambdaDoor) -> None:
    stage.queues()
    gate = Gate()
    stage.work = {body: lambda _: gate.passed() for body in words(7, "noisy")}
    stage.send(*words(7, "noisy"), group="noisy")
    asked, _ = event(stage, *words(3, "quiet"), group="quiet")
    invoked = asyncio.create_task(door.invokes(opened(stage, door, concurrency=4, order=FairShares(2)), asked))
    await until(lambda: len(stage.ended) == 3, seconds=3, what="the quiet tenant, while the noisy one still runs")
    assert stage.running == 2
    gate.open()
    assert await invoked == []
    assert sorted(stage.ended) == sorted([*words(7, "noisy"), *words(3, "quiet")])
    assert stage.most_running <= 4


@pytest.mark.guarantee("B27")
async def test_a_failure_on_a_fair_queue_stops_nobody_of_its_group(stage: Stage, door: LambdaDoor) -> None:
    stage.queues()
    stage.work["noisy 0"] = failing(ConnectionError())
    asked, ids = event(stage, *words(5, "noisy"), group="noisy")
    assert await door.invokes(opened(stage, door, order=FairShares(1)), asked) == [ids["noisy 0"]]
    assert sorted(stage.ended) == words(5, "noisy")[1:]


@pytest.mark.guarantee("B2")
async def test_a_slow_record_does_not_keep_the_other_slots_of_an_invocation_from_being_filled(
    stage: Stage, door: LambdaDoor
) -> None:
    stage.queues()
    gate = Gate()
    stage.work["slow"] = lambda _: gate.passed()
    asked, _ = event(stage, "slow", *words(9))
    invoked = asyncio.create_task(door.invokes(opened(stage, door, concurrency=2), asked))
    await until(lambda: len(stage.ended) == 9, what="the nine others")
    gate.open()
    assert await invoked == []


@pytest.mark.guarantee("B26")
async def test_behind_an_unreadable_record_its_fifo_group_stops_and_is_given_back_and_others_go_on(
    stage: Stage, door: LambdaDoor
) -> None:
    stage.queues("uploads.fifo")
    stage.send(*words(4, "red"), group="red")
    asked, ids = event(stage, *words(2, "green"), group="green")
    [broken] = [record for record in asked["Records"] if record["body"] == "red 1"]
    without(broken, "body", "receiptHandle")
    reported = await door.invokes(opened(stage, door, order=Fifo()), asked)
    assert set(reported) == {ids["red 1"], ids["red 2"], ids["red 3"]}
    assert sorted(stage.ended) == ["green 0", "green 1", "red 0"]
    released = {each.message_id for each in stage.entries("release")}
    assert released == {ids["red 2"], ids["red 3"]}


@pytest.mark.guarantee("B26")
@pytest.mark.parametrize("lacking", [("attributes",), ("attributes", "eventSourceARN"), ("everything",)])
async def test_behind_a_record_whose_group_is_unknown_nothing_of_a_fifo_queue_runs(
    stage: Stage, door: LambdaDoor, lacking: tuple[str, ...]
) -> None:
    stage.queues("uploads.fifo")
    stage.send(*words(2, "red"), group="red")
    asked, ids = event(stage, *words(2, "green"), group="green")
    first, second, *behind = asked["Records"]
    names = {record["messageId"] for record in behind}
    if lacking == ("everything",):
        asked["Records"][1] = "no record at all"
    else:
        without(second, *lacking)
        names |= {second["messageId"]}
    reported = await door.invokes(opened(stage, door, order=Fifo()), asked)
    assert set(reported) == names
    assert stage.ended == [first["body"]]
    assert ids[first["body"]] not in reported


@pytest.mark.guarantee("B32")
async def test_an_unreadable_record_of_a_standard_queue_stops_nobody(stage: Stage, door: LambdaDoor) -> None:
    stage.queues()
    asked, ids = event(stage, *words(4), group="tenant")
    without(asked["Records"][1], "body")
    broken = asked["Records"][1]["messageId"]
    assert await door.invokes(opened(stage, door, order=FairShares(1)), asked) == [broken]
    assert len(stage.ended) == 3
    assert broken in ids.values()


@pytest.mark.guarantee("B32")
@pytest.mark.parametrize("fails", [False, True])
async def test_the_same_message_twice_in_a_batch_is_handled_once_by_its_newest_receipt(
    stage: Stage, door: LambdaDoor, *, fails: bool
) -> None:
    stage.queues()
    first, _ = event(stage, "twice")
    stage.control.advance(61)
    asked, ids = event(stage, "once")
    asked["Records"] = [*asked["Records"], *first["Records"]]  # the older receipt is no longer valid
    if fails:
        stage.work["twice"] = failing(ConnectionError())
    assert await door.invokes(opened(stage, door), asked) == ([ids["twice"]] if fails else [])
    assert sorted(stage.started) == ["once", "twice"]
    assert len(stage.entries("extend")) == fails, "hidden once, and not given back by its copy"
    assert stage.entries("release") == []


@pytest.mark.guarantee("B32")
@pytest.mark.slow
async def test_a_burial_that_is_cut_at_the_deadline_keeps_the_message(stage: Stage, door: LambdaDoor) -> None:
    stage.queues()
    stage.otherwise = failing(Reject("no such session"))
    stage.control.fault("lost", "SendMessage", queues=(stage.dead,), count=1, seconds=30)
    asked, ids = event(stage, "hopeless")
    sandbox = opened(stage, door)
    assert await door.invokes(sandbox, asked, remaining=6.0) == [ids["hopeless"]]
    assert [each["body"] for each in stage.left()] == ["hopeless"]
    assert [each["body"] for each in stage.buried()] == ["hopeless"], "doubled at worst, and not lost"
    stage.control.advance(61)
    again, _ = event(stage)
    assert await door.invokes(sandbox, again) == []
    assert len(stage.buried()) == 2
