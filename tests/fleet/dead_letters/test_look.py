"""Looking at dead letters: counted, grouped, listed, and every one of them given back."""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.cli.dlq.look import _fed
from fleet.dead_letters.queues.catalog import NoSuchQueue, QueueInfo
from shared.message.dead_letter import letter
from shared.message.identity import ATTRIBUTE
from shared.outcome import Reject
from shared.road.failure.verdict import dead
from tests.fakes import delivery
from tests.fleet.dead_letters.conftest import FLEET, Ground, Lines
from tests.fleet.dead_letters.fakes import NOW
from tests.fleet.dead_letters.schemas import valid

STAYS = QueueInfo("orders-dlq", "http://q/orders-dlq", "arn:aws:sqs:eu-central-1:0:orders-dlq", 60.0, 0, 0)


def test_ls_counts_what_is_there_and_says_when_the_oldest_disappears(twelve: Ground, cli: Lines) -> None:
    [result] = cli.json("ls", twelve.name)
    valid("dlq-queue", result)
    assert (result["queue"], result["visible"], result["in_flight"], result["groups"]) == (twelve.name, 12, 0, 3)
    assert result["expires_in_s"] == pytest.approx(4 * 86_400, abs=60)


def test_ls_without_a_name_finds_every_queue_that_another_redrives_to(twelve: Ground, cli: Lines) -> None:
    result = cli.json("ls", "--quick")
    assert twelve.name in {each["queue"] for each in result}
    assert twelve.source.rpartition("/")[2] not in {each["queue"] for each in result}


def test_a_queue_that_goes_away_while_ls_looks_is_left_out_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    class Going:
        """A catalog whose second queue is deleted before it is asked who feeds it."""

        unread: tuple[str, ...] = ()

        def dead_letter_queues(self) -> list[QueueInfo]:
            return [replace(STAYS, fed_by=("queue orders",)), replace(STAYS, name="gone-dlq", url="http://q/gone-dlq")]

        def dead_letter_queue(self, given: str) -> QueueInfo:
            raise NoSuchQueue(given, "eu-central-1")

    found = _fed(Going())  # type: ignore[arg-type]  # what is asked of a catalog
    assert [each.name for each in found] == ["orders-dlq"]
    assert "left out: there is no queue http://q/gone-dlq in eu-central-1" in capsys.readouterr().err


def test_groups_keep_worker_and_error_together_and_never_hide_an_unknown_reason(twelve: Ground, cli: Lines) -> None:
    result = cli.json("groups", twelve.name)
    for each in result:
        valid("dlq-group", each)
    assert [(each["count"], each["error_type"], each["reason_known"]) for each in result] == [
        (7, "ConnectTimeout", True),
        (3, "SignatureError", True),
        (2, None, False),
    ]


def test_one_error_of_two_workers_makes_two_groups(ground: Ground, cli: Lines) -> None:
    ground.park({}, error_type="KeyError", worker="one", fingerprint="same")
    ground.park({}, error_type="KeyError", worker="two", fingerprint="same")
    assert {each["worker"] for each in cli.json("groups", ground.name)} == {"one", "two"}


def test_listing_twice_shows_the_same_letters_and_changes_none(twelve: Ground, cli: Lines) -> None:
    before = {each["MessageId"]: (each["Body"], each.get("MessageAttributes")) for each in twelve.content()}
    first, second = cli.json("list", twelve.name), cli.json("list", twelve.name)
    for each in first:
        valid("dlq-letter", each)
    assert {each["id"] for each in first} == {each["id"] for each in second} == {*before}
    assert twelve.counts() == (12, 0)
    assert {each["MessageId"]: (each["Body"], each.get("MessageAttributes")) for each in twelve.content()} == before


def test_an_empty_queue_ends_with_3_and_an_empty_list(ground: Ground, cli: Lines) -> None:
    assert cli.json("groups", ground.name, exits=3) == []
    assert cli.json("list", ground.name, exits=3) == []


def test_an_unknown_queue_is_one_line_with_its_name_and_the_region(cli: Lines) -> None:
    result = cli("dlq", "groups", "no-such-dlq", exits=1)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "no-such-dlq" in result.stderr
    assert "us-east-1" in result.stderr


