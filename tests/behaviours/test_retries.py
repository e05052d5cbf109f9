"""What fails for now comes back later, what fails for ever is buried at once with its reason: B20 to B23."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from shared.backoff import Backoff
from shared.consumer import Pace
from shared.message.delivery import Delivery
from shared.message.identity import ATTRIBUTE
from shared.outcome import Later, Reject
from shared.worker import BatchResult
from tests.behaviours.doors import ContainerDoor, Door
from tests.behaviours.stage import Stage, failing
from tests.made import together
from tests.waiting import until

MEBIBYTE = 1_048_576


def reason(letter: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(letter["attributes"][ATTRIBUTE]["StringValue"]))


@pytest.mark.guarantee("B20")
async def test_a_failed_message_is_hidden_for_its_backoff_by_receive_count(stage: Stage, door: Door) -> None:
    stage.queues()
    stage.work["flaky"] = failing(ConnectionError(), times=3)
    stage.send("flaky")
    await door.opens(stage.worker(backoff=Backoff(base=4.0, factor=2.0, cap=6.0)))
    for failure, ceiling in enumerate((4.0, 6.0, 6.0), start=1):
        hidden = (await stage.seen("extend", failure))[-1]
        assert 1.0 <= float(hidden.more["until"]) - hidden.at <= ceiling
        stage.control.advance(6)
    await stage.empty()
    assert stage.started == ["flaky"] * 4
    assert stage.buried() == []


@pytest.mark.guarantee("B20")
async def test_a_handler_that_knows_when_is_asked_again_then(stage: Stage, door: Door) -> None:
    stage.queues()
    stage.work["patient"] = failing(Later("not before noon", after=777), times=1)
    stage.send("patient")
    await door.opens(stage.worker())
    [hidden] = await stage.seen("extend")
    assert float(hidden.more["until"]) - hidden.at == pytest.approx(777, abs=1)
    stage.control.advance(778)
    await stage.empty()
    assert stage.started == ["patient", "patient"]


@pytest.mark.guarantee("B21")
@pytest.mark.parametrize("attributes", [0, 3, 10])
async def test_a_permanent_error_is_in_the_dead_letter_queue_on_the_first_attempt_with_everything_it_came_with(
    stage: Stage, door: Door, attributes: int
) -> None:
    stage.queues()
    stage.work["hopeless"] = failing(Reject("no such session"))
    given = {f"attribute-{n}": {"DataType": "String", "StringValue": f"value {n}"} for n in range(attributes)}
    stage.send("hopeless", MessageAttributes=given)
    await door.opens(stage.worker())
    await stage.empty()
    [letter] = stage.buried()
    failure = reason(letter)
    assert letter["body"] == "hopeless"
    assert "no such session" in json.dumps(failure)
    carried = {name: value for name, value in letter["attributes"].items() if name != ATTRIBUTE}
    if displaced := failure.get("displaced"):
        carried[displaced["name"]] = {"DataType": displaced["data_type"], "StringValue": displaced["text"]}
    assert carried == given
    assert stage.started == ["hopeless"]
    assert stage.findings().faults == {}
    assert stage.findings().buried == 1


@pytest.mark.guarantee("B21")
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # aiohttp's advice, above one mebibyte
async def test_the_largest_message_can_be_buried(stage: Stage, door: Door) -> None:
    stage.queues()
    body = "malformed".ljust(MEBIBYTE, ".")
    stage.send(body)
    await door.opens(stage.worker())
    await stage.empty()
    [letter] = stage.buried()
    assert letter["body"] == body


@pytest.mark.guarantee("B21")
async def test_a_crash_between_burial_and_delete_doubles_the_dead_letter_and_loses_nothing(
    stage: Stage, door: Door
) -> None:
    stage.queues()
    stage.otherwise = failing(Reject("no such session"))
    stage.control.fault("denied", "DeleteMessageBatch")
    stage.send("hopeless")
    await door.opens(stage.worker())
    await until(lambda: stage.buried() and stage.requests("DeleteMessageBatch"), what="the delete that fails")
    await door.dies()
    stage.control.heal()
    stage.control.advance(60)
    await door.opens(stage.worker())
    await stage.empty()
    assert [letter["body"] for letter in stage.buried()] == ["hopeless", "hopeless"]
    assert stage.findings().faults == {}


@pytest.mark.slow
@pytest.mark.guarantee("B21")
async def test_a_lease_that_is_lost_during_a_burial_doubles_the_dead_letter_and_loses_nothing(
    stage: Stage, container: ContainerDoor
) -> None:
    stage.queues()
    stage.control.fault("lost", "SendMessage", queues=(stage.dead,), count=1, seconds=30)
    stage.control.fault("refuse", "ChangeMessageVisibilityBatch", count=1, code="ReceiptHandleIsInvalid")
    stage.send("malformed")
    await container.opens(stage.worker(), pace=Pace(wait=1, visibility=2, drain=5.0))
    await until(lambda: len(stage.buried()) == 2, what="the second burial, after the first was cut")
    await stage.empty()
    assert stage.findings().faults == {}


@pytest.mark.slow
@pytest.mark.guarantee("B21")
async def test_a_dead_letter_queue_that_takes_nothing_keeps_the_message_in_its_own(stage: Stage, door: Door) -> None:
    stage.queues()
    rule = stage.control.fault("denied", "SendMessage", queues=(stage.dead,))
    stage.send("malformed")
    await door.opens(stage.worker())
    await stage.seen("extend")
    assert [each["body"] for each in stage.left()] == ["malformed"]
    stage.control.heal(rule)
    stage.control.advance(900)
    await stage.empty()
    assert [letter["body"] for letter in stage.buried()] == ["malformed"]


class Order(BaseModel):
    number: int


def schema(delivery: Delivery) -> Delivery:
    """Fails as workers' decoders do: a body that is not JSON, an unknown type, a model that does not fit."""
    found = json.loads(delivery.body)
    if found["type"] != "order":
        raise KeyError(found["type"])
    Order.model_validate(found)
    return delivery


