"""Moving dead letters back, as AWS does it: new messages, one task at a time, no filter."""

from typing import TYPE_CHECKING, Any

from tests.sqs_server.reading import bodies, error_of, received, sent
from tests.sqs_server.running import SqsServer
from tests.waiting import until

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

ARN = "arn:aws:sqs:us-east-1:000000000000"
DEAD = f"{ARN}:q-dlq"


def dead_letters(server: SqsServer, sqs: "SQSClient", count: int) -> tuple[str, str]:
    """Queue and dead-letter queue, with so many messages moved there by SQS itself."""
    url, dead = server.make_pair("q", receives=1)
    sent(sqs, url, *(f"m-{number}" for number in range(count)))
    for _ in range(2):
        received(sqs, url, VisibilityTimeout=0)
    return url, dead


def task(sqs: "SQSClient") -> dict[str, Any]:
    [found] = sqs.list_message_move_tasks(SourceArn=DEAD)["Results"]
    return dict(found)


async def test_they_go_back_to_their_source_as_new_messages(server: SqsServer, sqs: "SQSClient") -> None:
    url, _ = dead_letters(server, sqs, 3)
    old = {message["message_id"] for message in server.control.messages("q-dlq")}
    server.control.advance(100)
    assert sqs.start_message_move_task(SourceArn=DEAD)["TaskHandle"]
    await until(lambda: task(sqs)["Status"] == "COMPLETED", what="the end of the task")
    found = received(sqs, url)
    assert sorted(bodies(found)) == ["m-0", "m-1", "m-2"]
    assert not old & {message["MessageId"] for message in found}
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in found} == {"1"}
    assert all("DeadLetterQueueSourceArn" not in message["Attributes"] for message in found)
    assert task(sqs)["ApproximateNumberOfMessagesMoved"] == 3


async def test_they_may_go_to_another_queue(server: SqsServer, sqs: "SQSClient") -> None:
    dead_letters(server, sqs, 1)
    other = server.make("other")
    sqs.start_message_move_task(SourceArn=DEAD, DestinationArn=f"{ARN}:other")
    await until(lambda: received(sqs, other), what="the message")


async def test_letters_that_were_sent_there_have_no_source_to_go_back_to(server: SqsServer, sqs: "SQSClient") -> None:
    _, dead = server.make_pair("q")
    sent(sqs, dead, "by hand")
    sqs.start_message_move_task(SourceArn=DEAD)
    await until(lambda: task(sqs)["Status"] == "FAILED", what="the end of the task")
    assert task(sqs)["FailureReason"] == "CouldNotDetermineMessageSource"
    assert len(server.control.messages("q-dlq")) == 1


def test_a_slow_task_runs_alone_and_can_be_cancelled(server: SqsServer, sqs: "SQSClient") -> None:
    dead_letters(server, sqs, 5)
    handle = sqs.start_message_move_task(SourceArn=DEAD, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    assert error_of(lambda: sqs.start_message_move_task(SourceArn=DEAD))["Code"] == "InvalidParameterValue"
    assert task(sqs)["TaskHandle"] == handle
    assert sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"] < 5
    assert task(sqs)["Status"] == "CANCELLED"
    assert error_of(lambda: sqs.cancel_message_move_task(TaskHandle=handle))["Code"] == "ResourceNotFoundException"


def test_only_a_dead_letter_queue_can_be_moved_from(server: SqsServer, sqs: "SQSClient") -> None:
    server.make("plain")
    start = sqs.start_message_move_task
    assert error_of(lambda: start(SourceArn=f"{ARN}:plain"))["Code"] == "InvalidParameterValue"
    assert error_of(lambda: start(SourceArn=f"{ARN}:gone"))["Code"] == "ResourceNotFoundException"
