"""Everything that people change is written down, and nobody can change what is written."""

import json
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.dead_letters.audit.log import AuditLog, Entry
from fleet.dead_letters.replay.journal import opened
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.schemas import valid

WHY = ("--reason", "because")


def test_every_mutation_leaves_its_record(twelve: Ground, cli: Lines, aws: Aws) -> None:
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    mended = cli.home / "mended.json"
    mended.write_text("{}")
    cli("dlq", "plan", twelve.name, "--error", "SignatureError", "-o", cli.plan())
    cli("dlq", "cancel", cli.plan(), "--yes", *WHY, exits=5)
    cli("dlq", "replay", cli.plan(), "--yes", *WHY)
    cli("dlq", "archive", twelve.name, "--limit", "2", "--yes", *WHY)
    cli("dlq", "restore", twelve.name, "--yes", *WHY)
    [letter, *_] = cli.json("list", twelve.name)
    cli("dlq", "edit", twelve.name, letter["id"], "--body-file", str(mended), "--yes", *WHY)
    cli("dlq", "purge", twelve.name, "--yes", "--confirm", twelve.name, *WHY)
    answer = cli.audit()
    for entry in answer:
        valid("dlq-audit", entry)
        assert (entry["who"], entry["reason"], entry["queue"]) == ("tester", "because", twelve.name)
    assert [(each["command"], each["outcome"]) for each in answer] == [
        ("cancel", "refused"),
        ("replay", "begun"),
        ("replay", "done"),
        ("archive", "begun"),
        ("archive", "done"),
        ("restore", "begun"),
        ("restore", "done"),
        ("edit", "begun"),
        ("edit", "done"),
        ("purge", "begun"),
        ("purge", "done"),
    ]
    assert [len(each["ids"]) for each in answer] == [0, 3, 3, 2, 2, 2, 2, 1, 1, 8, 8]
    assert answer[2]["counts"]["sent"] == 3
    verified = cli("audit", "verify", "--json")
    assert verified.exit_code == 0


