"""An order to change something: complete, about dead letters alone, and written down before anything happens."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click
import pytest

from fleet.cli.dlq.frame import given_reason
from shared.message.identity import ATTRIBUTE
from tests.fleet.dead_letters.conftest import Lines
from tests.fleet.dead_letters.fakes import envelope
from tests.sqs_server.account import ACCOUNT, REGION
from tests.sqs_server.running import SqsServer

ACT = ("--yes", "--reason", "because")
STRANGER = f"arn:aws:lambda:{REGION}:999999999999:function:f"


@dataclass
class Works:
    """A queue and its dead letters on a server of the tests' own, and the command line."""

    server: SqsServer
    cli: Lines
    source: str
    dead: str

    @property
    def plan(self) -> Path:
        return Path(self.cli.plan())

    def counts(self) -> tuple[int, int]:
        """Letters, and messages that came back to their source queue."""
        return len(self.server.control.messages("hooks-dlq")), len(self.server.control.messages("hooks"))

    def outcomes(self) -> list[tuple[str, str]]:
        return [(line["command"], line["outcome"]) for line in self.cli.audit()]

    def planned(self, *options: str) -> None:
        self.cli("dlq", "plan", "hooks-dlq", "-o", str(self.plan), "--watch", "0", *options)

    def orders(self) -> dict[str, list[str]]:
        """Every kind of order over these letters, complete but for who says yes and why."""
        body = self.cli.home / "body.json"
        body.write_text('{"n": 1}')
        first = self.server.control.messages("hooks-dlq")[0]["message_id"]
        return {
            "purge": ["purge", "hooks-dlq", "--confirm", "hooks-dlq"],
            "archive": ["archive", "hooks-dlq", "--bucket", "kept"],
            "edit": ["edit", "hooks-dlq", first, "--body-file", str(body), "--bucket", "kept", "--twice"],
            "replay": ["replay", str(self.plan)],
        }


