"""A look gives back what it saw; what SQS does not give back is asked again, then said."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from fleet.dead_letters.queues import browsing
from fleet.dead_letters.queues.browsing import ASKED_BACK, browse
from fleet.dead_letters.queues.catalog import Catalog, OddAttributes
from fleet.dead_letters.queues.dead_letter_queue import SqsBox
from tests.fleet.dead_letters.conftest import Lines
from tests.sqs_server.running import SqsServer

Answers = Callable[[list[dict[str, Any]]], dict[str, Any]]


class Sqs:
    """A queue whose first receive answers `messages`; `answers` says what becomes of each wish to give letters back."""

    def __init__(self, messages: list[dict[str, Any]], *answers: Answers) -> None:
        self.messages = messages
        self.answers = list(answers)
        self.asked: list[list[str]] = []

    async def receive_message(self, **_asked: Any) -> dict[str, Any]:
        given, self.messages = self.messages, []
        return {"Messages": given} if given else {}

    async def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.asked.append([each["ReceiptHandle"] for each in Entries])
        return (self.answers.pop(0) if self.answers else done)(Entries)

    async def get_queue_attributes(self, **_asked: Any) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}}


def message(name: str, **parts: Any) -> dict[str, Any]:
    return {"MessageId": name, "ReceiptHandle": f"h-{name}", "Body": "{}", "Attributes": {}, **parts}


def done(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Successful": [{"Id": each["Id"]} for each in entries]}


def failing(code: str) -> Answers:
    return lambda entries: {"Failed": [{"Id": each["Id"], "Code": code, "SenderFault": False} for each in entries]}


def box(sqs: Any) -> SqsBox:
    return SqsBox(sqs, url="http://127.0.0.1:1/000000000000/orders-dlq")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "PAUSE", 0.0)


async def test_what_is_not_named_as_given_back_is_asked_again() -> None:
    sqs = Sqs([message("a"), message("b")], lambda entries: done(entries[:1]), failing("InternalError"))
    found = await browse(box(sqs), lambda each: each.id, visibility=30)
    assert (sqs.asked, found.refused) == ([["h-a", "h-b"], ["h-b"], ["h-b"]], 0)


@pytest.mark.parametrize("answer", [failing("InternalError"), lambda _: {}], ids=["refused", "empty"])
async def test_what_is_never_given_back_is_counted(answer: Answers) -> None:
    sqs = Sqs([message("a"), message("b")], *[answer] * ASKED_BACK)
    found = await browse(box(sqs), lambda each: each.id, visibility=30)
    assert (len(sqs.asked), found.refused, sorted(found.found)) == (ASKED_BACK, 2, ["a", "b"])


def denied(_: Any) -> dict[str, Any]:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "ChangeMessageVisibilityBatch")


def silent(_: Any) -> dict[str, Any]:
    raise ReadTimeoutError(endpoint_url="http://127.0.0.1:1")


@pytest.mark.parametrize(("answer", "asked"), [(denied, ASKED_BACK), (silent, 1)])
async def test_a_wish_that_is_denied_or_gets_no_answer_is_counted_and_what_was_seen_is_told(
    answer: Answers, asked: int
) -> None:
    sqs = Sqs([message("a"), message("b")], *[answer] * ASKED_BACK)
    found = await browse(box(sqs), lambda each: each.id, visibility=30)
    assert (len(sqs.asked), found.refused, sorted(found.found)) == (asked, 2, ["a", "b"])
    assert ("AccessDenied" if answer is denied else "timeout") in found.refusal


async def test_a_letter_whose_lease_is_gone_is_not_asked_again() -> None:
    sqs = Sqs([message("a")], failing("ReceiptHandleIsInvalid"))
    found = await browse(box(sqs), lambda each: each.id, visibility=30)
    assert (len(sqs.asked), found.refused) == (1, 0)


@pytest.mark.parametrize("look", [("groups",), ("list",)])
def test_a_look_says_how_many_stay_hidden_and_until_when(
    look: tuple[str, ...], lossy_server: SqsServer, lossy: Lines
) -> None:
    _, dead = lossy_server.make_pair("orders")
    for number in range(3):
        lossy_server.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"n": number}))
    lossy_server.control.fault("refuse", "ChangeMessageVisibilityBatch", code="InternalError")
    told = lossy("dlq", *look, "orders-dlq", exits=4)
    assert told.stdout
    assert "3 letters were not given back by SQS: they stay hidden until 20" in told.stderr


def test_a_queue_that_may_not_be_received_from_hides_no_other(lossy_server: SqsServer, lossy: Lines) -> None:
    for name in ("orders", "parcels"):
        _, dead = lossy_server.make_pair(name)
        lossy_server.sqs.send_message(QueueUrl=dead, MessageBody="{}")
    lossy_server.control.fault("denied", "ReceiveMessage", queues=("orders-dlq",))
    seen = lossy.json("ls", exits=4)
    assert [each["queue"] for each in seen] == ["parcels-dlq"]
    assert "left out: orders-dlq could not be read: An error occurred (AccessDenied" in lossy.last.stderr
    lossy("dlq", "ls", "orders-dlq", exits=1)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"Body": None}, "without Body"),
        ({"Attributes": {"SentTimestamp": "soon"}}, "SentTimestamp is not a number"),
        ({"Attributes": {"SentTimestamp": "9" * 19}}, "SentTimestamp is not a number"),
        ({"Attributes": {"ApproximateReceiveCount": "-"}}, "ApproximateReceiveCount is not a number"),
        ({"MessageAttributes": {"a": {"StringValue": "x"}}}, "without DataType"),
    ],
)
async def test_a_message_that_cannot_be_read_is_named_and_given_back_and_the_others_go_on(
    odd: dict[str, Any], why: str
) -> None:
    sqs = Sqs([message("a"), message("bad", **odd), message("b")])
    found = await browse(box(sqs), lambda each: each.id, visibility=30)
    assert (sorted(found.found), [*found.faults]) == (["a", "b"], ["bad"])
    assert why in found.faults["bad"]
    assert (sorted(sqs.asked[0]), found.refused) == (["h-a", "h-b", "h-bad"], 0)


async def test_a_message_with_nothing_in_it_is_named_and_cannot_be_given_back() -> None:
    sqs = Sqs([message("a"), {}])
    found = await browse(box(sqs), lambda each: each.id, visibility=30)
    assert ([*found.found], len(found.faults), found.refused, sqs.asked) == (["a"], 1, 1, [["h-a"]])


async def test_a_wanted_letter_that_cannot_be_read_is_not_called_gone() -> None:
    sqs = Sqs([message("a", Body=None)])
    met = await browsing.sweep(box(sqs), lambda each: each.id, visibility=30, wanted={"a"})
    assert not met.complete
    again = await browsing.sweep(
        box(Sqs([])), lambda each: each.id, visibility=30, wanted={"a"}, hidden_before=met.held
    )
    assert not again.complete


@pytest.mark.parametrize("answer", [{}, {"Attributes": {}}, {"Attributes": {"QueueArn": "arn:aws:sqs:r:1:q"}}])
async def test_attributes_that_are_not_in_the_answer_are_named(answer: dict[str, Any]) -> None:
    class Silent:
        async def get_queue_attributes(self, **_asked: Any) -> dict[str, Any]:
            return answer

    with pytest.raises(OddAttributes, match="without ApproximateNumberOfMessages"):
        await box(Silent()).count()

    class Sync:
        def get_queue_attributes(self, **_asked: Any) -> dict[str, Any]:
            return answer

        def get_queue_url(self, **_asked: Any) -> dict[str, Any]:
            return {}

    client: Any = Sync()
    with pytest.raises(OddAttributes, match=r"without (QueueArn|MessageRetentionPeriod)"):
        Catalog(client, {}).queue("http://127.0.0.1:1/000000000000/q")
    with pytest.raises(OddAttributes, match="GetQueueUrl of q without QueueUrl"):
        Catalog(client, {}).queue("q")
