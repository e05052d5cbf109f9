"""What this server and the emulator must both do, because SQS does."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@dataclass(frozen=True)
class Side:
    """One of the two, with names of queues that nobody else uses."""

    sqs: "SQSClient"
    mark: str

    def make(self, name: str = "queue", **attributes: object) -> str:
        stem, dot, fifo = f"{self.mark}-{name}".partition(".")
        given: Any = {key: str(value) for key, value in attributes.items()}
        if fifo:
            given["FifoQueue"] = "true"
        return self.sqs.create_queue(QueueName=f"{stem}{dot}{fifo}", Attributes=given)["QueueUrl"]

    def arn(self, url: str) -> str:
        return self.attributes(url)["QueueArn"]

    def attributes(self, url: str) -> dict[str, str]:
        found: Any = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return dict(found)

    def receive(self, url: str, count: int = 10, **options: Any) -> list[Any]:
        asked = {"MaxNumberOfMessages": count, "MessageSystemAttributeNames": ["All"], **options}
        answer: Any = self.sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], **asked)
        return list(answer.get("Messages", []))


@pytest.fixture(params=["this server", "the emulator"])
def side(request: pytest.FixtureRequest) -> Side:
    mark = f"c{uuid.uuid4().hex[:10]}"
    if request.param == "this server":
        return Side(request.getfixturevalue("sqs"), mark)
    emulator = request.getfixturevalue("emulator")
    session = boto3.Session(emulator.access_key_id, emulator.secret_access_key, region_name=emulator.region)
    return Side(session.client("sqs", endpoint_url=emulator.url), mark)


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_a_message_comes_as_it_was_sent_with_its_checksums(side: Side) -> None:
    url = side.make()
    attributes: Any = {"timestamp": {"DataType": "Number", "StringValue": "1493147359900"}}
    trace: Any = {"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}}
    sent = side.sqs.send_message(
        QueueUrl=url, MessageBody="zażółć 🎈\n", MessageAttributes=attributes, MessageSystemAttributes=trace
    )
    [found] = side.receive(url)
    assert (found["MessageId"], found["Body"]) == (sent["MessageId"], "zażółć 🎈\n")
    assert found["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert found["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"] == "235c5c510d26fb653d073faed50ae77c"
    assert found["MessageAttributes"] == attributes
    assert found["Attributes"]["AWSTraceHeader"] == TRACE
    assert found["Attributes"]["ApproximateReceiveCount"] == "1"
    assert int(found["Attributes"]["SentTimestamp"]) <= int(found["Attributes"]["ApproximateFirstReceiveTimestamp"])


def test_binary_attributes_and_a_choice_of_attributes_come_back(side: Side) -> None:
    url = side.make()
    attributes: Any = {
        "blob": {"DataType": "Binary.raw", "BinaryValue": b"\x00\xff"},
        "kind": {"DataType": "String", "StringValue": "a"},
    }
    side.sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)
    answer: Any = side.sqs.receive_message(
        QueueUrl=url, MessageAttributeNames=["blob"], MessageSystemAttributeNames=["SentTimestamp"]
    )
    [found] = answer["Messages"]
    assert found["MessageAttributes"] == {"blob": attributes["blob"]}
    assert set(found["Attributes"]) == {"SentTimestamp"}


def test_a_receive_hides_a_message_and_giving_it_back_shows_it_under_a_new_handle(side: Side) -> None:
    url = side.make()
    side.sqs.send_message(QueueUrl=url, MessageBody="x")
    [first] = side.receive(url)
    assert side.receive(url) == []
    assert side.attributes(url)["ApproximateNumberOfMessagesNotVisible"] == "1"
    side.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    [second] = side.receive(url)
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    side.sqs.delete_message(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"])
    assert side.attributes(url)["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_entries_of_a_batch_end_each_by_itself(side: Side) -> None:
    url = side.make()
    side.sqs.send_message_batch(
        QueueUrl=url, Entries=[{"Id": str(place), "MessageBody": f"m-{place}"} for place in range(3)]
    )
    found = side.receive(url)
    entries: Any = [{"Id": each["Body"], "ReceiptHandle": each["ReceiptHandle"]} for each in found]
    answer: Any = side.sqs.delete_message_batch(
        QueueUrl=url, Entries=[*entries, {"Id": "invented", "ReceiptHandle": "no such handle"}]
    )
    assert sorted(each["Id"] for each in answer["Successful"]) == ["m-0", "m-1", "m-2"]
    [failed] = answer["Failed"]
    assert (failed["Id"], failed["SenderFault"]) == ("invented", True)
    assert failed["Code"] == "ReceiptHandleIsInvalid"


def test_an_entry_that_may_not_be_sent_fails_alone(side: Side) -> None:
    url = side.make()
    entries: Any = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "\x00"}]
    answer = side.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [each["Id"] for each in answer["Successful"]] == ["good"]
    assert [(each["Id"], each["Code"]) for each in answer["Failed"]] == [("bad", "InvalidMessageContents")]


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "AWS.SimpleQueueService.EmptyBatchRequest"),
        ([str(number) for number in range(11)], "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
        (["a", "a"], "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
        (["a b"], "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ],
)
def test_a_batch_that_is_none_fails_as_a_whole(side: Side, ids: list[str], code: str) -> None:
    url = side.make()
    handles: Any = [{"Id": name, "ReceiptHandle": "x", "VisibilityTimeout": 1} for name in ids]
    bodies: Any = [{"Id": name, "MessageBody": "x"} for name in ids]
    deletes: Any = [{"Id": name, "ReceiptHandle": "x"} for name in ids]
    assert code_of(lambda: side.sqs.send_message_batch(QueueUrl=url, Entries=bodies)) == code
    assert code_of(lambda: side.sqs.delete_message_batch(QueueUrl=url, Entries=deletes)) == code
    assert code_of(lambda: side.sqs.change_message_visibility_batch(QueueUrl=url, Entries=handles)) == code


def test_a_queue_that_is_not_there_is_told_by_its_own_exception(side: Side) -> None:
    url = f"{side.make().rpartition('/')[0]}/{side.mark}-gone"
    for call in (
        lambda: side.sqs.receive_message(QueueUrl=url),
        lambda: side.sqs.send_message(QueueUrl=url, MessageBody="x"),
        lambda: side.sqs.get_queue_url(QueueName=f"{side.mark}-gone"),
    ):
        with pytest.raises(side.sqs.exceptions.QueueDoesNotExist) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_what_sqs_does_not_take_is_refused(side: Side) -> None:
    url = side.make(MaximumMessageSize=1_024)
    send = side.sqs.send_message
    assert code_of(lambda: send(QueueUrl=url, MessageBody="x" * 1_025)) == "InvalidParameterValue"
    assert code_of(lambda: send(QueueUrl=url, MessageBody="")) == "MissingParameter"
    assert code_of(lambda: send(QueueUrl=url, MessageBody="\ufffe")) == "InvalidMessageContents"
    assert code_of(lambda: side.receive(url, 11)) == "InvalidParameterValue"
    assert code_of(lambda: side.sqs.delete_message(QueueUrl=url, ReceiptHandle="x")) == "ReceiptHandleIsInvalid"


def test_a_batch_may_weigh_one_mebibyte_in_all(side: Side) -> None:
    url = side.make()
    entries: Any = [{"Id": str(place), "MessageBody": "x" * 600_000} for place in range(2)]
    code = code_of(lambda: side.sqs.send_message_batch(QueueUrl=url, Entries=entries))
    assert code == "AWS.SimpleQueueService.BatchRequestTooLong"


def test_a_delayed_message_is_not_there_yet(side: Side) -> None:
    url = side.make(DelaySeconds=1)
    side.sqs.send_message(QueueUrl=url, MessageBody="at once", DelaySeconds=0)
    side.sqs.send_message(QueueUrl=url, MessageBody="late")
    assert [each["Body"] for each in side.receive(url)] == ["at once"]
    assert [each["Body"] for each in side.receive(url, WaitTimeSeconds=3)] == ["late"]


def test_an_empty_queue_keeps_a_poll_waiting_as_long_as_it_asks(side: Side) -> None:
    url = side.make()
    started = time.monotonic()
    assert side.receive(url, WaitTimeSeconds=1) == []
    assert 0.9 <= time.monotonic() - started < 10


def test_a_message_received_too_often_moves_to_the_dead_letter_queue(side: Side) -> None:
    dead = side.make("dead")
    policy = json.dumps({"deadLetterTargetArn": side.arn(dead), "maxReceiveCount": "2"})
    url = side.make(RedrivePolicy=policy)
    sent = side.sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert [len(side.receive(url, VisibilityTimeout=0)) for _ in range(3)] == [1, 1, 0]
    [found] = side.receive(dead)
    assert (found["MessageId"], found["Body"]) == (sent["MessageId"], "poison")
    assert found["Attributes"]["DeadLetterQueueSourceArn"] == side.arn(url)


def test_a_fifo_queue_keeps_order_blocks_groups_and_knows_what_it_has_seen(side: Side) -> None:
    url = side.make("line.fifo", ContentBasedDeduplication="true")
    for body, group in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("a1", "a")]:
        side.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    [first] = side.receive(url, 1)
    assert first["Body"] == "a1"
    assert first["Attributes"]["MessageGroupId"] == "a"
    assert [each["Body"] for each in side.receive(url)] == ["b1"]
    side.sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    [second] = side.receive(url)
    assert second["Body"] == "a2"
    assert second["Attributes"]["SequenceNumber"] > first["Attributes"]["SequenceNumber"]


def test_a_fifo_queue_asks_for_group_and_deduplication(side: Side) -> None:
    url = side.make("line.fifo")
    send = side.sqs.send_message
    assert code_of(lambda: send(QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")) == "MissingParameter"
    assert code_of(lambda: send(QueueUrl=url, MessageBody="x", MessageGroupId="g")) == "InvalidParameterValue"


def test_a_queue_is_created_once_and_listed_by_its_prefix(side: Side) -> None:
    url = side.make(VisibilityTimeout=40)
    assert side.make(VisibilityTimeout=40) == url
    assert side.sqs.list_queues(QueueNamePrefix=side.mark)["QueueUrls"] == [url]
    assert side.sqs.get_queue_url(QueueName=f"{side.mark}-queue")["QueueUrl"] == url
    side.sqs.delete_queue(QueueUrl=url)
    assert not side.sqs.list_queues(QueueNamePrefix=side.mark).get("QueueUrls")


def test_attributes_of_a_queue_are_read_and_changed(side: Side) -> None:
    url = side.make()
    assert side.attributes(url)["MaximumMessageSize"] == "1048576"
    side.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})
    some: Any = side.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert some["Attributes"] == {"VisibilityTimeout": "77"}
    wrong: Any = {"VisibilityTimeout": "43201"}
    call = side.sqs.set_queue_attributes
    assert code_of(lambda: call(QueueUrl=url, Attributes=wrong)) == "InvalidAttributeValue"


def test_a_purged_queue_is_empty(side: Side) -> None:
    url = side.make()
    side.sqs.send_message(QueueUrl=url, MessageBody="x")
    side.sqs.purge_queue(QueueUrl=url)
    assert side.receive(url) == []