def test_refused_and_failed_mutations_are_recorded_as_well(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "--to", "nowhere", "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), "--yes", *WHY, exits=5)
    cli("dlq", "purge", twelve.name, "--yes", "--confirm", "wrong", *WHY, exits=5)
    cli("dlq", "archive", twelve.name, "--yes", "--bucket", "no-such-bucket-here", *WHY, exits=1)
    assert [(each["command"], each["outcome"]) for each in cli.audit()] == [
        ("replay", "refused"),
        ("purge", "refused"),
        ("archive", "begun"),
        ("archive", "failed"),
    ]
    assert twelve.counts() == (12, 0)


@pytest.mark.slow
def test_what_is_refused_of_a_live_queue_or_one_that_is_not_there_is_recorded(twelve: Ground, cli: Lines) -> None:
    live = twelve.source.rpartition("/")[2]
    for queue, outcome, exits in ((live, "refused", 5), ("no-such-queue", "failed", 1)):
        for words in (
            ("purge", queue, "--confirm", queue, "--yes"),
            ("archive", queue, "--bucket", "any", "--yes"),
            ("restore", queue, "--bucket", "any", "--yes"),
            ("edit", queue, "some-id", "--yes"),
            ("export", queue),
            ("show", queue, "some-id", "--reveal"),
        ):
            cli("dlq", *words, *WHY, exits=exits, DLQ_EDIT_ENABLED="true")
            newest = cli.audit()[-1]
            assert newest["command"].startswith(words[0])
            assert (newest["queue"], newest["outcome"], newest["reason"]) == (queue, outcome, "because")
    cli("dlq", "show", twelve.name, "some-id", "--reveal", *WHY, exits=3)
    assert (cli.audit()[-1]["outcome"], cli.audit()[-1]["ids"], len(cli.audit())) == ("failed", ["some-id"], 13)
    assert twelve.counts() == (12, 0)


def test_a_purge_can_be_shown_by_its_id(twelve: Ground, cli: Lines) -> None:
    [told] = cli.json("purge", twelve.name, "--limit", "2", "--confirm", twelve.name, "--yes", *WHY)
    valid("dlq-taken", told)
    assert "taken 2" in cli("audit", "show", told["purge_id"]).stdout


@pytest.mark.slow
def test_what_cannot_be_recorded_does_not_happen(twelve: Ground, cli: Lines, aws: Aws) -> None:
    """A full disk: the log is a device that takes no byte."""
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    cli("dlq", "plan", twelve.name, "--error", "ConnectTimeout", "-o", cli.plan())
    cli("dlq", "archive", twelve.name, "--error", "SignatureError", "--yes", *WHY)
    mended = cli.home / "mended.json"
    mended.write_text("{}")
    [letter, *_] = cli.json("list", twelve.name)
    cli.environment["DLQ_AUDIT_LOG"] = "/dev/full"
    for mutation in (
        ("replay", cli.plan()),
        ("archive", twelve.name),
        ("restore", twelve.name),
        ("edit", twelve.name, letter["id"], "--body-file", str(mended)),
        ("purge", twelve.name, "--confirm", twelve.name),
    ):
        answer = cli("dlq", *mutation, "--yes", *WHY, exits=5)
        assert "nothing was done: the audit log /dev/full cannot be written" in answer.stderr
        assert (twelve.counts(), twelve.counts(twelve.source)) == ((9, 0), (0, 0))


def test_bodies_are_exported_only_once_that_is_on_the_disk(twelve: Ground, cli: Lines) -> None:
    file = cli.home / "letters"
    refused = cli("dlq", "export", twelve.name, "-o", str(file), *WHY, exits=5, DLQ_AUDIT_LOG="/dev/full")
    assert ("nothing was done: the audit log" in refused.stderr, file.exists()) == (True, False)
    assert cli("dlq", "export", twelve.name, *WHY, exits=5, DLQ_AUDIT_LOG="/dev/full").stdout == ""


def test_a_cancel_that_cannot_be_recorded_stops_nobody(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "-o", cli.plan())
    plan_id = json.loads(Path(cli.plan()).read_bytes())["plan_id"]
    with opened(Path(cli.plan()), plan_id, now=time.time):
        cli("dlq", "cancel", cli.plan(), "--yes", *WHY, exits=5, DLQ_AUDIT_LOG="/dev/full")
    assert not [*cli.home.glob("*.cancel")]


def log(path: Path, lines: int = 3) -> AuditLog:
    made = AuditLog(path, now=lambda: "2026-11-21T09:00:00.000+00:00")
    for number in range(lines):
        made.append(Entry("replay", "dlq", f"reason {number} ü", "done", "somebody", ids=["m-1"], counts={"sent": 1}))
    return made


def test_a_line_that_the_disk_took_in_part_is_cut_off_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = log(path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            made.append(Entry("purge", "dlq", "why", "begun", "somebody"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert made.verify() == (3, [])


def test_a_flipped_byte_anywhere_in_a_line_is_found_and_the_line_named(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = log(path)
    content = path.read_bytes()
    assert made.verify() == (3, [])
    start = content.index(b"\n") + 1
    for place in range(start, content.index(b"\n", start) + 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        faults = made.verify()[1]
        assert faults
        assert faults[0].line == 2


def test_the_command_ends_with_1_and_names_the_line(tmp_path: Path, cli: Lines) -> None:
    path = tmp_path / "audit.jsonl"
    log(path)
    assert cli("audit", "verify").stdout == "3 lines, all as they were written\n"
    path.write_bytes(path.read_bytes().replace(b"reason 1", b"reason 7"))
    assert f"{path}:2: the line was edited" in cli("audit", "verify", exits=1).stdout


Change = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[1], lines[0], lines[2]],
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[2]],
        lambda lines: lines[:2],
        lambda lines: [*lines, lines[2]],
        lambda lines: lines[:0],
    ],
    ids=["swapped", "first removed", "middle removed", "last removed", "repeated", "emptied"],
)
def test_a_removed_or_moved_line_is_found(change: Change, tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = log(path)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    assert made.verify()[1]


def test_a_line_longer_than_a_block_is_still_the_one_that_is_chained_to(tmp_path: Path) -> None:
    made = log(tmp_path / "log", 1)
    made.append(Entry("purge", "dlq", "x" * 50_000, "done", "somebody"))
    made.append(Entry("purge", "dlq", "again", "done", "somebody"))
    assert made.verify() == (3, [])


def test_two_at_once_do_not_break_the_chain(tmp_path: Path) -> None:
    threads = [threading.Thread(target=log, args=(tmp_path / "log", 20)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log(tmp_path / "log", 0).verify() == (80, [])


def test_nothing_is_changed_where_the_log_was_damaged(twelve: Ground, cli: Lines) -> None:
    path = cli.home / "audit.jsonl"
    log(path)
    path.write_bytes(path.read_bytes()[:-20])
    answer = cli("dlq", "purge", twelve.name, "--yes", "--confirm", twelve.name, *WHY, exits=5)
    assert "damaged" in answer.stderr
    assert twelve.counts() == (12, 0)


@pytest.mark.parametrize("kept", [0, 3], ids=["the first line", "a later one"])
def test_what_a_power_cut_left_of_a_line_is_named_and_cut_off_by_the_next(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = log(path, kept)
    path.write_bytes((path.read_bytes() if kept else b"") + b'{"version":1,"seq":')
    assert [fault.line for fault in made.verify()[1]] == [kept + 1]
    assert made.is_sound_at_its_end()
    log(path, 1)
    assert made.verify() == (kept + 1, [])


def test_a_head_that_cannot_be_read_is_damage_in_words(tmp_path: Path) -> None:
    made = log(tmp_path / "log")
    (tmp_path / "log.head").write_bytes(b"\xff\x00")
    assert not made.is_sound_at_its_end()
    assert made.verify()[1]
    assert len(made.records()) == 3


def test_a_device_is_no_log(cli: Lines) -> None:
    for words in (("verify",), ("show", "x"), ("anchor",)):
        answer = cli("audit", *words, "--file", "/dev/null", exits=1)
        assert "/dev/null is not a plain file" in answer.stdout + answer.stderr


def test_a_log_that_was_taken_away_is_missed(tmp_path: Path) -> None:
    made = log(tmp_path / "log")
    (tmp_path / "log").unlink()
    [fault] = made.verify()[1]
    assert fault.why.endswith("the whole log is missing")
    assert not made.is_sound_at_its_end()


def test_a_kill_between_a_line_and_its_head_does_not_lock_the_log(tmp_path: Path) -> None:
    made = log(tmp_path / "log", 2)
    head = (tmp_path / "log.head").read_text()
    log(tmp_path / "log", 1)
    (tmp_path / "log.head").write_text(head)
    assert made.verify() == (3, [])
    assert made.is_sound_at_its_end()
    log(tmp_path / "log", 1)
    assert made.verify() == (4, [])
