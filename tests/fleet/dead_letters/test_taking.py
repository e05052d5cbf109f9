"""Letters taken out of a queue: what nobody can say is counted and said, a cut lets what is in hand come to its end, two at a
time do not double.
"""

import asyncio
import json
import signal
import time
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.dead_letters.model.letter import DeadLetter, sha256
from fleet.dead_letters.putting_away import new_archive_id
from fleet.dead_letters.queue_lock import held
from fleet.dead_letters.queues.removal import Taken, take
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import FakeBox, World
from tests.fleet.dead_letters.schemas import valid
from tests.sqs_server.running import SqsServer
from tests.waiting import until

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

ACT = ("--yes", "--reason", "because")


def orders(server: SqsServer, letters: int) -> None:
    """A dead-letter queue `orders-dlq` with so many letters."""
    _, dead = server.make_pair("orders")
    for number in range(letters):
        server.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"n": number}))


@pytest.mark.parametrize("after", [True, False], ids=["deleted all the same", "not deleted"])
def test_letters_whose_deletion_got_no_answer_are_uncertain_and_come_back_once(
    lossy_server: SqsServer, lossy: Lines, *, after: bool
) -> None:
    orders(lossy_server, 12)
    fault = lossy_server.control.fault("reset", "DeleteMessageBatch", after=after)
    [taken] = lossy.json("archive", "orders-dlq", *ACT, exits=4)
    valid("dlq-taken", taken)
    assert (taken["taken"], taken["uncertain"], taken["remaining"]) == (0, 10, 2)
    assert (lossy.audit()[-1]["outcome"], lossy.audit()[-1]["counts"]["uncertain"]) == ("partly", 10)
    lossy_server.control.heal(fault)
    lossy_server.control.advance(60)
    [back] = lossy.json("restore", "orders-dlq", *ACT)
    assert (back["restored"], back["there"]) == ((10, 0) if after else (0, 10))
    bodies = [each["body"] for each in lossy_server.control.messages("orders-dlq")]
    assert sorted(json.loads(each)["n"] for each in bodies) == [*range(12)]


def test_what_may_not_be_sent_or_deleted_says_which_action_was_denied(lossy_server: SqsServer, lossy: Lines) -> None:
    orders(lossy_server, 2)
    server = lossy_server.control
    fault = server.fault("denied", "DeleteMessageBatch")
    lossy("dlq", "purge", "orders-dlq", "--confirm", "orders-dlq", *ACT, exits=4)
    assert "whether 2 letters were deleted is not known: An error occurred (AccessDenied" in lossy.last.stderr
    server.heal(fault)
    server.advance(60)
    lossy("dlq", "archive", "orders-dlq", *ACT)
    server.fault("denied", "SendMessageBatch")
    lossy("dlq", "restore", "orders-dlq", *ACT, exits=4)
    assert "2 letters were not accepted and stay archived: AccessDenied" in lossy.last.stderr
    assert "at SendMessageBatch" in lossy.last.stderr


def test_a_replay_whose_deletes_got_no_answer_says_how_far_it_came_and_what_goes_on(
    lossy_server: SqsServer, lossy: Lines
) -> None:
    orders(lossy_server, 3)
    lossy("dlq", "plan", "orders-dlq", "--to", "orders", "--watch", "0", "-o", lossy.plan())
    fault = lossy_server.control.fault("reset", "DeleteMessageBatch")
    [result] = lossy.json("replay", lossy.plan(), *ACT, exits=4)
    assert (result["sent"], result["deleted"]) == (3, 0)
    assert f"go on with `fleet dlq resume {lossy.plan()}`" in lossy.last.stderr
    assert lossy.audit()[-1]["outcome"] == "partly"
    lossy_server.control.heal(fault)
    lossy_server.control.advance(60)
    [result] = lossy.json("resume", lossy.plan(), *ACT)
    assert (result["sent"], result["deleted"], result["sent_twice"]) == (3, 3, 0)


