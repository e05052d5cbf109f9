"""Every kind of fault, as clients meet it."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError

from tests.sqs_server.control_client import ControlError
from tests.sqs_server.reading import error_of, received, sent
from tests.sqs_server.running import SqsServer
from tests.waiting import until

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("throttled", "RequestThrottled", 400),
        ("throttling", "ThrottlingException", 400),
        ("internal", "InternalFailure", 500),
        ("unavailable", "ServiceUnavailable", 503),
        ("expired", "ExpiredToken", 403),
        ("denied", "AccessDenied", 403),
        ("over_limit", "OverLimit", 400),
        ("no_queue", "AWS.SimpleQueueService.NonExistentQueue", 400),
    ],
)
def test_an_error_on_demand_is_the_error_that_boto_knows(
    server: SqsServer, sqs: "SQSClient", kind: str, code: str, status: int
) -> None:
    url = server.make("q")
    server.control.fault(kind, "ReceiveMessage", count=1)
    with pytest.raises(ClientError) as caught:
        received(sqs, url)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert received(sqs, url) == []


async def test_aiobotocore_raises_the_modelled_exceptions_as_well(server: SqsServer) -> None:
    url = server.make("q")
    server.control.fault("throttled", "SendMessage", count=1)
    async with server.open() as client:
        with pytest.raises(client.exceptions.RequestThrottled):
            await client.send_message(QueueUrl=url, MessageBody="x")
        await client.send_message(QueueUrl=url, MessageBody="x")
        answer = await client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert [message["Body"] for message in answer["Messages"]] == ["x"]


def test_an_error_can_be_of_any_code(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.fault("error", code="KmsThrottled", message="slowly", status=400)
    assert error_of(lambda: received(sqs, url))["Code"] == "KmsThrottled"


def test_an_expired_credential_is_refused_until_another_is_used(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.fault("expired", access_key="AKIAOLD")
    assert error_of(lambda: received(server.client(access_key="AKIAOLD"), url))["Code"] == "ExpiredToken"
    assert received(sqs, url) == []


def test_a_rule_keeps_to_its_actions_queues_count_and_patience(server: SqsServer, sqs: "SQSClient") -> None:
    one, two = server.make("one"), server.make("two")
    name = server.control.fault("throttled", "ReceiveMessage", queues=("one",), skip=1, count=2)
    sent(sqs, one, "x")
    outcomes = [failed(sqs, one) for _ in range(5)]
    assert outcomes == [False, True, True, False, False]
    assert not failed(sqs, two)
    [rule] = server.control.faults()
    assert (rule["name"], rule["met"], rule["fired"]) == (name, 5, 2)
    server.control.heal(name)
    assert server.control.faults() == []


def test_probability_follows_its_seed(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    runs = []
    for _ in range(2):
        server.control.heal()
        server.control.fault("throttled", "ReceiveMessage", probability=0.5, seed=7)
        runs.append([failed(sqs, url) for _ in range(20)])
    assert runs[0] == runs[1]
    assert 3 < sum(runs[0]) < 17


def test_latency_is_put_before_the_work(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    for shape in ("uniform", "normal", "exponential"):
        server.control.heal()
        server.control.fault("latency", seconds=0.2, spread=0.01, shape=shape, seed=3)
        started = time.monotonic()
        sent(sqs, url, "x")
        assert time.monotonic() - started > 0.05
    late = [line for line in server.control.ledger() if line["kind"] == "send"]
    asked = [line for line in server.control.ledger() if line.get("action") == "SendMessage"]
    assert all(work["at"] - request["at"] > 0.05 for work, request in zip(late, asked, strict=True))


def test_a_reset_before_the_work_has_done_nothing_and_one_after_it_everything(
    server: SqsServer, sqs: "SQSClient"
) -> None:
    url = server.make("q")
    for after in (False, True):
        server.control.heal()
        server.control.fault("reset", "SendMessage", count=1, after=after)
        with pytest.raises(HTTPClientError):
            sent(sqs, url, "x")
        assert len(server.control.messages("q")) == int(after)


async def test_an_answer_may_be_cut_in_the_middle_of_its_body(server: SqsServer) -> None:
    url = server.make("q")
    server.control.fault("reset", "SendMessage", count=1, cut=True)
    async with server.open() as client:
        with pytest.raises(HTTPClientError):
            await client.send_message(QueueUrl=url, MessageBody="x")
    assert len(server.control.messages("q")) == 1


def test_a_lost_answer_is_work_done_and_silence(server: SqsServer) -> None:
    hasty = server.client(read_timeout=0.3)
    url = server.make("q")
    server.control.fault("lost", "SendMessage", count=1)
    with pytest.raises(ReadTimeoutError):
        sent(hasty, url, "x")
    assert len(server.control.messages("q")) == 1


def test_a_timeout_is_silence_and_no_work(server: SqsServer) -> None:
    hasty = server.client(read_timeout=0.3)
    url = server.make("q")
    server.control.fault("timeout", "SendMessage", count=1)
    with pytest.raises(ReadTimeoutError):
        sent(hasty, url, "x")
    assert server.control.messages("q") == []


def test_a_duplicated_message_is_in_flight_twice_and_both_leases_count(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.fault("duplicate", "ReceiveMessage", count=1)
    sent(sqs, url, "x")
    [first] = received(sqs, url)
    [second] = received(sqs, url)
    assert first["MessageId"] == second["MessageId"]
    assert received(sqs, url) == []
    entries: Any = [
        {"Id": str(place), "ReceiptHandle": each["ReceiptHandle"], "VisibilityTimeout": 50}
        for place, each in enumerate((first, second))
    ]
    assert len(sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)["Successful"]) == 2
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert server.control.messages("q") == []


def test_a_forgotten_delete_is_answered_well_and_the_message_comes_again(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.fault("forget", "DeleteMessageBatch", count=1)
    sent(sqs, url, "x")
    [held] = received(sqs, url)
    entries: Any = [{"Id": "a", "ReceiptHandle": held["ReceiptHandle"]}]
    assert sqs.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"] == [{"Id": "a"}]
    server.control.advance(31)
    assert len(received(sqs, url)) == 1


def test_entries_of_a_batch_fail_by_place_by_dice_and_after_they_were_done(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    entries: Any = [{"Id": str(place), "MessageBody": f"m-{place}"} for place in range(10)]

    def send() -> list[Any]:
        answer: Any = sqs.send_message_batch(QueueUrl=url, Entries=entries)
        return [(each["Id"], each["Code"], each["SenderFault"]) for each in answer.get("Failed", [])]

    server.control.fault("refuse", "SendMessageBatch", entries=(2, 5))
    assert send() == [("2", "InternalFailure", False), ("5", "InternalFailure", False)]
    assert len(server.control.messages("q")) == 8
    server.control.heal()
    server.control.fault("refuse", probability=0.4, seed=1, code="RequestThrottled", status=400)
    assert 0 < len(send()) < 10
    server.control.heal()
    before = len(server.control.messages("q"))
    server.control.fault("refuse", entries=(0,), after=True)
    assert len(send()) == 1
    assert len(server.control.messages("q")) == before + 10


def test_faults_can_be_kept_to_bodies_and_receipt_handles(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    entries: Any = [{"Id": body, "MessageBody": body} for body in "abc"]
    server.control.fault("refuse", texts=("b",), count=1)
    assert [[each["Id"] for each in sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed", [])]
            for _ in range(2)] == [["b"], []]  # fmt: skip
    held, other = received(sqs, url, 2)
    server.control.fault("error", "DeleteMessage", texts=(held["ReceiptHandle"],), code="KmsThrottled")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=other["ReceiptHandle"])
    refused = error_of(lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"]))
    assert refused["Code"] == "KmsThrottled"


def test_a_recreated_queue_is_gone_for_a_while_and_empty_then(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q", VisibilityTimeout=77)
    sent(sqs, url, "x")
    server.control.recreate("q")
    assert received(sqs, url) == []
    attributes: Any = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert attributes["Attributes"] == {"VisibilityTimeout": "77"}
    assert [line["kind"] for line in server.control.ledger() if line["kind"] == "dropped"] == ["dropped"]


async def test_an_open_poll_learns_that_its_queue_is_gone(server: SqsServer) -> None:
    url = server.make("q")
    async with server.open() as client:
        poll = asyncio.create_task(client.receive_message(QueueUrl=url, WaitTimeSeconds=20))
        await until(lambda: server.control.stats()["queues"]["q"]["open_polls"] == 1, what="an open poll")
        await server.asynchronous.recreate("q", gone_for=0.3)
        with pytest.raises(client.exceptions.QueueDoesNotExist):
            await poll
        await until(lambda: "q" in server.control.stats()["queues"], what="the queue")
        await client.receive_message(QueueUrl=url)


def test_a_skewed_server_refuses_signatures_of_another_time(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.skew(200)
    sent(sqs, url, "x")
    [held] = received(sqs, url)
    assert int(held["Attributes"]["SentTimestamp"]) / 1000 > time.time() + 150
    server.control.skew(-400)
    assert error_of(lambda: received(sqs, url))["Code"] == "SignatureDoesNotMatch"


def test_all_connections_can_be_reset_and_clients_come_back(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    assert server.control.hang_up() >= 1
    assert received(server.client(attempts=3), url) == []


def test_what_is_not_a_rule_is_refused(server: SqsServer) -> None:
    with pytest.raises(ValueError, match="not a kind of fault"):
        server.control.fault("gremlins")
    with pytest.raises(ControlError, match="TypeError"):
        server.control.ask("POST", "/faults", {"kind": "reset", "colour": "red"})
    with pytest.raises(ControlError, match="no such thing"):
        server.control.ask("GET", "/nothing")


def failed(sqs: "SQSClient", url: str) -> bool:
    try:
        sqs.receive_message(QueueUrl=url)
    except ClientError:
        return True
    return False
