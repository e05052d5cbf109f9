"""Letters taken out of the queue: archived and restored, mended, exported and imported, or purged with care."""

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.dead_letters.model.letter import RESTORED
from shared.message.identity import REPLAY
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.schemas import valid

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

WHY = ("--reason", "tidying up")


@pytest.fixture
def archive(aws: Aws, cli: Lines) -> str:
    cli.environment["DLQ_ARCHIVE_BUCKET_NAME"] = aws.bucket("archive")
    return cli.environment["DLQ_ARCHIVE_BUCKET_NAME"]


def test_archived_letters_come_back_as_they_were_and_later_ones_are_not_touched(
    twelve: Ground, cli: Lines, archive: str
) -> None:
    before = {each["Body"]: each.get("MessageAttributes") for each in twelve.content()}
    [dry] = cli.json("archive", twelve.name, "--error", "ConnectTimeout")
    valid("dlq-taken", dry)
    assert (dry["planned"], twelve.counts()) == (7, (12, 0))
    [answer] = cli.json("archive", twelve.name, "--error", "ConnectTimeout", "--yes", *WHY)
    valid("dlq-taken", answer)
    twelve.park({"late": 1})
    assert (answer["taken"], twelve.counts()) == (7, (6, 0))
    listed = cli.json("restore", twelve.name)
    for each in listed:
        valid("dlq-archived", each)
    assert sum(each["letters"] for each in listed) == 7
    assert listed[0]["expires_in_s"] == pytest.approx(30 * 86_400, abs=60)
    [back] = cli.json("restore", twelve.name, "--yes", *WHY)
    valid("dlq-restored", back)
    assert (back["restored"], twelve.counts()) == (7, (13, 0))
    after = {each["Body"]: each.get("MessageAttributes") for each in twelve.content()}
    assert sum((found or {}).pop(RESTORED, None) is not None for found in after.values()) == 7
    after = {body: found or None for body, found in after.items()}
    assert {body: after[body] for body in before} == before
    assert cli.json("restore", twelve.name, exits=3) == []
    for command in (("archive", twelve.name), ("purge", twelve.name, "--confirm", twelve.name)):
        [nothing] = cli.json(*command, "--error", "Nobody", "--yes", *WHY, exits=3)
        valid("dlq-taken", nothing)
        assert (nothing["dry_run"], nothing["planned"]) == (False, 0)


def test_a_letter_that_sqs_moved_can_still_go_home_after_the_archive(ground: Ground, cli: Lines, archive: str) -> None:
    ground.die({"a": 1})
    cli("dlq", "archive", ground.name, "--yes", *WHY)
    cli("dlq", "restore", ground.name, "--yes", *WHY)
    [letter] = cli.json("list", ground.name)
    assert (letter["shape"], letter["destination"]) == ("sqs", ground.arn_of(ground.source))


def test_an_archive_without_a_bucket_is_wrong_usage(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "archive", twelve.name, "--yes", *WHY, exits=2)
    assert twelve.counts() == (12, 0)


def test_a_purge_wants_the_very_name_of_the_queue(twelve: Ground, cli: Lines) -> None:
    assert "would purge 12" in cli("dlq", "purge", twelve.name).stdout
    cli("dlq", "purge", twelve.name, "--yes", stdin="", exits=5)
    cli("dlq", "purge", twelve.name, "--yes", "--confirm", twelve.name[:-1], *WHY, exits=5)
    cli("dlq", "purge", twelve.name, "--yes", "--confirm", twelve.name, exits=2)
    assert twelve.counts() == (12, 0)
    [answer] = cli.json("purge", twelve.name, "--error", "SignatureError", "--yes", "--confirm", twelve.name, *WHY)
    assert (answer["taken"], twelve.counts()) == (3, (9, 0))
    cli("dlq", "purge", twelve.name, "--yes", "--confirm", twelve.name, *WHY)
    assert twelve.counts() == (0, 0)


def test_editing_is_off_until_somebody_allows_it(twelve: Ground, cli: Lines) -> None:
    [letter, *_] = cli.json("list", twelve.name)
    answer = cli("dlq", "edit", twelve.name, letter["id"], "--yes", *WHY, exits=5)
    assert "DLQ_EDIT_ENABLED" in answer.stderr
    [entry] = cli.audit()
    assert (entry["command"], entry["outcome"]) == ("edit", "refused")