@pytest.mark.parametrize("act", [(), ACT], ids=["dry", "for real"])
def test_an_edit_goes_nowhere_where_a_plan_may_not_go(
    lossy_server: SqsServer, lossy: Lines, act: tuple[str, ...]
) -> None:
    orders(lossy_server, 1)
    lossy_server.make("orders.fifo", FifoQueue="true")
    [letter] = lossy.json("list", "orders-dlq")
    body = lossy.home / "body"
    body.write_text('{"n": 7}')
    arn = "arn:aws:sqs:us-east-1:999999999999:orders"
    for to, why in (
        ("orders-dlq", "the dead-letter queue itself"),
        ("orders.fifo", "same type"),
        (arn, "not in account"),
        ("nowhere", "the destination nowhere is not there"),
    ):
        words = ("edit", "orders-dlq", letter["id"], "--body-file", str(body), "--to", to, *act)
        assert why in lossy("dlq", *words, exits=5).stderr
    assert len(lossy_server.control.messages("orders-dlq")) == 1


def test_an_edit_whose_send_got_no_answer_says_so_and_leaves_the_original(
    lossy_server: SqsServer, lossy: Lines
) -> None:
    orders(lossy_server, 1)
    [letter] = lossy.json("list", "orders-dlq")
    body = lossy.home / "body"
    body.write_text('{"n": 7}')
    words = ("edit", "orders-dlq", letter["id"], "--body-file", str(body), "--to", "orders", *ACT)
    lossy_server.control.fault("reset", "SendMessageBatch", count=1, after=True)
    [edited] = lossy.json(*words, exits=4)
    valid("dlq-edited", edited)
    assert (edited["uncertain"], len(lossy_server.control.messages("orders-dlq"))) == (1, 1)
    assert "the mended copy may have arrived" in lossy.last.stderr
    entry = lossy.audit()[-1]
    assert (entry["outcome"], entry["counts"]["uncertain"]) == ("partly", 1)


def test_an_edit_that_is_refused_ends_in_words(lossy_server: SqsServer, lossy: Lines) -> None:
    orders(lossy_server, 1)
    [letter] = lossy.json("list", "orders-dlq")
    body = lossy.home / "body"
    body.write_text('{"n": 7}')
    lossy_server.control.fault("denied", "SendMessageBatch")
    words = ("edit", "orders-dlq", letter["id"], "--body-file", str(body), "--to", "orders", *ACT)
    assert "the original is still in the dead-letter queue" in lossy("dlq", *words, exits=1).stderr
    assert lossy.audit()[-1]["outcome"] == "failed"


def test_a_second_command_on_the_same_queue_is_refused(ground: Ground, cli: Lines) -> None:
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": ground.aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    ground.park({"n": 1})
    [letter] = cli.json("list", ground.name)
    body = cli.home / "body"
    body.write_text("{}")
    with held(cli.home / "state/fleet", ground.arn):
        for words in (
            ("archive", ground.name),
            ("restore", ground.name),
            ("purge", ground.name, "--confirm", ground.name),
            ("edit", ground.name, letter["id"], "--to", ground.source, "--body-file", str(body)),
        ):
            assert "another command is at work" in cli("dlq", *words, *ACT, exits=5).stderr
            assert cli.audit()[-1]["outcome"] == "refused"
    assert ground.counts() == (1, 0)
    cli("dlq", "archive", ground.name, *ACT)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["archive", "restore", "edit"])
def test_ctrl_c_is_recorded_and_leaves_every_letter_in_one_place(
    command: str, lossy_server: SqsServer, lossy: Lines
) -> None:
    orders(lossy_server, 25)
    words: tuple[str, ...] = (command, "orders-dlq")
    action = "SendMessageBatch"
    if command == "archive":
        action = "DeleteMessageBatch"
    elif command == "restore":
        lossy("dlq", "archive", "orders-dlq", *ACT)
    else:
        body = lossy.home / "body"
        body.write_text('{"n": 99}')
        letter = lossy.json("list", "orders-dlq")[0]["id"]
        words = ("edit", "orders-dlq", letter, "--body-file", str(body), "--to", "orders")
    lossy_server.control.options(keep_requests=True)
    lossy_server.control.fault("latency", action, seconds=1.0)
    with lossy.process("dlq", *words, *ACT) as process:
        asyncio.run(until(lambda: action in [name for name, _ in lossy_server.control.requests()]))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert lossy.audit()[-1]["outcome"] == "interrupted"
    lossy_server.control.heal()
    if command == "edit":
        assert len(lossy_server.control.messages("orders-dlq")) == 24
        return
    lossy("dlq", "restore", "orders-dlq", *ACT, exits=None)
    bodies = [each["body"] for each in lossy_server.control.messages("orders-dlq")]
    assert sorted(json.loads(each)["n"] for each in bodies) == [*range(25)]


