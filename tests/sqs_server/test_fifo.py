"""FIFO queues: order, blocked groups, deduplication, and receives that are asked again."""

from typing import TYPE_CHECKING, Any

from tests.sqs_server.reading import bodies, error_of, received, sent
from tests.sqs_server.running import SqsServer

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


def line(server: SqsServer, **attributes: object) -> str:
    return server.make("line.fifo", ContentBasedDeduplication="true", **attributes)


def test_one_receive_brings_much_of_a_group_in_order_and_blocks_it(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server)
    sent(sqs, url, *(f"a{number}" for number in range(12)), MessageGroupId="a")
    sent(sqs, url, "b0", MessageGroupId="b")
    held = received(sqs, url)
    assert bodies(held) == [f"a{number}" for number in range(10)]
    assert bodies(received(sqs, url)) == ["b0"]
    for message in held[:9]:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert received(sqs, url) == []
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held[9]["ReceiptHandle"])
    assert bodies(received(sqs, url)) == ["a10", "a11"]


def test_a_failed_head_comes_back_before_its_tail(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server)
    sent(sqs, url, "a0", "a1", "a2", MessageGroupId="a")
    held = received(sqs, url, 2)
    for message in reversed(held):
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(received(sqs, url)) == ["a0", "a1", "a2"]


def test_a_group_stays_blocked_until_the_last_of_its_leases_ends(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server)
    sent(sqs, url, "a0", "a1", MessageGroupId="a")
    [_, second] = received(sqs, url, VisibilityTimeout=30)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=90)
    server.control.advance(31)
    assert received(sqs, url) == []
    server.control.advance(60)
    assert bodies(received(sqs, url)) == ["a0", "a1"]


def test_a_waiting_poll_gets_the_group_that_a_delete_opens(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server)
    sent(sqs, url, "a0", "a1", MessageGroupId="a")
    [held] = received(sqs, url, 1, VisibilityTimeout=1)
    assert held["Body"] == "a0"
    assert bodies(received(sqs, url, WaitTimeSeconds=5)) == ["a0", "a1"]


def test_the_handle_of_an_ended_lease_is_refused(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server)
    sent(sqs, url, "a0", MessageGroupId="a")
    [held] = received(sqs, url)
    server.control.advance(31)
    refused = error_of(lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"]))
    assert (refused["Code"], "has expired" in refused["Message"]) == ("InvalidParameterValue", True)


def test_what_was_sent_within_five_minutes_is_not_sent_again(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("line.fifo")
    first = sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="a", MessageDeduplicationId="d")
    second = sqs.send_message(QueueUrl=url, MessageBody="y", MessageGroupId="b", MessageDeduplicationId="d")
    assert (first["MessageId"], first["SequenceNumber"]) == (second["MessageId"], second["SequenceNumber"])
    assert len(server.control.messages("line.fifo")) == 1
    server.control.advance(301)
    third = sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="a", MessageDeduplicationId="d")
    assert third["MessageId"] != first["MessageId"]


def test_deduplication_may_keep_to_its_group(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server, DeduplicationScope="messageGroup")
    for group in "aab":
        sent(sqs, url, "same", MessageGroupId=group)
    assert len(server.control.messages("line.fifo")) == 2


def test_a_receive_asked_again_under_its_attempt_id_is_answered_the_same(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server)
    sent(sqs, url, "a0", "a1", MessageGroupId="a")
    asked: dict[str, Any] = {"ReceiveRequestAttemptId": "attempt-1", "VisibilityTimeout": 30}
    first = received(sqs, url, 2, **asked)
    server.control.advance(20)
    again = received(sqs, url, 2, **asked)
    assert [each["ReceiptHandle"] for each in again] == [each["ReceiptHandle"] for each in first]
    server.control.advance(20)
    assert server.control.stats()["queues"]["line.fifo"]["in_flight"] == 2
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    assert received(sqs, url, 2, **asked) == []


def test_a_delay_of_the_queue_holds_and_one_of_the_message_is_refused(server: SqsServer, sqs: "SQSClient") -> None:
    url = line(server, DelaySeconds=60)
    sent(sqs, url, "a0", MessageGroupId="a")
    refused = error_of(lambda: sent(sqs, url, "a1", MessageGroupId="a", DelaySeconds=5))
    assert refused["Code"] == "InvalidParameterValue"
    assert received(sqs, url) == []
    server.control.advance(61)
    assert bodies(received(sqs, url)) == ["a0"]


def test_poison_at_the_head_moves_away_and_the_group_goes_on(server: SqsServer, sqs: "SQSClient") -> None:
    url, dead = server.make_pair("line.fifo", receives=2, ContentBasedDeduplication="true")
    sent(sqs, url, "poison", "a1", MessageGroupId="a")
    for _ in range(2):
        [held] = received(sqs, url, 1)
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=0)
    assert bodies(received(sqs, url, 1)) == ["a1"]
    [buried] = received(sqs, dead)
    assert (buried["Body"], buried["Attributes"]["MessageGroupId"]) == ("poison", "a")