@pytest.mark.guarantee("B22")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{", "JSONDecodeError"),
        ('{"type": "canary-7f3a"}', "KeyError"),
        ('{"type": "order", "number": "canary-7f3a"}', "number: must be a whole number"),
    ],
)
async def test_what_cannot_be_read_is_buried_on_the_first_attempt_and_the_others_are_handled(
    stage: Stage, door: Door, body: str, expected: str
) -> None:
    stage.queues()
    well = '{"type": "order", "number": 1}'
    stage.send(body, well)
    await door.opens(stage.worker(decode=schema))
    await stage.empty()
    assert stage.ended == [well]
    [letter] = stage.buried()
    assert letter["body"] == body
    assert expected in json.dumps(reason(letter))
    assert "canary" not in json.dumps(reason(letter)), "the reason quotes no payload"
    assert stage.entries("extend") == []


async def done(deliveries: Sequence[Delivery]) -> BatchResult:
    return [None for _ in deliveries]


one_by_one_and_together = pytest.mark.parametrize(
    "handling", [{}, {"handle_batch": done, "batch": together(seconds=0.1)}], ids=["handle", "handle_batch"]
)


@pytest.mark.guarantee("B22")
@one_by_one_and_together
async def test_where_its_worker_wants_it_what_cannot_be_read_is_tried_again_and_buried_at_the_last_attempt(
    stage: Stage, door: Door, handling: dict[str, Any]
) -> None:
    stage.queues(receives=3)
    stage.send("malformed")
    await door.opens(stage.worker(decode_errors="passing", max_attempts=3, **handling))
    for failure in (1, 2):
        hidden = (await stage.seen("extend", failure))[-1]
        assert 1.0 <= float(hidden.more["until"]) - hidden.at <= 2.0 * 15.0 ** (failure - 1)
        assert stage.buried() == []
        stage.control.advance(60)
    await stage.empty()
    [letter] = stage.buried()
    assert "ValueError" in json.dumps(reason(letter))
    assert reason(letter)["attempts"] == 3
    assert stage.entries("redrive") == []


@pytest.mark.guarantee("B22")
@one_by_one_and_together
async def test_what_can_be_read_at_the_second_attempt_is_handled_then(
    stage: Stage, door: Door, handling: dict[str, Any]
) -> None:
    stage.queues()
    stage.send("new")

    def learning(delivery: Delivery) -> Delivery:
        if delivery.attempt == 1:
            raise KeyError("not known before the next release")
        return delivery

    await door.opens(stage.worker(decode=learning, decode_errors="passing", **handling))
    await stage.seen("extend")
    stage.control.advance(60)
    await stage.empty()
    assert stage.buried() == []
    assert len(stage.entries("delete")) == 1


@pytest.mark.guarantee("B23")
async def test_the_last_attempt_is_buried_with_its_reason_and_backoff_resets_no_count(stage: Stage, door: Door) -> None:
    stage.queues(receives=3)
    stage.otherwise = failing(ConnectionError())
    stage.send("unlucky")
    await door.opens(stage.worker(max_attempts=3))
    for failure in (1, 2):
        await stage.seen("extend", failure)
        stage.control.advance(60)
    await stage.empty()
    [letter] = stage.buried()
    assert "ConnectionError" in json.dumps(reason(letter))
    assert stage.started == ["unlucky"] * 3
    assert stage.entries("redrive") == []


@pytest.mark.guarantee("B23")
async def test_sqs_itself_moves_what_was_received_too_often(stage: Stage, door: Door) -> None:
    stage.queues(receives=2)
    stage.otherwise = failing(ConnectionError())
    stage.send("unlucky")
    await door.opens(stage.worker(max_attempts=5))
    for failure in (1, 2):
        await stage.seen("extend", failure)
        stage.control.advance(60)
    await until(stage.buried, what="the redrive")
    assert stage.started == ["unlucky"] * 2
    assert stage.left() == []
