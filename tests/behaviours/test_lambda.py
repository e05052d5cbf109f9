"""What only Lambda asks for: the report of an invocation, and the deadline: B32."""

import asyncio
from typing import Any

import pytest

from shared.lambda_door.entry import EveryRecordFailed, Sandbox
from shared.outcome import Later
from shared.worker import Fifo
from tests.behaviours.doors import LambdaDoor
from tests.behaviours.stage import Stage, failing
from tests.behaviours.test_intake import words
from tests.lambda_events import lambda_event


@pytest.fixture
async def door(stage: Stage) -> Any:
    made = LambdaDoor(stage)
    yield made
    await made.closes()


def event(stage: Stage, *bodies: str, group: str | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Send these, receive them as the mapping does; the event, and the id of each body."""
    stage.send(*bodies, group=group)
    answer = stage.server.sqs.receive_message(
        QueueUrl=stage.url, MaxNumberOfMessages=10, VisibilityTimeout=60, MessageSystemAttributeNames=["All"]
    )
    messages: list[Any] = list(answer.get("Messages", []))
    return lambda_event(messages, queue_name=stage.queue), {each["Body"]: each["MessageId"] for each in messages}


def opened(stage: Stage, door: LambdaDoor, *, raises: bool = False, **options: Any) -> Sandbox:
    return door.sandbox(stage.worker(**options), LAMBDA_RAISE_WHEN_ALL_FAILED=str(raises).lower())


either_way = pytest.mark.parametrize("raises", [False, True])


@pytest.mark.guarantee("B32")
@either_way
async def test_an_empty_batch_reports_nothing(stage: Stage, door: LambdaDoor, *, raises: bool) -> None:
    stage.queues()
    assert await door.invokes(opened(stage, door, raises=raises), {"Records": []}) == []


@pytest.mark.guarantee("B32")
@either_way
async def test_a_whole_success_reports_nothing(stage: Stage, door: LambdaDoor, *, raises: bool) -> None:
    stage.queues()
    asked, _ = event(stage, *words(10))
    assert await door.invokes(opened(stage, door, raises=raises), asked) == []
    assert len(stage.ended) == 10


@pytest.mark.guarantee("B32")
@either_way
async def test_of_a_mixed_batch_only_the_failed_are_reported(stage: Stage, door: LambdaDoor, *, raises: bool) -> None:
    stage.queues()
    stage.work["bad"] = failing(ConnectionError())
    asked, ids = event(stage, "good", "bad", "better")
    assert await door.invokes(opened(stage, door, raises=raises), asked) == [ids["bad"]]


@pytest.mark.guarantee("B32")
@either_way
async def test_a_batch_that_was_buried_whole_has_not_failed(stage: Stage, door: LambdaDoor, *, raises: bool) -> None:
    stage.queues()
    asked, _ = event(stage, *words(3, "malformed"))
    assert await door.invokes(opened(stage, door, raises=raises), asked) == []
    assert len(stage.buried()) == 3


@pytest.mark.guarantee("B32")
async def test_a_batch_that_failed_whole_is_returned_and_not_raised(stage: Stage, door: LambdaDoor) -> None:
    stage.queues()
    stage.otherwise = failing(ConnectionError())
    asked, ids = event(stage, *words(5))
    assert sorted(await door.invokes(opened(stage, door), asked)) == sorted(ids.values())


@pytest.mark.guarantee("B32")
async def test_where_it_is_asked_for_a_batch_that_failed_whole_raises_and_what_was_hidden_stays_hidden(
    stage: Stage, door: LambdaDoor
) -> None:
    stage.queues()
    stage.otherwise = failing(Later("not before noon", after=777))
    asked, _ = event(stage, "secret one", "secret two")
    with pytest.raises(EveryRecordFailed) as raised:
        await door.invokes(opened(stage, door, raises=True), asked)
    assert str(raised.value) == "every record of this invocation failed: 2 of sample; all stay in the queue"
    assert {each["state"] for each in stage.left()} == {"in flight"}
    for hidden in stage.entries("extend"):
        assert float(hidden.more["until"]) - hidden.at == pytest.approx(777, abs=1)
    assert len(stage.entries("extend")) == 2
    assert stage.entries("release") == []


@pytest.mark.guarantee("B32")
@either_way
async def test_a_fifo_batch_whose_first_of_each_group_failed_stays_whole_and_its_rest_is_given_back(
    stage: Stage, door: LambdaDoor, *, raises: bool
) -> None:
    stage.queues("uploads.fifo")
    stage.otherwise = failing(ConnectionError())
    stage.send(*words(2, "red"), group="red")
    asked, ids = event(stage, *words(3, "green"), group="green")
    sandbox = opened(stage, door, raises=raises, order=Fifo())
    if raises:
        with pytest.raises(EveryRecordFailed, match="5 of sample"):
            await door.invokes(sandbox, asked)
    else:
        assert sorted(await door.invokes(sandbox, asked)) == sorted(ids.values())
    assert sorted(stage.started) == ["green 0", "red 0"]
    assert len(stage.entries("release")) == 3
    assert len(stage.left()) == 5


@pytest.mark.guarantee("B32")
@either_way
async def test_an_event_that_is_none_of_sqs_is_refused(stage: Stage, door: LambdaDoor, *, raises: bool) -> None:
    stage.queues()
    with pytest.raises(TypeError, match="Records"):
        await door.invokes(opened(stage, door, raises=raises), {"detail": {}})


@pytest.mark.guarantee("B32")
@either_way
@pytest.mark.parametrize("remaining", [0.0, 0.5])
async def test_without_time_nothing_is_started_and_everything_stays(
    stage: Stage, door: LambdaDoor, *, raises: bool, remaining: float
) -> None:
    stage.queues()
    asked, ids = event(stage, *words(3))
    sandbox = opened(stage, door, raises=raises)
    if raises:
        with pytest.raises(EveryRecordFailed, match="3 of sample"):
            await door.invokes(sandbox, asked, remaining=remaining)
    else:
        assert sorted(await door.invokes(sandbox, asked, remaining=remaining)) == sorted(ids.values())
    assert stage.started == []
    assert len(stage.left()) == 3


@pytest.mark.guarantee("B32")
@either_way
async def test_near_the_deadline_what_is_unfinished_and_unstarted_is_reported_half_a_second_before_the_timeout(
    stage: Stage, door: LambdaDoor, *, raises: bool
) -> None:
    stage.queues()
    stage.otherwise = lambda delivery: None if delivery.body == "quick" else asyncio.sleep(30)
    asked, ids = event(stage, "quick", "slow", "unstarted")
    started = asyncio.get_running_loop().time()
    reported = await door.invokes(opened(stage, door, raises=raises, concurrency=1), asked, remaining=2.0)
    assert asyncio.get_running_loop().time() - started <= 1.5
    assert set(reported) == {ids["slow"], ids["unstarted"]}
    assert "unstarted" not in stage.started


@pytest.mark.slow
@pytest.mark.guarantee("B26")
async def test_a_fifo_group_that_is_cut_at_the_deadline_reports_its_rest_and_not_what_is_done(
    stage: Stage, door: LambdaDoor
) -> None:
    stage.queues("uploads.fifo")
    stage.work["red 1"] = lambda _: asyncio.sleep(30)
    asked, ids = event(stage, *words(4, "red"), group="red")
    sandbox = opened(stage, door, order=Fifo())
    await door.invokes(sandbox, {"Records": []})  # the cold start is over
    reported = await door.invokes(sandbox, asked, remaining=2.5)
    assert reported == [ids["red 1"], ids["red 2"], ids["red 3"]]
    assert stage.ended == ["red 0"]


@pytest.mark.slow
@pytest.mark.guarantee("B26")
async def test_a_group_tail_that_cannot_be_given_back_is_still_reported(stage: Stage, door: LambdaDoor) -> None:
    stage.queues("uploads.fifo")
    stage.work["red 0"] = failing(ConnectionError())
    stage.control.fault("denied", "ChangeMessageVisibilityBatch")
    asked, ids = event(stage, *words(3, "red"), group="red")
    assert await door.invokes(opened(stage, door, order=Fifo()), asked, remaining=4.0) == list(ids.values())
    assert stage.started == ["red 0"]


@pytest.mark.guarantee("B1")
async def test_no_more_records_run_at_once_than_the_worker_allows_also_in_groups(
    stage: Stage, door: LambdaDoor
) -> None:
    stage.queues("uploads.fifo")
    stage.otherwise = lambda _: asyncio.sleep(0.05)
    for number in range(6):
        stage.send(f"first of {number}", group=str(number))
    asked, _ = event(stage, "seventh", group="seventh")
    assert await door.invokes(opened(stage, door, order=Fifo(), concurrency=2), asked) == []
    assert stage.most_running == 2
