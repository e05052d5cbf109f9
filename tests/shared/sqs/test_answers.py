"""Answers with status 200 that are not what was asked for: only what they name as done is done."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.message.dead_letter import Letter
from shared.message.delivery import Delivery
from shared.sqs.batches import NOT_NAMED, MalformedAnswer, refused_entries
from shared.sqs.queue import ODD_FOR, SqsQueue
from shared.sqs.sender import Message, NotSent, SqsSender
from tests.virtual_time import virtual

HTML = {"message": "<html>Bad gateway</html>"}  # what botocore makes of a 200 whose body is not JSON
SAYING_NOTHING = [
    pytest.param({}, id="empty"),
    pytest.param(HTML, id="HTML"),
    pytest.param(None, id="null"),
    pytest.param([], id="a list"),
    pytest.param({"Failed": None}, id="Failed is null"),
    pytest.param({"Failed": []}, id="Failed is empty and Successful is missing"),
    pytest.param({"Successful": None, "Failed": []}, id="Successful is null"),
    pytest.param({"Successful": "0", "Failed": []}, id="Successful is a text"),
    pytest.param({"Successful": [None, {"Id": 0}, {"Id": "zero"}, {}]}, id="entries of another shape"),
]


class Answering:
    """A client whose every call answers the same."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []

    async def _call(self, **asked: Any) -> Any:
        self.calls.append(asked)
        return self.answer(asked) if callable(self.answer) else self.answer

    receive_message = delete_message_batch = change_message_visibility_batch = send_message = send_message_batch = _call


def queue_of(answer: Any) -> SqsQueue:
    client: Any = Answering(answer)
    return SqsQueue(client, name="orders", url="http://127.0.0.1/orders", dead_letter_url="x", clock=lambda: 100.0)


def held(count: int) -> list[Delivery]:
    return [Delivery("orders", f"m{n}", f"r{n}", "{}", received_at=99.0) for n in range(count)]


def message(name: str, **fields: Any) -> dict[str, Any]:
    return {"MessageId": name, "ReceiptHandle": f"r-{name}", "Body": "{}", **fields}


@pytest.mark.parametrize("answer", SAYING_NOTHING)
async def test_a_delete_whose_answer_names_nothing_deleted_nothing(answer: Any) -> None:
    refused = await queue_of(answer).delete(held(3))
    assert [(each.delivery.message_id, each.code, each.lost) for each in refused] == [
        (f"m{n}", NOT_NAMED, False) for n in range(3)
    ]


@pytest.mark.parametrize("answer", SAYING_NOTHING)
async def test_an_extension_whose_answer_names_nothing_extended_nothing(answer: Any) -> None:
    assert len(await queue_of(answer).extend(held(3), seconds=30)) == 3


@pytest.mark.guarantee("R6")
async def test_an_entry_that_the_answer_forgets_is_refused() -> None:
    answer = {
        "Successful": [{"Id": "0"}, {"Id": "3"}],
        "Failed": [{"Id": "1", "Code": "ReceiptHandleIsInvalid"}],
    }
    refused = await queue_of(answer).delete(held(4))
    assert [(each.delivery.message_id, each.code, each.lost) for each in refused] == [
        ("m1", "ReceiptHandleIsInvalid", True),
        ("m2", NOT_NAMED, False),
    ]


async def test_an_entry_that_succeeded_and_failed_is_refused() -> None:
    answer = {"Successful": [{"Id": "0"}], "Failed": [{"Id": "0", "Code": "InternalError"}]}
    [refused] = await queue_of(answer).delete(held(1))
    assert refused.code == "InternalError"


@pytest.mark.parametrize("answer", [*SAYING_NOTHING, pytest.param({"MessageId": ""}, id="an empty id")])
async def test_a_burial_without_a_message_id_is_an_error(answer: Any) -> None:
    with pytest.raises(MalformedAnswer, match="MessageId"):
        await queue_of(answer).bury(Letter("{}", {}, None, None))


@pytest.mark.parametrize("answer", SAYING_NOTHING)
def test_a_send_whose_answer_names_nothing_is_an_error(answer: Any) -> None:
    client: Any = Answering(answer)
    with pytest.raises(NotSent, match=f"2 messages were not accepted by orders: {NOT_NAMED}"):
        virtual(SqsSender(client, name="orders", url="x")([Message("a"), Message("b")]))
    assert len(client.calls) == 5


def test_a_sent_message_has_a_message_id() -> None:
    def without_id_first(asked: dict[str, Any]) -> dict[str, Any]:
        whole = len(asked["Entries"]) == 1
        return {"Successful": [{"Id": "0", "MessageId": "1"}] + ([] if whole else [{"Id": "1"}])}

    client: Any = Answering(without_id_first)
    virtual(SqsSender(client, name="orders", url="x")([Message("a"), Message("b")]))
    assert [[entry["MessageBody"] for entry in call["Entries"]] for call in client.calls] == [["a", "b"], ["b"]]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param({"Messages": {"0": {}}}, id="an object"),
        pytest.param({"Messages": "none"}, id="a text"),
    ],
)
async def test_a_receive_of_another_shape_is_an_error_and_not_an_empty_queue(answer: Any) -> None:
    with pytest.raises(MalformedAnswer):
        await queue_of(answer).receive(limit=10, wait=20, visibility=60)


