"""Looking moves nothing: not where the queue has a redrive policy of its own, nor where it holds more than may be in flight."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.dead_letters.looking import unseen
from fleet.dead_letters.queues.catalog import QueueInfo
from fleet.dead_letters.replay.inventory import Inventory
from tests.fleet.dead_letters.conftest import Lines
from tests.sqs_server.running import SqsServer, sqs_server

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story


@pytest.fixture(scope="module")
def server() -> Iterator[SqsServer]:
    with sqs_server() as made:
        yield made


@pytest.fixture
def cli(server: SqsServer, tmp_path: Path) -> Lines:
    server.control.reset()
    more = {
        "DLQ_AUDIT_LOG": str(tmp_path / "audit.jsonl"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "DLQ_LAST_LOOK_SECONDS": "0",
        "DLQ_ACTOR": "tester",
        "DLQ_PLAN_KEY": "the key of these tests",
    }
    return Lines({**server.environment, **more}, tmp_path)


def dead(server: SqsServer, *, letters: int = 20, own: int | None = None, suffix: str = "") -> str:
    """A dead-letter queue, fed by `orders`; `own` is the maxReceiveCount of a redrive policy of its own."""
    arn = "arn:aws:sqs:us-east-1:000000000000:"
    kind = {"FifoQueue": "true"} if suffix else {}
    last = server.make(f"last-stop{suffix}", **kind)
    policy = json.dumps({"deadLetterTargetArn": f"{arn}last-stop{suffix}", "maxReceiveCount": own})
    url = server.make(f"orders-dlq{suffix}", **kind, **({"RedrivePolicy": policy} if own else {}))
    feeding = json.dumps({"deadLetterTargetArn": f"{arn}orders-dlq{suffix}", "maxReceiveCount": 5})
    server.make(f"orders{suffix}", **kind, RedrivePolicy=feeding)
    for number in range(letters):
        more = {"MessageGroupId": f"g{number}", "MessageDeduplicationId": str(number)} if suffix else {}
        server.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": number}), **more)  # type: ignore[arg-type]  # one of two shapes
    assert last
    return url


def receives(server: SqsServer) -> set[int]:
    return {each["receives"] for each in server.control.messages("orders-dlq")}


def test_a_queue_that_moves_letters_after_three_looks_is_not_looked_into(server: SqsServer, cli: Lines) -> None:
    dead(server, own=3)
    for words in (("list",), ("groups",), ("purge",), ("archive",), ("export", "--reason", "why")):
        refused = cli("dlq", words[0], "orders-dlq", *words[1:], exits=5)
        assert "orders-dlq was not read: its own redrive policy moves a letter to last-stop after 3" in refused.stderr
    assert (len(server.control.messages("orders-dlq")), receives(server)) == (20, {0})


def test_such_a_queue_is_counted_by_ls_and_not_read(server: SqsServer, cli: Lines) -> None:
    dead(server, own=3)
    lines = {each["queue"]: each for each in cli.json("ls", exits=4)}
    assert (lines["orders-dlq"]["visible"], lines["orders-dlq"]["groups"]) == (20, None)
    assert {each["queue"] for each in cli.json("ls", "--quick")} >= {"orders-dlq"}
    assert receives(server) == {0}


@pytest.mark.slow
def test_above_that_looks_stop_at_half_of_the_receives_and_give_back_all(server: SqsServer, cli: Lines) -> None:
    url = dead(server, own=24)
    for _ in range(11):
        cli("dlq", "list", "orders-dlq")
    stopped = cli("dlq", "list", "orders-dlq", exits=5)
    assert "a letter was received 12 times" in stopped.stderr
    counts = server.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("20", "0")
    assert server.control.messages("last-stop") == []


def test_however_often_somebody_looks_no_letter_moves(server: SqsServer, cli: Lines) -> None:
    url = dead(server, own=20)
    for _ in range(21):
        cli("dlq", "ls", "orders-dlq", exits=4)
    assert receives(server) == {0}
    for _ in range(25):
        cli("dlq", "list", "orders-dlq", exits=None)
    refused = cli("dlq", "groups", "orders-dlq", exits=5)
    assert "letters in it have used half of the 20 receives" in refused.stderr
    assert (max(receives(server)), server.control.messages("last-stop")) == (10, [])
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:last-stop", "maxReceiveCount": 40}
    server.sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    cli("dlq", "list", "orders-dlq")
    assert max(receives(server)) == 11


@pytest.mark.slow
def test_a_canary_is_watched_for_without_a_receive_where_nothing_came_back(server: SqsServer, cli: Lines) -> None:
    dead(server, letters=3, own=20)
    cli.environment["DLQ_SETTLE_SECONDS"] = "0.2"  # ten looks a second
    cli("dlq", "plan", "orders-dlq", "--to", "orders", "--canary", "1", "--watch", "1.5", "-o", cli.plan())
    [report] = cli.json("replay", cli.plan(), "--yes", "--reason", "why", exits=4)
    assert (report["sent"], report["steps"][0]["verdict"]) == (1, "none")
    assert receives(server) == {4}  # planned, looked at before, met by the canary's step, looked at once after it


def test_a_replay_that_meets_the_limit_after_it_sent_says_how_far_it_came(server: SqsServer, cli: Lines) -> None:
    dead(server, letters=3, own=20)
    for _ in range(6):
        cli("dlq", "list", "orders-dlq")
    cli("dlq", "plan", "orders-dlq", "--to", "orders", "--canary", "1", "--watch", "5", "-o", cli.plan())
    [report] = cli.json("replay", cli.plan(), "--yes", "--reason", "why", exits=4)
    assert (report["sent"], report["deleted"], report["remaining"]) == (1, 1, 2)
    assert "a letter was received 10 times" in cli.last.stderr
    assert f"go on with `fleet dlq resume {cli.plan()}`" in cli.last.stderr
    assert cli.audit()[-1]["outcome"] == "partly"


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_more_letters_than_may_be_in_flight_are_read_in_part_and_that_is_said(
    server: SqsServer, cli: Lines, suffix: str
) -> None:
    url = dead(server, suffix=suffix)
    server.control.options(in_flight_limit=15)
    answer = cli("dlq", "list", f"orders-dlq{suffix}", "--json", exits=4)
    assert len(answer.stdout.splitlines()) == 15
    assert "incomplete: 15 of about 20 letters seen" in answer.stderr
    counts = server.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "0"


@pytest.mark.parametrize(("name", "most"), [("dead", 120_000), ("dead.fifo", 20_000)])
def test_an_incomplete_look_says_whether_others_hold_letters_or_the_quota_does(name: str, most: int) -> None:
    info = QueueInfo(name, "", "", retention=1, visible=0, in_flight=0)
    assert "somebody else" in unseen(info, Inventory((), 5, most, complete=False))
    assert f"no more than {most}" in unseen(info, Inventory((), 5, most + 1, complete=False))
