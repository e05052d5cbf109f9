"""An edited letter whose original stayed is not sent a second time: named and left, unless somebody says otherwise."""

import json
from typing import Any

import pytest

from tests.fleet.dead_letters.conftest import Lines
from tests.fleet.dead_letters.schemas import valid
from tests.fleet.dead_letters.test_taking import orders
from tests.sqs_server.running import SqsServer

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

ACT = ("--yes", "--reason", "because")


def edit(lossy: Lines, server: SqsServer, fault: str, action: str, *, exits: int, **more: Any) -> str:
    """The one letter of orders-dlq, edited while some answers are lost; its id."""
    orders(server, 1)
    [letter] = lossy.json("list", "orders-dlq")
    name = server.control.fault(fault, action, **more)
    again(lossy, letter["id"], exits=exits)
    server.control.heal(name)
    server.control.advance(60)
    return str(letter["id"])


def again(lossy: Lines, letter: str, *more: str, exits: int = 0) -> str:
    body = lossy.home / "body"
    body.write_text('{"n": 7}')
    words = ("edit", "orders-dlq", letter, "--body-file", str(body), "--to", "orders", *more, *ACT)
    return lossy("dlq", *words, exits=exits).stderr


def bodies(server: SqsServer, queue: str) -> list[Any]:
    return [json.loads(each["body"]) for each in server.control.messages(queue)]


def planned(lossy: Lines) -> str:
    lossy("dlq", "plan", "orders-dlq", "--to", "orders", "--watch", "0", "-o", lossy.plan())
    return lossy.plan()


def test_an_original_whose_deletion_was_lost_is_left_by_a_replay_and_by_a_second_edit(
    lossy_server: SqsServer, lossy: Lines
) -> None:
    letter = edit(lossy, lossy_server, "reset", "DeleteMessageBatch", exits=4)
    assert (bodies(lossy_server, "orders"), bodies(lossy_server, "orders-dlq")) == ([{"n": 7}], [{"n": 0}])
    plan = planned(lossy)
    dry = lossy("dlq", "replay", plan, exits=4).stderr
    assert f"would be left: {letter}: a mended copy of it was sent" in dry
    [result] = lossy.json("replay", plan, *ACT, exits=4)
    assert (result["sent"], result["failed"], result["state"]) == (0, 1, "unfinished")
    assert "a mended copy of it was sent" in result["faults"][0]["why"]
    assert "a mended copy of it was sent" in again(lossy, letter, exits=5)
    assert bodies(lossy_server, "orders") == [{"n": 7}]
    [result] = lossy.json("resume", plan, "--twice", *ACT)
    assert (result["sent"], bodies(lossy_server, "orders")) == (1, [{"n": 7}, {"n": 0}])


def test_after_an_archive_it_stays_there_until_its_archive_is_named(lossy_server: SqsServer, lossy: Lines) -> None:
    edit(lossy, lossy_server, "reset", "DeleteMessageBatch", exits=4)
    [put_away] = lossy.json("archive", "orders-dlq", *ACT)
    for each in lossy.json("restore", "orders-dlq"):
        valid("dlq-archived", each)
    [back] = lossy.json("restore", "orders-dlq", *ACT, exits=3)
    assert (back["restored"], "2 letters stay archived" in lossy.last.stderr) == (0, True)
    [back] = lossy.json("restore", "orders-dlq", "--archive-id", put_away["archive_id"], *ACT)
    assert (back["restored"], bodies(lossy_server, "orders-dlq")) == (1, [{"n": 0}])
    dry = lossy("dlq", "replay", planned(lossy), exits=4)  # it has another id now
    assert ("a mended copy of it was sent" in dry.stderr, "would send 0 letters" in dry.stdout) == (True, True)


def test_a_copy_that_may_have_been_sent_counts_as_well(lossy_server: SqsServer, lossy: Lines) -> None:
    letter = edit(lossy, lossy_server, "reset", "SendMessageBatch", exits=4, count=1, after=True)
    [result] = lossy.json("replay", planned(lossy), *ACT, exits=4)
    assert "a mended copy of it may have been sent" in result["faults"][0]["why"]
    assert "a changed copy may have been sent" in lossy("dlq", "restore", "orders-dlq").stdout
    assert "may have been sent" in again(lossy, letter, exits=5)
    again(lossy, letter, "--twice")
    assert (bodies(lossy_server, "orders"), bodies(lossy_server, "orders-dlq")) == ([{"n": 7}] * 2, [])


def test_a_copy_that_was_refused_holds_nothing_back(lossy_server: SqsServer, lossy: Lines) -> None:
    edit(lossy, lossy_server, "denied", "SendMessageBatch", exits=1)
    [result] = lossy.json("replay", planned(lossy), *ACT)
    assert (result["sent"], bodies(lossy_server, "orders")) == (1, [{"n": 0}])


@pytest.mark.parametrize("words", [(), ACT], ids=["dry", "for real"])
def test_where_nobody_can_tell_whether_copies_were_sent_a_replay_is_refused(
    words: tuple[str, ...], lossy_server: SqsServer, lossy: Lines
) -> None:
    orders(lossy_server, 1)
    plan = planned(lossy)
    lossy.environment["DLQ_ARCHIVE_BUCKET_NAME"] = "no-such-bucket-here"
    assert (
        "cannot be read in no-such-bucket-here (NoSuchBucket)" in lossy("dlq", "replay", plan, *words, exits=5).stderr
    )
    assert bodies(lossy_server, "orders") == []
    lossy("dlq", "replay", plan, "--twice", *words)
