"""No letter is there twice: copies are known, and nothing is sent into a queue that was not seen."""

import json
from dataclasses import replace

import pytest

from fleet.dead_letters.model.letter import RESTORED, DeadLetter
from fleet.dead_letters.queues.archive import Archive, Label
from fleet.dead_letters.restoring import NotLookedThrough, original, returned
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import DLQ, SOURCE
from tests.fleet.dead_letters.schemas import valid
from tests.fleet.dead_letters.test_restore import ACT, Bench, bench, three

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

__all__ = ["bench"]


async def test_a_letter_that_is_still_in_the_queue_or_lies_in_two_archives_is_there_once(bench: Bench) -> None:
    bench.put(*three())
    bench.put(three()[2], archive_id="b")
    back = await bench.restore(present={"m-0"})
    assert (back.done, back.there, back.doubles, bench.left()) == (["m-1", "m-2"], ["m-0"], ["m-2"], [])
    assert bench.queue.sent == ["m-1", "m-2"]


async def test_a_copy_of_a_letter_that_is_back_under_a_new_id_is_dropped_and_counted(bench: Bench) -> None:
    again = DeadLetter("m-7", '{"n": 1}', attributes=returned(three()[1], DLQ).attributes)
    bench.put(*three(), again)
    back = await bench.restore(marked={original(three()[0], DLQ)})
    assert (back.done, back.doubles, bench.left()) == (["m-1", "m-2"], ["m-0", "m-7"], [])
    assert back.counts()["doubles"] == 2


async def test_a_mark_on_another_body_or_of_another_queue_hides_no_letter(bench: Bench) -> None:
    mark = returned(three()[1], DLQ).attributes
    assert original(DeadLetter("x", "forged", attributes=mark), DLQ) != original(three()[1], DLQ)
    elsewhere = returned(three()[1], f"{DLQ}-2").attributes
    assert original(DeadLetter("x", '{"n": 1}', attributes=elsewhere), DLQ).startswith("x ")


async def test_while_one_copy_may_be_back_the_others_are_not_sent(bench: Bench) -> None:
    bench.put(*three())
    bench.put(three()[1], archive_id="b")
    bench.queue.uncertain = frozenset({"m-1"})
    assert (await bench.restore()).uncertain == ["m-1", "m-1"]
    assert (bench.queue.sent, bench.left()) == (["m-0", "m-1", "m-2"], ["m-1", "m-1"])
    bench.queue.uncertain = frozenset()
    back = await bench.restore(again=True)
    assert (back.done, back.doubles, bench.left()) == (["m-1"], ["m-1"], [])


async def test_what_a_killed_restore_brought_back_is_said_to_be_back_and_is_no_copy(bench: Bench) -> None:
    bench.put(*three())
    bench.queue.uncertain = frozenset({"m-1"})
    await bench.restore()
    bench.queue.uncertain = frozenset()
    back = await bench.restore(marked={original(three()[1], DLQ)})
    assert (back.earlier, back.doubles, back.done, bench.left()) == (["m-1"], [], [], [])
    assert back.counts()["earlier"] == 1


def test_a_letter_keeps_its_first_id_and_its_source_on_every_way_back() -> None:
    first = returned(DeadLetter("m-1", "{}", moved_from=SOURCE), DLQ)
    second = DeadLetter("m-2", "{}", attributes=returned(DeadLetter("m-2", "{}", first.attributes), DLQ).attributes)
    mark = {"version": 1, "queue": DLQ, "id": "m-1", "earlier": ["m-2"], "moved_from": SOURCE}
    assert second.written(RESTORED) == mark


