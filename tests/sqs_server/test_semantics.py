"""Leases, limits and time: hours of SQS's rules, in milliseconds of a test's."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.sqs_server.reading import bodies, error_of, received, sent
from tests.sqs_server.running import SqsServer

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

HOUR = 3_600


def test_a_lease_that_ends_shows_the_message_again(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q", VisibilityTimeout=30)
    sent(sqs, url, "x")
    received(sqs, url)
    server.control.advance(29)
    assert received(sqs, url) == []
    server.control.advance(2)
    [again] = received(sqs, url)
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_waiting_poll_gets_what_becomes_visible(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, "x")
    received(sqs, url, VisibilityTimeout=1)
    assert bodies(received(sqs, url, WaitTimeSeconds=5)) == ["x"]


def test_an_extended_lease_ends_later_and_never_beyond_twelve_hours_from_the_receive(
    server: SqsServer, sqs: "SQSClient"
) -> None:
    url = server.make("q")
    sent(sqs, url, "x")
    [held] = received(sqs, url, VisibilityTimeout=60)

    def extend(seconds: int) -> Any:
        return sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=seconds
        )

    server.control.advance(50)
    refused = error_of(lambda: extend(12 * HOUR))
    assert (refused["Code"], "beyond the limit" in refused["Message"]) == ("InvalidParameterValue", True)
    extend(12 * HOUR - 60)
    server.control.advance(11 * HOUR)
    assert received(sqs, url) == []
    assert error_of(lambda: extend(HOUR))["Code"] == "InvalidParameterValue"


def test_an_ended_lease_cannot_be_extended(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, "x")
    [held] = received(sqs, url)
    server.control.advance(31)
    with pytest.raises(sqs.exceptions.MessageNotInflight) as caught:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=30)
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.MessageNotInflight"


def test_a_delete_with_an_old_handle_succeeds_and_deletes_nothing(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, "x")
    [old] = received(sqs, url)
    server.control.advance(31)
    [new] = received(sqs, url)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=old["ReceiptHandle"])
    assert len(server.control.messages("q")) == 1
    sqs.delete_message(QueueUrl=url, ReceiptHandle=new["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=new["ReceiptHandle"])
    assert server.control.messages("q") == []


def test_a_strict_server_refuses_old_handles(server: SqsServer, sqs: "SQSClient") -> None:
    server.control.options(strict=True)
    url = server.make("q")
    sent(sqs, url, "x")
    [old] = received(sqs, url)
    server.control.advance(31)
    received(sqs, url)
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=old["ReceiptHandle"])
    entries: Any = [{"Id": "a", "ReceiptHandle": old["ReceiptHandle"]}]
    [failed] = sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Failed"]
    assert failed["Code"] == "ReceiptHandleIsInvalid"


def test_the_newest_handle_deletes_also_when_its_lease_is_over(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, "x")
    [held] = received(sqs, url)
    server.control.advance(31)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
    assert server.control.messages("q") == []
    assert [line["live"] for line in server.control.ledger() if line["kind"] == "delete"] == [False]


def test_handles_of_a_deleted_queue_are_worth_nothing_in_its_successor(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, "x")
    [held] = received(sqs, url)
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDeletedRecently):
        server.make("q")
    server.control.advance(61)
    server.make("q")
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])


def test_messages_past_their_retention_are_gone(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q", MessageRetentionPeriod=60)
    ids = sent(sqs, url, "old")
    server.control.advance(61)
    sent(sqs, url, "new")
    assert bodies(received(sqs, url)) == ["new"]
    assert [line["message_id"] for line in server.control.ledger() if line["kind"] == "aged"] == ids


def test_too_many_in_flight_is_an_error_on_a_standard_queue_and_silence_on_a_fifo_queue(
    server: SqsServer, sqs: "SQSClient"
) -> None:
    server.control.options(in_flight_limit=2)
    url, line = server.make("q"), server.make("line.fifo", ContentBasedDeduplication="true")
    for number in range(4):
        sent(sqs, url, f"m-{number}")
        sent(sqs, line, f"m-{number}", MessageGroupId=f"g-{number}")
    assert len(received(sqs, url)) == len(received(sqs, line)) == 2
    with pytest.raises(sqs.exceptions.OverLimit):
        received(sqs, url)
    assert received(sqs, line) == []


def test_a_noisy_group_of_a_standard_queue_waits_for_the_calm_ones(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, *(f"noisy-{number}" for number in range(60)), MessageGroupId="noisy")
    sent(sqs, url, "calm", MessageGroupId="calm")
    for _ in range(3):
        received(sqs, url)
    [first, *_] = received(sqs, url)
    assert (first["Body"], first["Attributes"]["MessageGroupId"]) == ("calm", "calm")


def test_delays_of_the_message_and_of_the_queue_pass_with_the_servers_clock(
    server: SqsServer, sqs: "SQSClient"
) -> None:
    url = server.make("q", DelaySeconds=600)
    sent(sqs, url, "a")
    sent(sqs, url, "b", DelaySeconds=900)
    assert server.control.stats()["queues"]["q"]["delayed"] == 2
    server.control.advance(601)
    assert bodies(received(sqs, url)) == ["a"]
    server.control.advance(300)
    assert bodies(received(sqs, url)) == ["a", "b"]


def test_a_queue_is_purged_once_a_minute(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, "x")
    received(sqs, url)
    sqs.purge_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=url)
    assert server.control.stats()["queues"]["q"] == {"visible": 0, "in_flight": 0, "delayed": 0, "open_polls": 0}


def test_a_queue_of_other_attributes_is_not_created_under_a_taken_name(server: SqsServer, sqs: "SQSClient") -> None:
    server.make("q", VisibilityTimeout=40)
    with pytest.raises(sqs.exceptions.QueueNameExists):
        server.make("q", VisibilityTimeout=41)


def test_a_dead_letter_keeps_its_age_and_says_where_it_comes_from(server: SqsServer, sqs: "SQSClient") -> None:
    url, dead = server.make_pair("q", receives=3)
    sent(sqs, url, "poison", MessageAttributes={"kind": {"DataType": "String", "StringValue": "a"}})
    [first, _, _] = [received(sqs, url, VisibilityTimeout=0)[0] for _ in range(3)]
    assert received(sqs, url) == []
    [found] = received(sqs, dead)
    assert found["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert found["Attributes"]["DeadLetterQueueSourceArn"].endswith(":q")
    assert found["MD5OfMessageAttributes"] == first["MD5OfMessageAttributes"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]


def test_more_than_ten_attributes_and_wrong_ones_are_refused(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")

    def send(attributes: Any) -> Any:
        return error_of(lambda: sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes))["Code"]

    text = {"DataType": "String", "StringValue": "v"}
    assert send({f"a{number}": text for number in range(11)}) == "InvalidParameterValue"
    assert send({"AWS.secret": text}) == "InvalidParameterValue"
    assert send({"a": {"DataType": "Number", "StringValue": "seven"}}) == "InvalidParameterValue"
    assert send({"a": {"DataType": "Thing", "StringValue": "v"}}) == "InvalidParameterValue"
    large = {"DataType": "String", "StringValue": "v" * 1_048_576}
    assert send({"a": large}) == "InvalidParameterValue"
    assert error_of(lambda: sent(sqs, url, "x", DelaySeconds=901))["Code"] == "InvalidParameterValue"