def world(letters: int) -> tuple[World, dict[str, str]]:
    made = World()
    made.put(*(f'{{"order": {number}}}' for number in range(letters)))
    return made, {each.id: sha256(each.body) for each in made.dead.values()}


async def test_a_cut_lets_the_ten_in_hand_come_to_their_end() -> None:
    given, digests = world(25)
    stored: list[str] = []
    taken = Taken()

    async def first(letters: Sequence[DeadLetter]) -> None:
        running.cancel()
        await asyncio.sleep(0)
        stored.extend(each.id for each in letters)

    running = asyncio.ensure_future(take(FakeBox(given), digests, first=first, last_look=0, taken=taken))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(taken.done) == sorted(stored)
    assert (len(stored), {*given.dead} & {*stored}) == (10, set())
    assert all(each.hidden_until <= given.now for each in given.dead.values())


async def test_nothing_is_touched_whose_lease_has_run_out() -> None:
    given, digests = world(25)
    times = iter([0.0, 1.0, 26.0, 27.0])

    async def first(_: Sequence[DeadLetter]) -> None:
        """Slow."""

    taken = await take(FakeBox(given), digests, first=first, last_look=0, clock=lambda: next(times))
    assert (len(taken.done), len(taken.left), len(given.dead)) == (10, 15, 15)


async def test_a_deletion_that_an_answer_does_not_name_is_asked_for_again_and_counted_as_it_is() -> None:
    given, digests = world(12)
    asked: list[int] = []

    class Silent(FakeBox):
        async def delete(self, letters: Sequence[DeadLetter]) -> set[str]:
            asked.append(len(letters))
            if left := [each for each in letters if each.id in given.dead]:
                await super().delete(left)
            return {each.id for each in letters} if len(asked) == 1 else set()

    taken = await take(Silent(given), digests, last_look=0)
    assert (len(taken.done), taken.left, taken.uncertain, given.dead) == (12, [], [], {})
    assert asked == [10, 10, 2]


async def test_a_deletion_that_is_denied_says_so() -> None:
    given, digests = world(2)

    class Denies(FakeBox):
        async def delete(self, letters: Sequence[DeadLetter]) -> set[str]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteMessageBatch")

    taken = await take(Denies(given), digests, last_look=0)
    assert (taken.done, len(taken.uncertain), len(given.dead)) == ([], 2, 2)
    assert "AccessDenied" in taken.why
    assert "DeleteMessageBatch" in taken.why


def test_archive_and_purge_of_a_queue_that_was_not_seen_whole_are_partly_done(ground: Ground, cli: Lines) -> None:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = ground.aws.bucket("archive")
    ground.park({"n": 1}, {"n": 2}, {"n": 3})
    ground.aws.sqs.receive_message(QueueUrl=ground.dead, VisibilityTimeout=600)
    for words in (("archive", "--limit", "1"), ("purge", "--confirm", ground.name)):
        [taken] = cli.json(words[0], ground.name, *words[1:], *ACT, exits=4)
        assert (taken["taken"], cli.audit()[-1]["outcome"]) == (1, "partly")
    assert ground.counts() == (0, 1)


async def test_letters_of_a_fifo_queue_are_put_away_in_their_order() -> None:
    given, digests = world(25)
    stored: list[str] = []

    class Fifo(FakeBox):
        async def receive(self, **given: Any) -> list[DeadLetter]:
            found = await super().receive(**given)
            for each in found:
                object.__setattr__(each, "sequence", str(1000 - int(each.id[2:]) * 10))
            return found

    async def first(letters: Sequence[DeadLetter]) -> None:
        stored.extend(each.id for each in letters)

    await take(Fifo(given), digests, first=first, last_look=0)
    assert stored == [f"m-{number}" for number in reversed(range(25))]


def test_archives_are_met_in_the_order_of_their_making() -> None:
    now = time.time()
    ids = [new_archive_id(now + number) for number in range(20)]
    assert (sorted(ids), {len(each) for each in ids}) == (ids, {32})
