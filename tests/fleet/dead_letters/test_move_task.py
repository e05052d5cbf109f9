"""SQS's own redrive: the journal and `status` tell of it, also where it was cut short, cancelled, or asked for without an answer."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay.journal import Journal
from shared.message.identity import ATTRIBUTE
from tests.fleet.dead_letters.conftest import Lines
from tests.fleet.dead_letters.fakes import envelope
from tests.fleet.dead_letters.schemas import valid
from tests.sqs_server.running import SqsServer

ACT = ("--yes", "--reason", "all of it")


def planned(server: SqsServer, cli: Lines, *options: str, letters: int = 5) -> str:
    """A plan of a whole queue, for SQS to carry out; the URL of the dead-letter queue."""
    _, dead = server.make_pair("orders")
    for number in range(letters):
        reason: Any = {ATTRIBUTE: {"DataType": "String", "StringValue": envelope().text}}
        server.sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"n": number}), MessageAttributes=reason)
    cli("dlq", "plan", "orders-dlq", "--via", "aws", "--to", "orders", *options, "-o", cli.plan())
    return dead


def begun(cli: Lines, write: Callable[[Journal], None]) -> None:
    """The journal of a run that was killed."""
    plan_id = json.loads(Path(cli.plan()).read_bytes())["plan_id"]
    with journals.opened(Path(cli.plan()), plan_id, now=time.time) as journal:
        journal.begin("somebody", "why")
        write(journal)


def start(server: SqsServer, *, rate: int) -> None:
    arn = "arn:aws:sqs:us-east-1:000000000000:orders"
    server.sqs.start_message_move_task(SourceArn=f"{arn}-dlq", DestinationArn=arn, MaxNumberOfMessagesPerSecond=rate)


@pytest.mark.slow
def test_status_tells_of_a_redrive_that_sqs_carried_out(lossy_server: SqsServer, lossy: Lines) -> None:
    planned(lossy_server, lossy, "--rate", "100")
    [result] = lossy.json("replay", lossy.plan(), *ACT)
    valid("dlq-replay", result)
    [told] = lossy.json("status", lossy.plan())
    valid("dlq-replay", told)
    for each in (result, told):
        assert (each["state"], each["sent"], each["remaining"], each["steps"][0]["sent"]) == ("done", 5, 0, 5)
    assert [(entry["outcome"], entry["counts"].get("sent")) for entry in lossy.audit()] == [
        ("begun", None),
        ("done", 5),
    ]
    assert "was carried out" in lossy("dlq", "replay", lossy.plan(), *ACT, exits=5).stderr
    lossy_server.sqs.send_message(QueueUrl=lossy_server.url_of("orders-dlq"), MessageBody="{}")
    lossy("dlq", "plan", "orders-dlq", "--to", "orders", "-o", lossy.plan())


def test_a_redrive_whose_runner_was_killed_is_followed_to_its_end_and_not_begun_twice(
    lossy_server: SqsServer, lossy: Lines
) -> None:
    planned(lossy_server, lossy)
    begun(lossy, lambda journal: journal.task("RUNNING", 1))
    start(lossy_server, rate=500)
    [told] = lossy.json("status", lossy.plan())
    assert (told["state"], told["sent"], told["next"].split()[2]) == ("interrupted", 1, "resume")
    lossy_server.control.options(keep_requests=True)
    [result] = lossy.json("resume", lossy.plan(), *ACT)
    assert (result["state"], result["sent"]) == ("done", 5)
    assert "StartMessageMoveTask" not in {name for name, _ in lossy_server.control.requests()}


def latest(server: SqsServer) -> int:
    """When the newest task was started, in milliseconds."""
    arn = "arn:aws:sqs:us-east-1:000000000000:orders-dlq"
    return max(
        (each["StartedTimestamp"] for each in server.sqs.list_message_move_tasks(SourceArn=arn)["Results"]), default=0
    )


@pytest.mark.parametrize("heard", [True, False], ids=["the answer was lost", "it was never asked"])
def test_a_runner_that_was_killed_as_it_asked_for_the_redrive_asks_once(
    lossy_server: SqsServer, lossy: Lines, *, heard: bool
) -> None:
    planned(lossy_server, lossy)
    begun(lossy, lambda journal: journal.task("STARTING", 0, earlier=latest(lossy_server)))
    if heard:
        start(lossy_server, rate=500)
    lossy_server.control.options(keep_requests=True)
    [result] = lossy.json("resume", lossy.plan(), *ACT)
    assert (result["state"], result["sent"]) == ("done", 5)
    asked = [name for name, _ in lossy_server.control.requests()].count("StartMessageMoveTask")
    assert asked == (0 if heard else 1)


def test_a_redrive_without_a_runner_can_be_cancelled_and_the_rest_is_planned_anew(
    lossy_server: SqsServer, lossy: Lines
) -> None:
    planned(lossy_server, lossy, letters=50)
    assert "nothing to stop" in lossy("dlq", "cancel", lossy.plan(), *ACT, exits=5).stderr
    begun(lossy, lambda journal: journal.task("RUNNING", 0))
    start(lossy_server, rate=1)
    lossy("dlq", "cancel", lossy.plan(), *ACT)
    [result] = lossy.json("resume", lossy.plan(), *ACT, exits=4)
    assert (result["state"], result["cancelled"], result["next"]) == ("cancelled", True, "fleet dlq groups orders-dlq")
    assert result["sent"] + result["remaining"] == 50
    assert "ended as CANCELLED" in lossy("dlq", "resume", lossy.plan(), *ACT, exits=5).stderr
    lossy("dlq", "plan", "orders-dlq", "--to", "orders", "-o", lossy.plan())
