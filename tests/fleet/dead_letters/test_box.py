"""Batch calls, read entry by entry: what fails is tried again, what can never succeed is not."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from fleet.dead_letters.model.plan.outgoing import Parcel
from fleet.dead_letters.queues.dead_letter_queue import Unsent
from fleet.dead_letters.replay.post import LARGEST_CALL, TRIES, SqsPost
from shared.message.delivery import Attribute
from shared.sqs.batches import BATCH
from tests.fleet.dead_letters.fakes import SOURCE

URL = "http://127.0.0.1:1/000000000000/webhooks"


class Sqs:
    """SendMessageBatch with entries that fail: `fails` is asked for the body and the number of the call."""

    def __init__(self, fails: Callable[[str, int], dict[str, Any] | None] = lambda _body, _call: None) -> None:
        self._fails = fails
        self.calls: list[list[dict[str, Any]]] = []
        self.taken: list[dict[str, Any]] = []

    async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        assert 1 <= len(Entries) <= BATCH
        self.calls.append(Entries)
        failed, done = [], []
        for entry in Entries:
            fault = self._fails(entry["MessageBody"], len(self.calls))
            if fault is None:
                self.taken.append(entry)
                done.append({"Id": entry["Id"], "MessageId": f"id-{entry['Id']}"})
            else:
                failed.append({"Id": entry["Id"], **fault})
        return {"Failed": failed, "Successful": done}


class Function:
    def __init__(self, *, refuses: bytes = b"") -> None:
        self.asked: list[dict[str, Any]] = []
        self.refuses = refuses

    async def invoke(self, **asked: Any) -> None:
        self.asked.append(asked)
        if asked["Payload"] == self.refuses:
            raise ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "slowly"}}, "Invoke")


def post(sqs: Sqs, *, url: str = URL, function: Function | None = None) -> SqsPost:
    async def functions() -> Any:
        return function

    async def at_once(_: float) -> None:
        """No test sleeps."""

    opened: Callable[[], Awaitable[Any]] = functions
    client: Any = sqs
    return SqsPost(client, urls={SOURCE: url}, functions=opened, sleep=at_once)


def parcels(count: int, size: int = 1) -> list[Parcel]:
    return [Parcel(f"m-{number}", f"{number}".rjust(size)) for number in range(count)]


async def test_only_the_entries_that_failed_are_sent_again() -> None:
    busy = {"SenderFault": False, "Code": "InternalError"}
    sqs = Sqs(lambda body, call: busy if body in ("3", "7") and call < 3 else None)
    assert await post(sqs)(SOURCE, parcels(10)) == Unsent()
    assert [len(call) for call in sqs.calls] == [10, 2, 2]
    assert len(sqs.taken) == 10


async def test_what_is_refused_for_good_is_named_and_not_tried_again() -> None:
    sqs = Sqs(lambda body, _: {"SenderFault": True, "Code": "InvalidMessageContents"} if body == "3" else None)
    assert await post(sqs)(SOURCE, parcels(5)) == Unsent(frozenset({"m-3"}))
    assert len(sqs.calls) == 1


async def test_an_entry_that_an_answer_calls_both_sent_and_failed_may_have_been_sent_and_is_not_sent_again() -> None:
    class Both(Sqs):
        async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
            answer = await super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
            failed = [{"Id": "1", "Code": "InternalError", "SenderFault": True}, {"Id": "no place"}, "no entry"]
            return {**answer, "Failed": failed}

    sqs = Both()
    assert await post(sqs)(SOURCE, parcels(3)) == Unsent(uncertain=frozenset({"m-1"}))
    assert len(sqs.calls) == 1


async def test_only_a_refusal_that_names_its_error_is_one_of_any_other_answer_nobody_can_say_what_was_sent() -> None:
    for status, code, unsent in (
        (302, "302", Unsent(uncertain=frozenset({"m-0", "m-1"}))),
        (408, "408", Unsent(uncertain=frozenset({"m-0", "m-1"}))),
        (503, "ServiceUnavailable", Unsent(uncertain=frozenset({"m-0", "m-1"}))),
        (400, "InvalidMessageContents", Unsent(frozenset({"m-0", "m-1"}))),
    ):

        class Answers(Sqs):
            error = ClientError(
                {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
                "SendMessageBatch",
            )

            async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
                await super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
                raise self.error

        sqs = Answers()
        assert await post(sqs)(SOURCE, parcels(2)) == unsent
        assert len(sqs.calls) == (3 if status == 400 else 1), code


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        (
            "u may not perform: sqs:SendMessage because no identity-based policy allows the",
            "no identity-based policy allows",
        ),
        ("order 42 with an explicit deny in a resource-based policy", "explicit deny in a resource-based policy"),
        ("order 42", ""),
    ],
)
async def test_a_denied_send_names_its_action_and_the_kind_of_policy_and_nothing_else_of_what_was_said(
    said: str, policy: str
) -> None:
    class Denies(Sqs):
        async def send_message_batch(self, **_: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": said}}, "SendMessageBatch")

    why = "AccessDenied at SendMessageBatch" + (f" ({policy})" if policy else "")
    assert (await post(Denies()).once(SOURCE, parcels(1))).refused == {0: why}
    assert (await post(Denies())(SOURCE, parcels(1))).why == why


async def test_what_keeps_failing_is_given_up_after_a_few_tries() -> None:
    sqs = Sqs(lambda _body, _call: {"SenderFault": False, "Code": "InternalError"})
    assert await post(sqs)(SOURCE, parcels(2)) == Unsent(frozenset({"m-0", "m-1"}))
    assert len(sqs.calls) == TRIES


@pytest.mark.parametrize(("size", "calls"), [(1, [10, 10, 5]), (LARGEST_CALL // 3, [3, 3, 3, 3, 3, 3, 3, 3, 1])])
async def test_a_call_holds_ten_messages_and_one_mebibyte_at_most(size: int, calls: list[int]) -> None:
    sqs = Sqs()
    await post(sqs)(SOURCE, parcels(25, size))
    assert [len(call) for call in sqs.calls] == calls


async def test_a_fifo_queue_keeps_its_groups_and_a_replay_is_no_duplicate() -> None:
    sqs = Sqs()
    given = [Parcel("m-1", "{}", group="g", deduplication="p-m-1"), Parcel("m-2", "{}", deduplication="p-m-2")]
    await post(sqs, url=f"{URL}.fifo")(SOURCE, given)
    assert [(each["MessageGroupId"], each["MessageDeduplicationId"]) for each in sqs.taken] == [
        ("g", "p-m-1"),
        ("m-2", "p-m-2"),
    ]


async def test_a_fair_queue_keeps_its_group_and_every_type_of_attribute() -> None:
    sqs = Sqs()
    attributes = {"t": Attribute("String", "x"), "b": Attribute("Binary.gz", binary=b"\x00")}
    await post(sqs)(SOURCE, [Parcel("m-1", "{}", attributes, group="tenant-1")])
    [entry] = sqs.taken
    assert (entry["MessageGroupId"], "MessageDeduplicationId" in entry) == ("tenant-1", False)
    assert entry["MessageAttributes"] == {
        "t": {"DataType": "String", "StringValue": "x"},
        "b": {"DataType": "Binary.gz", "BinaryValue": b"\x00"},
    }


async def test_a_function_is_invoked_asynchronously_once_for_each_letter() -> None:
    function, arn = Function(), "arn:aws:lambda:us-east-1:000000000000:function:resize"
    assert await post(Sqs(), function=function)(arn, [Parcel("m-1", '{"ü": 1}')]) == Unsent()
    assert function.asked == [{"FunctionName": arn, "InvocationType": "Event", "Payload": '{"ü": 1}'.encode()}]


async def test_an_invocation_that_is_refused_fails_alone() -> None:
    function, arn = Function(refuses=b"1"), "arn:aws:lambda:us-east-1:000000000000:function:resize"
    assert await post(Sqs(), function=function)(arn, parcels(3)) == Unsent(frozenset({"m-1"}))
    assert len(function.asked) == 3


async def test_a_fifo_send_without_an_answer_that_is_refused_when_asked_again_may_have_been_accepted() -> None:
    class Lossy(Sqs):
        async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
            answer = await super().send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
            if len(self.calls) == 1:
                raise ReadTimeoutError(endpoint_url=QueueUrl)
            return answer

    arn = f"{SOURCE}.fifo"
    busy = {"SenderFault": False, "Code": "InternalError"}
    sqs: Any = Lossy(lambda body, call: busy if body == "1" and call > 1 else None)

    async def at_once(_: float) -> None:
        """No test sleeps."""

    async def functions() -> Any:
        raise AssertionError

    send = SqsPost(sqs, urls={arn: f"{URL}.fifo"}, functions=functions, sleep=at_once)
    assert await send(arn, parcels(2)) == Unsent(uncertain=frozenset({"m-1"}))
