"""The control port: what the ledger keeps, what handlers report, and a process that goes with its parent."""

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.sqs_server.checker import check
from tests.sqs_server.control_client import AsyncControl
from tests.sqs_server.reading import received, sent
from tests.sqs_server.running import SECRET, SqsServer, sqs_server
from tests.waiting import until

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


def kinds(server: SqsServer) -> list[str]:
    return [line["kind"] for line in server.control.ledger() if line["kind"] != "request"]


def test_the_ledger_keeps_the_whole_life_of_a_message(server: SqsServer, sqs: "SQSClient") -> None:
    url, _ = server.make_pair("q", receives=2)
    [message_id] = sent(sqs, url, "x")
    [held] = received(sqs, url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=60)
    server.control.advance(61)
    [held] = received(sqs, url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=0)
    assert received(sqs, url) == []
    [letter] = received(sqs, f"{url}-dlq")
    sqs.delete_message(QueueUrl=f"{url}-dlq", ReceiptHandle=letter["ReceiptHandle"])
    expected = ["send", "receive", "extend", "expire", "receive", "release", "redrive", "receive", "delete"]
    assert kinds(server) == expected
    lines = [line for line in server.control.ledger() if line["kind"] != "request"]
    assert {line["message_id"] for line in lines} == {message_id}
    assert [line["receipt"] for line in lines] == [0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert [line["queue"] for line in lines] == [*["q"] * 7, *["q-dlq"] * 2]


def test_what_was_asked_is_kept_word_for_word_only_for_those_who_want_it(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    sent(sqs, url, "before")
    server.control.options(keep_requests=True)
    sent(sqs, url, "x", "y", DelaySeconds=7)
    received(sqs, url)
    actions, asked = zip(*server.control.requests(), strict=True)
    assert actions == ("SendMessage", "SendMessage", "ReceiveMessage")
    assert [(each["MessageBody"], each["DelaySeconds"]) for each in asked[:2]] == [("x", 7), ("y", 7)]
    server.control.reset()
    sent(sqs, server.make("q"), "after")
    assert server.control.requests() == []


def test_a_dead_letter_says_in_the_ledger_whom_it_buries(server: SqsServer, sqs: "SQSClient") -> None:
    url, dead = server.make_pair("q")
    [message_id] = sent(sqs, url, "x")
    failure: Any = {
        "fleet-failure": {"DataType": "String", "StringValue": f'{{"original_message_id": "{message_id}"}}'}
    }
    [held] = received(sqs, url)
    server.control.effect(message_id, "started")
    server.control.effect(message_id, "failed")
    sent(sqs, dead, "x", MessageAttributes=failure)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
    found = check(server.control.ledger())
    assert (found.faults, found.buried, len(found.left)) == ({}, 1, 1)


async def test_handlers_report_from_a_loop_what_they_do(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    [message_id] = sent(sqs, url, "x")
    [held] = received(sqs, url)
    async with server.asynchronous as control:
        async with control.handling(message_id, key="order-1"):
            await asyncio.sleep(0)
        with pytest.raises(KeyError):
            async with control.handling(message_id, key="order-1"):
                raise KeyError
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])
    effects = [line for line in server.control.ledger() if line["kind"] == "effect"]
    assert [line["phase"] for line in effects] == ["started", "ended", "started", "failed"]
    assert {(line["message_id"], line["key"]) for line in effects} == {(message_id, "order-1")}
    found = check(server.control.ledger())
    assert (found.faults, found.started_twice, found.done_twice) == ({}, 1, 0)


def test_workers_find_the_server_and_its_control_port_in_their_environment(
    server: SqsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    control = AsyncControl.from_environment()
    assert control.at_once.stats()["queues"] == {}


def test_requests_are_counted_by_action_queue_and_outcome(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.fault("throttled", "SendMessage", count=1)
    for _ in range(2):
        received(sqs, url)
    with pytest.raises(sqs.exceptions.RequestThrottled):
        sent(sqs, url, "x")
    sent(sqs, url, "x")
    counts = {(row["action"], row["outcome"]): row["count"] for row in server.control.stats()["requests"]}
    assert counts["ReceiveMessage", "ok"] == 2
    assert (counts["SendMessage", "ok"], counts["SendMessage", "RequestThrottled"]) == (1, 1)
    [name] = [rule["name"] for rule in server.control.faults()]
    assert [line["faults"] for line in server.control.ledger() if "faults" in line] == [[name]]


async def test_a_poll_whose_client_hangs_up_takes_no_message_with_it(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    async with server.open() as client:
        poll = asyncio.create_task(client.receive_message(QueueUrl=url, WaitTimeSeconds=20))
        await until(lambda: server.control.stats()["queues"]["q"]["open_polls"] == 1, what="an open poll")
        poll.cancel()
        await asyncio.wait({poll})
    await until(lambda: server.control.stats()["queues"]["q"]["open_polls"] == 0, what="no open poll")
    sent(sqs, url, "x")
    assert len(received(sqs, url)) == 1


async def test_many_polls_are_answered_in_the_order_of_asking(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    async with server.open() as client:
        polls = []
        for number in range(5):
            poll = client.receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=1)
            polls.append(asyncio.create_task(poll))
            await until(
                lambda number=number: server.control.stats()["queues"]["q"]["open_polls"] == number + 1,  # type: ignore[misc]  # a default binds the number now
                what="an open poll",
            )
        await asyncio.to_thread(sent, sqs, url, *(f"m-{number}" for number in range(5)))
        answers = await asyncio.gather(*polls)
    assert [answer["Messages"][0]["Body"] for answer in answers] == [f"m-{number}" for number in range(5)]


def test_signatures_are_checked_where_secrets_are_known(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.options(secrets={"AKIAKNOWN": SECRET, "AKIAOTHER": "another secret"})
    assert received(server.client(access_key="AKIAKNOWN"), url) == []
    for key, code in [("AKIAOTHER", "SignatureDoesNotMatch"), ("AKIASTRANGER", "UnrecognizedClientException")]:
        stranger = server.client(access_key=key)
        with pytest.raises(Exception, match=code):
            received(stranger, url)


def test_the_ledger_can_be_switched_off_while_counters_go_on(server: SqsServer, sqs: "SQSClient") -> None:
    url = server.make("q")
    server.control.clear_ledger()
    server.control.keep_ledger(on=False)
    sent(sqs, url, "x", "y")
    assert server.control.ledger() == []
    assert server.control.stats()["messages"] == [{"kind": "send", "queue": "q", "count": 2}]


@pytest.mark.slow
def test_the_server_dies_with_the_process_that_started_it() -> None:
    program = (
        "import os, sys; from tests.sqs_server.running import sqs_server\n"
        "with sqs_server() as server:\n"
        "    print(server.process.pid, flush=True); os._exit(9)\n"
    )
    parent = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert parent.returncode == 9
    gone = subprocess.run(
        ["tail", f"--pid={int(parent.stdout)}", "-f", "/dev/null"], timeout=10, check=False, stdin=subprocess.DEVNULL
    )
    assert gone.returncode == 0


def test_each_server_is_alone() -> None:
    with sqs_server() as one, sqs_server(strict=True) as other:
        one.make("q")
        assert (set(one.control.stats()["queues"]), other.control.stats()["queues"]) == ({"q"}, {})
        assert other.control.options()["strict"] is True