def test_a_letter_that_was_archived_twice_comes_back_once_also_by_a_later_restore(
    ground: Ground, cli: Lines, aws: Aws
) -> None:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = bucket = aws.bucket("archive")
    ground.park({"n": 1})
    cli("dlq", "archive", ground.name, *ACT)
    [place] = Archive(aws.s3, bucket=bucket).batches(ground.arn)

    def archived_once_more(archive_id: str) -> None:
        label = replace(place.label, archive_id=archive_id)
        Archive(aws.s3, bucket=bucket).put(label, place.letters, number=0)

    archived_once_more("f" * 32)
    listed = cli.json("restore", ground.name)
    for each in listed:
        valid("dlq-archived", each)
    assert [(each["letters"], each["doubles"]) for each in listed] == [(1, 0), (0, 1)]
    assert "0 letters" in cli("dlq", "restore", ground.name).stdout
    [back] = cli.json("restore", ground.name, *ACT)
    valid("dlq-restored", back)
    assert (back["restored"], back["doubles"], ground.counts()) == (1, 1, (1, 0))
    archived_once_more("f" * 32)
    answer = cli("dlq", "restore", ground.name, *ACT)
    assert f"{place.letters[0].id} is back already" in answer.stderr
    assert (cli.audit()[-1]["counts"]["doubles"], ground.counts()) == (1, (1, 0))
    assert cli.json("restore", ground.name, exits=3) == []


async def test_where_not_all_of_the_queue_was_seen_nothing_is_sent_unasked(bench: Bench) -> None:
    bench.put(*three())
    with pytest.raises(NotLookedThrough, match="somebody holds 1"):
        await bench.restore(present={"m-0"}, unseen="somebody holds 1")
    assert (bench.queue.sent, len(bench.left())) == ([], 3)
    back = await bench.restore(present={"m-0"}, unseen="somebody holds 1", again=True)
    assert (back.there, back.done, back.perhaps_twice, bench.left()) == (["m-0"], [], ["m-1", "m-2"], [])
    assert (back.is_partly, back.counts()["restored"], back.counts()["uncertain"]) == (True, 0, 2)


def test_a_restore_is_refused_while_letters_of_the_queue_are_in_other_hands(
    ground: Ground, cli: Lines, aws: Aws
) -> None:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = aws.bucket("archive")
    ground.park({"n": 1})
    cli("dlq", "archive", ground.name, *ACT)
    ground.park({"n": 2})
    aws.sqs.receive_message(QueueUrl=ground.dead, VisibilityTimeout=600)
    refused = cli("dlq", "restore", ground.name, *ACT, exits=5)
    assert f"1 letters of {ground.name} are in other hands" in refused.stderr
    assert (cli.audit()[-1]["outcome"], ground.counts()) == ("refused", (0, 1))
    [back] = cli.json("restore", ground.name, "--uncertain", *ACT, exits=4)
    assert (back["restored"], back["uncertain"], ground.counts()) == (0, 1, (1, 1))
    assert (len(cli.audit()[-1]["ids"]), cli.json("restore", ground.name, exits=3)) == (1, [])


def test_a_restore_into_a_queue_that_cannot_be_looked_into_is_refused(ground: Ground, cli: Lines, aws: Aws) -> None:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = aws.bucket("archive")
    ground.park({"n": 1})
    cli("dlq", "archive", ground.name, *ACT)
    policy = json.dumps({"deadLetterTargetArn": ground.arn_of(aws.queue("beyond")), "maxReceiveCount": 50})
    aws.sqs.set_queue_attributes(QueueUrl=ground.dead, Attributes={"RedrivePolicy": policy})
    refused = cli("dlq", "restore", ground.name, *ACT, exits=5)
    assert ("its own redrive policy" in refused.stderr, ground.counts()) == (True, (0, 0))
    assert cli.json("restore", ground.name, "--uncertain", *ACT, exits=4)[0]["uncertain"] == 1


def test_a_letter_that_was_archived_and_never_left_is_not_there_twice(ground: Ground, cli: Lines, aws: Aws) -> None:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = bucket = aws.bucket("archive")
    ground.park({"n": 1})
    [letter] = cli.json("list", ground.name)
    label = Label("a", ground.name, 1.0, 2e9, "tester", "because", 1, queue_arn=ground.arn)
    Archive(aws.s3, bucket=bucket).put(label, [DeadLetter(letter["id"], '{"n": 1}')], number=0)
    [back] = cli.json("restore", ground.name, *ACT)
    assert (back["restored"], back["there"], ground.counts()) == (0, 1, (1, 0))
    assert cli.json("restore", ground.name, exits=3) == []