def test_an_unreachable_aws_is_one_line_and_no_traceback(cli: Lines) -> None:
    result = cli("dlq", "groups", "somewhere", exits=1, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "127.0.0.1:9" in result.stderr


def test_a_letter_close_to_its_end_is_flagged_everywhere(ground: Ground, cli: Lines) -> None:
    ground.aws.sqs.set_queue_attributes(QueueUrl=ground.dead, Attributes={"MessageRetentionPeriod": "14400"})
    ground.park({})
    for command in ("ls", "groups", "list"):
        [result] = cli.json(command, ground.name)
        assert result["expires_in_s"] == pytest.approx(14_400, abs=60)
        assert result["expires_soon"] is True
        assert re.search(r"(3 h 59|4 h 0) min !", cli("dlq", command, ground.name).stdout)


def test_somebody_elses_letter_makes_a_look_incomplete(twelve: Ground, cli: Lines) -> None:
    twelve.aws.sqs.receive_message(QueueUrl=twelve.dead, VisibilityTimeout=30)
    result = cli("dlq", "groups", twelve.name, "--json", exits=4)
    assert "incomplete: 11 of about 12" in result.stderr


def test_a_bad_command_ends_with_2_and_its_name(cli: Lines) -> None:
    result = cli("dlq", "frobnicate", exits=2)
    assert result.stdout == ""
    assert "frobnicate" in result.stderr


def test_completion_for_bash_is_a_script(cli: Lines) -> None:
    assert "_fleet_completion" in cli("--show-completion").stdout


def test_help_costs_less_than_300_milliseconds_and_imports_no_aws() -> None:
    """Of processor time: what a busy machine makes a process wait for is not what the command costs."""
    took = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run([str(FLEET), "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert result.stderr == b""
    assert statistics.median(took) <= 0.3
    command = [sys.executable, "-X", "importtime", "-m", "fleet.cli", "--help"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in imported.splitlines()}
    assert "click" in names
    assert not {"aioboto3", "aiobotocore", "boto3", "botocore"} & names


PERSONAL = ("Ada Lovelace", "ada@example.com", "+44 20 7946 0958", "12 St James's Square", "secret-token-123")


@pytest.mark.slow
def test_personal_data_is_seen_only_by_who_reveals_it_with_a_reason(ground: Ground, cli: Lines) -> None:
    name, mail, phone, street, token = PERSONAL
    body = {
        "id": "order-42",
        "customer": {"name": name, "email": mail, "contacts": [{"phone": phone}], mail: "key"},
        "payload": json.dumps({"address": street, "id": mail}),
        "token": token,
    }
    ground.park(body, attributes={"note": {"DataType": "String", "StringValue": mail}})
    [letter] = cli.json("list", ground.name)
    shown = cli("dlq", "show", ground.name, letter["id"])
    as_json = cli("dlq", "show", ground.name, letter["id"], "--json")
    for result in (shown, as_json, cli("dlq", "list", ground.name), cli("dlq", "groups", ground.name)):
        assert not [each for each in PERSONAL if each in result.stdout + result.stderr]
    assert "order-42" in shown.stdout
    assert cli.audit() == []
    cli("dlq", "show", ground.name, letter["id"], "--reveal", exits=2)
    revealed = cli("dlq", "show", ground.name, letter["id"], "--reveal", "--reason", "customer asked")
    assert all(each in revealed.stdout for each in (name, mail, street))
    [entry] = cli.audit()
    assert (entry["command"], entry["ids"], entry["reason"]) == ("show --reveal", [letter["id"]], "customer asked")
    assert mail not in json.dumps(entry)


def test_control_characters_in_a_letter_do_not_reach_the_terminal(ground: Ground, cli: Lines) -> None:
    ground.park("\\u001b[2J", error_type="Bad", worker="evil\x1b[31mred")
    for command in ("list", "groups"):
        result = cli("dlq", command, ground.name)
        assert "\x1b" not in result.stdout
        assert "\\x1b[31mred" in result.stdout


@pytest.mark.slow
def test_ids_go_through_a_real_pipe_whose_reader_leaves_early(ground: Ground, cli: Lines) -> None:
    """2,500 ids are more than a pipe holds: `head` is gone while `list` still writes."""
    ground.park(*({"order": number} for number in range(2_500)))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    line = f"{FLEET} dlq list {ground.name} --ids | head -3 | {FLEET} dlq plan {ground.name} --ids - -o {cli.plan()}"
    result = subprocess.run(
        ["bash", "-c", f"{line}; echo ${{PIPESTATUS[@]}}"],
        capture_output=True,
        text=True,
        check=True,
        env={**kept, **cli.environment},
    )
    assert result.stdout.splitlines()[-1] == "0 0 0"
    assert "roken pipe" not in result.stderr
    assert len(json.loads(Path(cli.plan()).read_text())["letters"]) == 3
    assert ground.counts() == (2_500, 0)


def test_groups_and_list_tell_what_was_said_and_keep_apart_what_two_codes_say(ground: Ground, cli: Lines) -> None:
    for code in ("AccessDenied", "Throttling"):
        for number in range(2):
            error = ClientError({"Error": {"Code": code, "Message": f"for order {number}"}}, "GetItem")
            ground.put({"order": number}, attributes=buried(error))
    for number in range(2):
        ground.put({"n": number}, attributes=buried(Reject(f"order {number} of 'Ada' has no lines")))
    groups = cli.json("groups", ground.name)
    said = {"ClientError AccessDenied", "ClientError Throttling", "order # of # has no lines"}
    assert {each["message"] for each in groups} == said
    assert [each["count"] for each in groups] == [2, 2, 2]
    for command in ("groups", "list"):
        screen = cli("dlq", command, ground.name).stdout
        assert all(each in screen for each in said)
        assert "Ada" not in screen


def buried(error: Exception) -> dict[str, Any]:
    """The attributes of a letter that died of this error."""
    dying = delivery("{}", queue="webhooks")
    made = letter(dying, dead(error, worker="webhook-delivery"), worker="webhook-delivery", now=NOW)
    return {ATTRIBUTE: {"DataType": "String", "StringValue": made.attributes[ATTRIBUTE].text}}