def test_an_edited_letter_is_a_new_message_and_the_original_is_archived(
    ground: Ground, cli: Lines, archive: str
) -> None:
    cli.environment["DLQ_EDIT_ENABLED"] = "true"
    ground.park({"order": "wrong-secret"})
    [letter] = cli.json("list", ground.name)
    mended = cli.home / "mended.json"
    mended.write_text('{"order": "right"}\n')
    edit = ("edit", ground.name, letter["id"], "--body-file", str(mended))
    [dry] = cli.json(*edit)
    assert (dry["dry_run"], ground.counts()) == (True, (1, 0))
    [answer] = cli.json(*edit, "--yes", *WHY)
    valid("dlq-edited", answer)
    [arrived] = ground.content(ground.source)
    lineage = json.loads(arrived["MessageAttributes"][REPLAY]["StringValue"])
    assert (arrived["Body"], arrived["MessageId"] == letter["id"]) == ('{"order": "right"}', False)
    assert (lineage["edited_from"], lineage["idempotency_key"]) == (letter["id"], letter["idempotency_key"])
    assert ground.counts() == (0, 0)
    assert [each["letters"] for each in cli.json("restore", ground.name)] == [1]
    [begun, entry] = cli.audit()
    assert (begun["outcome"], begun["ids"]) == ("begun", [letter["id"]])
    assert {*entry["digests"]} == {"before", "after"}
    assert "right" not in json.dumps(entry)
    assert "wrong-secret" not in json.dumps(entry)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"reminderId": ""}', "must have 1 characters or more"),
        ("no json", "not JSON"),
        ('{"dueAt": "never"}', "missing"),
    ],
)
def test_a_body_that_the_worker_would_refuse_is_not_sent(
    body: str, why: str, ground: Ground, cli: Lines, archive: str
) -> None:
    cli.environment["DLQ_EDIT_ENABLED"] = "true"
    target = ground.aws.queue("reminders")
    ground.park({"reminderId": "r-1"})
    [letter] = cli.json("list", ground.name)
    mended = cli.home / "mended.json"
    mended.write_text(body)
    edit = ("edit", ground.name, letter["id"], "--body-file", str(mended), "--to", target.rpartition("/")[2])
    answer = cli("dlq", *edit, "--yes", *WHY, exits=5)
    assert "would refuse" in answer.stderr or "not JSON" in answer.stderr
    assert why in answer.stderr
    assert (ground.counts(), ground.counts(target)) == ((1, 0), (0, 0))


@pytest.mark.usefixtures("archive")
def test_letters_mended_by_a_script_are_replayed_from_a_plan(twelve: Ground, cli: Lines) -> None:
    cli.environment["DLQ_EDIT_ENABLED"] = "true"
    file = cli.home / "letters.jsonl"
    cli("dlq", "export", twelve.name, "--error", "SignatureError", "-o", str(file), *WHY)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        valid("dlq-record", line)
        line["body"] = json.dumps({**json.loads(line["body"]), "mended": True})
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    [planned] = cli.json("import", twelve.name, str(file), "-o", cli.plan())
    valid("dlq-planned", planned)
    valid("dlq-plan", json.loads(Path(cli.plan()).read_text()))
    cli("dlq", "replay", cli.plan(), "--yes", *WHY)
    arrived = twelve.content(twelve.source)
    assert [json.loads(each["Body"])["mended"] for each in arrived] == [True, True, True]
    assert all("edited_from" in each["MessageAttributes"][REPLAY]["StringValue"] for each in arrived)
    assert twelve.counts() == (9, 0)


def test_an_export_without_a_reason_shows_nothing(twelve: Ground, cli: Lines) -> None:
    assert cli("dlq", "export", twelve.name, exits=2).stdout == ""


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("source", ["file", "-"])
def test_the_bytes_of_a_new_body_are_kept_but_for_one_line_end(source: str, ground: Ground, cli: Lines) -> None:
    cli.environment["DLQ_EDIT_ENABLED"] = "true"
    ground.park({"n": 1})
    [letter] = cli.json("list", ground.name)
    file, body = cli.home / "body", '{"n":\r\n 2,\r\n\r\n "ü": 3}\r\n'
    file.write_bytes(body.encode())
    given = str(file) if source == "file" else "-"
    words = ("edit", ground.name, letter["id"], "--body-file", given, "--to", ground.source, "--yes", *WHY)
    cli("dlq", *words, stdin=body if source == "-" else None)
    [arrived] = ground.content(ground.source)
    assert arrived["Body"] == body.removesuffix("\r\n")


def test_a_new_body_that_is_not_utf_8_is_wrong_usage(ground: Ground, cli: Lines) -> None:
    cli.environment["DLQ_EDIT_ENABLED"] = "true"
    ground.park({"n": 1})
    [letter] = cli.json("list", ground.name)
    (cli.home / "body").write_bytes(b'{"n": "\xff"}')
    answer = cli("dlq", "edit", ground.name, letter["id"], "--body-file", str(cli.home / "body"), exits=2)
    assert "not UTF-8: byte 7" in answer.stderr


@pytest.mark.parametrize(
    ("field", "value"),
    [("attributes", {}), ("group", "g"), ("sent_at", 1.0), ("moved_from", "arn:aws:sqs:us-east-1:000000000000:other")],
)
def test_an_import_that_changes_more_than_bodies_is_refused(field: str, value: Any, twelve: Ground, cli: Lines) -> None:
    cli.environment["DLQ_EDIT_ENABLED"] = "true"
    file = cli.home / "letters.jsonl"
    cli("dlq", "export", twelve.name, "--error", "SignatureError", "-o", str(file), *WHY)
    first, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in [{**first, field: value}, *lines]))
    refused = cli("dlq", "import", twelve.name, str(file), "-o", cli.plan(), exits=5)
    assert f"{first['id']}: {field} of a letter cannot be changed" in refused.stderr
    file.write_text(f"{json.dumps(first)}\n" * 2)
    assert "is there twice" in cli("dlq", "import", twelve.name, str(file), "-o", cli.plan(), exits=1).stderr
    assert not Path(cli.plan()).exists()


def test_an_import_of_changed_bodies_needs_the_setting(twelve: Ground, cli: Lines) -> None:
    file = cli.home / "letters.jsonl"
    cli("dlq", "export", twelve.name, "--error", "SignatureError", "-o", str(file), *WHY)
    file.write_text(file.read_text().replace("t3", "t4"))
    assert "DLQ_EDIT_ENABLED" in cli("dlq", "import", twelve.name, str(file), "-o", cli.plan(), exits=5).stderr
    assert not Path(cli.plan()).exists()