@pytest.fixture
def works(lossy_server: SqsServer, tmp_path: Path) -> Works:
    lossy_server.control.reset()
    source, dead = lossy_server.make_pair("hooks")
    reason: Any = {"DataType": "String", "StringValue": envelope(source_queue="hooks").text}
    for number in range(3):
        body = json.dumps({"n": number})
        lossy_server.sqs.send_message(QueueUrl=dead, MessageBody=body, MessageAttributes={ATTRIBUTE: reason})
    more = {
        "DLQ_AUDIT_LOG": str(tmp_path / "audit.jsonl"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "DLQ_LAST_LOOK_SECONDS": "0",
        "DLQ_EDIT_ENABLED": "true",
        "DLQ_ACTOR": "tester",
    }
    return Works(lossy_server, Lines({**lossy_server.environment, **more}, tmp_path), source, dead)


@pytest.mark.parametrize("order", ["purge", "archive", "edit", "replay"])
def test_an_order_whose_beginning_cannot_be_recorded_changes_nothing(order: str, works: Works) -> None:
    works.planned()
    (works.cli.home / "audit.jsonl.new").mkdir()  # so the log takes its lines, and its head none
    refused = works.cli("dlq", *works.orders()[order], *ACT, exits=5).stderr
    assert "nothing was done: the audit log" in refused
    assert works.counts() == (3, 0)


@pytest.mark.slow
def test_a_line_that_the_mirror_does_not_take_stops_an_order(works: Works) -> None:
    refused = works.cli("dlq", *works.orders()["purge"], *ACT, exits=5, DLQ_AUDIT_MIRROR="s3://other/log").stderr
    assert "did not take the line" in refused
    assert works.counts() == (3, 0)


def test_an_order_has_a_line_at_its_beginning_and_one_at_its_end(works: Works) -> None:
    works.cli("dlq", "purge", "hooks-dlq", *ACT, exits=5)
    works.planned("--limit", "1")
    works.cli("dlq", "replay", str(works.plan), *ACT)
    works.cli("dlq", *works.orders()["purge"], *ACT)
    began_and_ended = [(name, outcome) for name in ("replay", "purge") for outcome in ("begun", "done")]
    assert works.outcomes() == [("purge", "refused"), *began_and_ended]
    assert works.counts() == (0, 1)


def test_nothing_begins_on_a_log_that_was_damaged(works: Works) -> None:
    works.cli("dlq", "purge", "hooks-dlq", *ACT, exits=5)
    log = works.cli.home / "audit.jsonl"
    log.write_text(log.read_text()[:-9] + "\n")
    assert "is damaged" in works.cli("dlq", *works.orders()["purge"], *ACT, exits=5).stderr
    assert works.counts() == (3, 0)


@pytest.mark.parametrize("order", ["purge", "archive", "edit", "replay", "resume", "cancel"])
def test_without_yes_nothing_is_sent_deleted_or_written_down(order: str, works: Works) -> None:
    works.planned()
    orders = works.orders()
    words = orders.get(order) or [order, str(works.plan)]
    refused = order in ("resume", "cancel")  # nobody began this plan
    works.cli("dlq", *words, "--reason", "because", exits=5 if refused else 0)
    assert (works.counts(), works.outcomes()) == ((3, 0), [])


@pytest.mark.parametrize("order", ["purge", "archive", "edit", "replay"])
def test_without_a_reason_nothing_is_done(order: str, works: Works) -> None:
    works.planned()
    works.cli("dlq", *works.orders()[order], "--yes", "--reason", " ", exits=2)
    assert works.counts() == (3, 0)


def test_a_reason_of_spaces_is_none() -> None:
    with pytest.raises(click.UsageError, match="--reason is required"):
        given_reason(" ")


def test_a_plan_that_was_never_begun_is_not_resumed(works: Works) -> None:
    works.planned()
    assert "never begun" in works.cli("dlq", "resume", str(works.plan), *ACT, exits=5).stderr
    assert works.counts() == (3, 0)


def test_a_cancel_without_a_runner_stops_no_later_run(works: Works) -> None:
    works.planned()
    assert "nobody is at work" in works.cli("dlq", "cancel", str(works.plan), *ACT, exits=5).stderr
    works.cli("dlq", "replay", str(works.plan), *ACT)
    assert works.counts() == (0, 3)


@pytest.mark.slow
def test_a_queue_in_use_is_refused_by_each_command_and_not_read(works: Works) -> None:
    works.server.sqs.send_message(QueueUrl=works.source, MessageBody="{}")
    commands = [["list"], ["groups"], ["purge", "--confirm", "hooks", *ACT], ["plan", "-o", str(works.plan)]]
    for name, *options in commands:
        refused = works.cli("dlq", name, "hooks", *options, exits=5).stderr
        assert "hooks is not a dead-letter queue" in refused
    assert "ReceiveMessage" not in [action for action, _ in works.server.control.requests()]


def test_a_look_names_who_feeds_the_queue(works: Works) -> None:
    assert "hooks-dlq holds dead letters of queue hooks\n" in works.cli("dlq", "list", "hooks-dlq").stderr


def test_letters_stay_in_their_account_unless_a_setting_names_another(works: Works) -> None:
    elsewhere = f"arn:aws:sqs:{REGION}:999999999999:hooks"
    for destination in (elsewhere, STRANGER):
        works.plan.unlink(missing_ok=True)
        works.planned("--to", destination)
        refused = works.cli("dlq", "replay", str(works.plan), exits=5).stderr
        assert f"is not in account {ACCOUNT}" in refused
    works.cli("dlq", "replay", str(works.plan), DLQ_OTHER_ACCOUNTS="999999999999")


def mended(works: Works) -> str:
    """A plan with one changed body; answers the id of its letter."""
    export = works.cli.home / "export.jsonl"
    works.cli("dlq", "export", "hooks-dlq", "--limit", "1", "-o", str(export), "--reason", "because")
    record = json.loads(export.read_text())
    export.write_text(json.dumps({**record, "body": {"n": "another"}}))
    works.cli("dlq", "import", "hooks-dlq", str(export), "-o", str(works.plan))
    return str(record["id"])


@pytest.mark.slow
def test_changed_bodies_need_leave_are_shown_and_named_in_the_log(works: Works) -> None:
    name = mended(works)
    works.cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = "kept"
    assert "editing is off" in works.cli("dlq", "replay", str(works.plan), *ACT, exits=5, DLQ_EDIT_ENABLED="no").stderr
    assert f"changes the body of {name}" in works.cli("dlq", "replay", str(works.plan), "--twice").stdout
    works.cli("dlq", "replay", str(works.plan), "--twice", *ACT, exits=None)  # no archive is there, so nothing is sent
    [_, begun] = [line for line in works.cli.audit() if line["outcome"] == "begun"]  # the export's, and the replay's
    assert [*begun["digests"]] == [name]
    assert works.counts() == (3, 0)


@pytest.mark.parametrize("option", [("--rate", "-1"), ("--canary", "0")])
def test_a_number_out_of_its_range_is_wrong_usage(option: tuple[str, str], works: Works) -> None:
    works.cli("dlq", "plan", "hooks-dlq", "-o", str(works.plan), *option, exits=2)
    assert not works.plan.exists()


def test_a_plan_into_a_directory_that_is_not_there_is_refused_in_words(works: Works) -> None:
    refused = works.cli("dlq", "plan", "hooks-dlq", "-o", str(works.plan / "p"), exits=5).stderr
    assert f"there is no directory {works.plan}" in refused


@contextmanager
def dying(works: Works) -> Iterator[None]:
    """Whatever is sent dies again."""
    enough = Event()

    def receive() -> None:
        client = works.server.client()
        while not enough.is_set():
            client.receive_message(QueueUrl=works.source, VisibilityTimeout=0, WaitTimeSeconds=1)

    thread = Thread(target=receive)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


@pytest.mark.slow
def test_letters_that_come_back_are_counted_written_down_and_end_with_4(works: Works) -> None:
    works.planned("--watch", "20")
    with dying(works):
        [result] = works.cli.json("replay", str(works.plan), *ACT, exits=4)
    assert (result["sent"], result["returned"], result["uncertain"]) == (3, 3, 0)
    assert works.outcomes() == [("replay", "begun"), ("replay", "partly")]


def test_a_send_whose_answer_was_lost_is_made_once(works: Works) -> None:
    works.planned()
    works.server.control.fault("reset", "SendMessageBatch", count=1, after=True)
    [result] = works.cli.json("replay", str(works.plan), *ACT, exits=4)
    assert (result["sent"], result["uncertain"]) == (0, 3)
    assert works.counts() == (3, 3)
