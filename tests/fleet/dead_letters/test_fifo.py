"""A FIFO dead-letter queue: SQS hands out the first letters of a group; they go back in their order, round after round."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.message.identity import ATTRIBUTE
from tests.fleet.dead_letters.clockwork import Clockwork
from tests.fleet.dead_letters.conftest import Lines
from tests.fleet.dead_letters.fakes import envelope
from tests.fleet.dead_letters.forked import forked
from tests.sqs_server.running import SqsServer, sqs_server

ACT = ("--yes", "--reason", "the order is kept")


def park(works: Clockwork, letters: int, groups: int) -> None:
    reason: Any = {"DataType": "String", "StringValue": envelope(source_queue="orders.fifo").text}
    for number in range(letters):
        works.server.sqs.send_message(
            QueueUrl=works.dead,
            MessageBody=json.dumps({"order": number}),
            MessageGroupId=f"g-{number % groups}",
            MessageDeduplicationId=str(number),
            MessageAttributes={ATTRIBUTE: reason},
        )


def arrived(works: Clockwork) -> list[int]:
    found: list[int] = []
    sqs: Any = works.server.sqs
    while messages := sqs.receive_message(QueueUrl=works.source, MaxNumberOfMessages=10).get("Messages"):
        for each in messages:
            found.append(json.loads(each["Body"])["order"])
            sqs.delete_message(QueueUrl=works.source, ReceiptHandle=each["ReceiptHandle"])
    return found


@pytest.mark.slow
def test_all_letters_of_two_groups_go_back_in_their_order(tmp_path: Path) -> None:
    with sqs_server(strict=True) as server, forked(tmp_path) as fork:
        source, dead = server.make_pair("orders.fifo", FifoQueue="true")
        works = Clockwork(server, fork, tmp_path, source, dead)
        park(works, 50, groups=2)
        seen = works("dlq", "list", works.name, exits=4)
        assert "first letters of their group (ten at most)" in seen.stderr
        rounds: list[int] = []
        for ends in (4, 4, 0):
            plan = str(tmp_path / "p")
            planned = json.loads(works("dlq", "plan", works.name, "-o", plan, "--json", exits=ends).stdout)
            result = json.loads(works("dlq", "replay", plan, *ACT, "--json").stdout)
            assert result["sent"] == planned["planned"]
            rounds.append(result["sent"])
        assert (rounds, works.counts()) == ([20, 20, 10], (0, 0))
        orders = arrived(works)
        for group in range(2):
            assert [each for each in orders if each % 2 == group] == list(range(group, 50, 2))


def test_a_restore_into_a_group_of_more_than_ten_says_why_it_needs_uncertain(lossy: Lines) -> None:
    with sqs_server(strict=True) as server:
        lossy.environment |= server.environment | {
            name: lossy.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        }
        _, dead = server.make_pair("orders.fifo", FifoQueue="true")
        for number in range(22):
            server.sqs.send_message(
                QueueUrl=dead, MessageBody=str(number), MessageGroupId="g", MessageDeduplicationId=str(number)
            )
        [taken] = lossy.json("archive", "orders-dlq.fifo", *ACT, exits=4)  # behind the ten are others
        assert taken["taken"] == 10
        refused = lossy("dlq", "restore", "orders-dlq.fifo", *ACT, exits=5).stderr
        assert (
            "2 letters of orders-dlq.fifo are in other hands, or behind the first letters of their group (ten at"
            in refused
        )
        [back] = lossy.json("restore", "orders-dlq.fifo", "--uncertain", *ACT, exits=4)
        assert (back["restored"], back["uncertain"]) == (0, 10)


def test_a_group_of_four_of_which_a_look_sees_two_is_not_said_to_have_more_than_ten(
    lossy_server: SqsServer, lossy: Lines
) -> None:
    dead = lossy_server.make_pair("orders.fifo", FifoQueue="true")[1]
    for number in range(12):
        body, group = str(number), f"g-{number // 4}"  # a receive of ten ends in the middle of the third group
        lossy_server.sqs.send_message(
            QueueUrl=dead, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body
        )
    seen = lossy("dlq", "list", "orders-dlq.fifo", exits=4)
    assert "10 of about 12 letters seen" in seen.stderr
    assert "behind the first letters of their group (ten at most)" in seen.stderr


@pytest.mark.slow
def test_letters_behind_one_that_was_refused_are_said_to_stand_behind_it(lossy_server: SqsServer, lossy: Lines) -> None:
    dead = lossy_server.make_pair("orders.fifo", FifoQueue="true")[1]
    for body in ("1", "2", "3"):
        lossy_server.sqs.send_message(QueueUrl=dead, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    lossy("dlq", "plan", "orders-dlq.fifo", "--to", "orders.fifo", "--watch", "0", "-o", lossy.plan())
    lossy_server.control.fault("refuse", "SendMessageBatch", texts=("2",), code="InvalidMessageContents")
    left = lossy("dlq", "replay", lossy.plan(), *ACT, exits=4)
    assert "sent 1  deleted 1  failed 1" in left.stdout
    assert "what remains may stand behind a letter of its group that was left" in left.stderr


@pytest.mark.slow
def test_each_plan_copies_to_a_fifo_queue_once_also_within_five_minutes(tmp_path: Path) -> None:
    with sqs_server(strict=True) as server, forked(tmp_path) as fork:
        source, dead = server.make_pair("orders.fifo", FifoQueue="true")
        works = Clockwork(server, fork, tmp_path, source, dead)
        park(works, 3, groups=1)
        look = server.make("look.fifo", FifoQueue="true")
        for count in (3, 6):
            plan = str(tmp_path / "p")
            works("dlq", "plan", works.name, "--keep", "--to", "look.fifo", "--watch", "0", "-o", plan)
            assert json.loads(works("dlq", "replay", plan, *ACT, "--json").stdout)["sent"] == 3
            assert (len(server.control.messages("look.fifo")), bool(look)) == (count, True)