@pytest.mark.parametrize("answer", [{"Messages": None}, {"Messages": []}, {}])
async def test_no_messages_are_none(answer: Any) -> None:
    assert await queue_of(answer).receive(limit=10, wait=20, visibility=60) == []


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"MessageId": "b", "ReceiptHandle": "r"}, id="without a body"),
        pytest.param({"Body": "{}", "ReceiptHandle": "r"}, id="without an id"),
        pytest.param({"Body": "{}", "MessageId": "b"}, id="without a handle"),
        pytest.param(message("b", MessageAttributes=["x"]), id="attributes of another shape"),
        pytest.param(message("b", Attributes={"ApproximateReceiveCount": "often"}), id="a count that is a word"),
        pytest.param(None, id="null"),
        pytest.param("x", id="a text"),
        pytest.param([1], id="a list"),
        pytest.param(message("b") | {"Body": 7}, id="a body that is a number"),
        pytest.param(message("b", Attributes="x"), id="system attributes that are a text"),
        pytest.param(message("b", Attributes={"AWSTraceHeader": 7}), id="a trace that is a number"),
        pytest.param(message("b", Attributes={"MessageGroupId": {}}), id="a group that is an object"),
        pytest.param(message("b", Attributes={"ApproximateReceiveCount": float("inf")}), id="a count without end"),
        pytest.param(message("b", MessageAttributes={"a": None}), id="an attribute that is null"),
        pytest.param(
            message("b", MessageAttributes={"a": {"DataType": "String", "StringValue": 7}}),
            id="a text that is a number",
        ),
    ],
)
async def test_a_message_that_is_not_whole_costs_only_itself(broken: Any) -> None:
    received = await queue_of({"Messages": [message("a"), broken, message("c", Attributes=None)]}).receive(
        limit=10, wait=20, visibility=60
    )
    assert [each.message_id for each in received] == ["a", "c"]


async def test_in_a_fifo_queue_nothing_overtakes_a_message_that_is_not_whole() -> None:
    client: Any = Answering({"Messages": [message("a"), {"MessageId": "b", "ReceiptHandle": "r"}, message("c")]})
    queue = SqsQueue(client, name="orders", url="x/orders.fifo", dead_letter_url="x", clock=lambda: 100.0)
    assert [each.message_id for each in await queue.receive(limit=10, wait=20, visibility=60)] == ["a"]


@pytest.mark.guarantee("R8")
async def test_a_lease_counts_from_the_question_however_late_the_answer_is_read() -> None:
    moments = iter([100.0, 170.0])  # the process stood still while the poll was open

    client: Any = Answering({"Messages": [message("a")]})
    queue = SqsQueue(client, name="orders", url="x/orders", dead_letter_url="x", clock=lambda: next(moments))
    [found] = await queue.receive(limit=10, wait=20, visibility=60)
    assert found.received_at == 100.0


async def test_messages_of_another_shape_are_all_counted_and_warned_of_once_while_they_last() -> None:
    now = [100.0]
    client: Any = Answering({"Messages": [message("a"), None, message("b"), {"MessageId": "c", "Body": "{}"}]})
    queue = SqsQueue(client, name="orders", url="x/orders", dead_letter_url="x", clock=lambda: now[0])
    with capture_logs() as lines:
        for _ in range(20):
            received = await queue.receive(limit=10, wait=0, visibility=30)
            assert [each.message_id for each in received] == ["a", "b"]
            now[0] += 60
        now[0] += ODD_FOR
        await queue.receive(limit=10, wait=0, visibility=30)
    odd = [each["log_level"] for each in lines if each["event"] == "message_unreadable"]
    assert len(odd) == 42
    assert odd.count("warning") == 2


def test_more_entries_than_one_call_takes_are_told_apart_too() -> None:
    successful = [{"Id": str(place)} for place in range(11)]
    assert refused_entries({"Successful": successful}, 12) == {11: NOT_NAMED}


def test_an_entry_with_a_number_of_another_form_is_not_ours() -> None:
    assert refused_entries({"Successful": [{"Id": "00"}, {"Id": "1"}], "Failed": []}, 2) == {0: NOT_NAMED}


def test_what_stands_in_both_lists_is_refused() -> None:
    answer = {"Successful": [{"Id": "0"}, {"Id": "1"}], "Failed": [{"Id": "1", "Code": "InternalError"}]}
    assert refused_entries(answer, 2) == {1: "InternalError"}
