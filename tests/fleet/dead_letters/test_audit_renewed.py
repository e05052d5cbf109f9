"""A damaged audit log is told as it is, and there is a way out: it is closed, and a new one begins that says so."""

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from fleet.dead_letters.audit.log import AuditLog, Entry
from fleet.dead_letters.audit.renewal import renew
from fleet.dead_letters.queue_lock import held
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.test_audit import log

WHY = ("--reason", "the disk was replaced")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20] + b"\n")


def headless(path: Path) -> None:
    path.with_name(f"{path.name}.head").unlink()


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


DAMAGES = pytest.mark.parametrize("damage", [cut, headless, torn], ids=lambda each: str(each.__name__))


@pytest.fixture
def written(cli: Lines) -> Path:
    path = cli.home / "audit.jsonl"
    log(path)
    return path


@DAMAGES
def test_anchor_and_show_of_a_damaged_log_end_with_1_and_say_what_is_wrong(
    damage: Callable[[Path], None], written: Path, cli: Lines
) -> None:
    damage(written)
    [fault] = cli.log().verify()[1]
    assert fault.line == 3
    assert f"{written}:3: {fault.why}" in cli("audit", "verify", exits=1).stdout
    anchored = cli("audit", "anchor", exits=1)
    assert (anchored.stdout, f"{written}:3: {fault.why}" in anchored.stderr) == ("", True)
    assert "not as it was written (line 3" in cli("audit", "show", "any", exits=1).stderr


def test_a_missing_head_is_named_and_a_foreign_one_as_well(written: Path, cli: Lines) -> None:
    written.with_name("audit.jsonl.head").write_text("0123")
    assert "lines are missing after this one" in cli.log().verify()[1][0].why
    headless(written)
    assert ".head beside the log is missing" in cli.log().verify()[1][0].why


@DAMAGES
def test_a_damaged_log_is_closed_and_the_new_one_says_so_in_its_first_line(
    damage: Callable[[Path], None], written: Path, ground: Ground, cli: Lines
) -> None:
    ground.park({"n": 1})
    damage(written)
    purge = ("dlq", "purge", ground.name, "--confirm", ground.name, "--yes", "--reason", "x")
    if damage is not torn:  # of which nothing was done: the next line takes its place
        assert "`fleet audit renew` closes it" in cli(*purge, exits=5).stderr
    before = written.read_bytes()
    assert "would close" in cli("audit", "renew").stdout
    cli("audit", "renew", "--yes", exits=2)
    assert (written.read_bytes(), len([*cli.home.glob("audit.jsonl*")])) == (before, 1 + (damage is not headless))
    told = cli("audit", "renew", "--yes", *WHY).stdout
    [closed] = [each for each in cli.home.glob("audit.jsonl.closed-*") if each.suffix != ".head"]
    assert str(closed) in told
    assert closed.read_bytes() == before
    [first] = cli.audit()
    assert (first["command"], first["seq"], first["who"], first["reason"]) == ("audit renew", 1, "tester", WHY[1])
    assert f"begun after {closed.name}" in first["note"]
    cli("audit", "verify")
    cli(*purge)
    assert [each["outcome"] for each in cli.audit()] == ["done", "begun", "done"]
    assert f"--file {closed}" in cli("audit", "show", "any", exits=3).stderr


def test_a_log_that_was_taken_away_begins_anew_and_a_sound_one_does_not(written: Path, cli: Lines) -> None:
    refused = cli("audit", "renew", "--yes", *WHY, exits=5)
    assert "as it was written" in refused.stderr
    written.unlink()
    cli("audit", "renew", "--yes", *WHY)
    assert "the whole log is missing" in cli.audit()[0]["note"]
    written.unlink()
    written.with_name("audit.jsonl.head").unlink()
    assert "never was" in cli("audit", "renew", "--yes", *WHY, exits=5).stderr


def test_what_is_no_plain_file_is_not_closed_and_stays_what_it_is(cli: Lines) -> None:
    """Devices are such: whoever may write /dev could else put a file in the place of one."""
    pipe = cli.home / "pipe"
    os.mkfifo(pipe)
    refused = cli("audit", "renew", "--yes", *WHY, exits=5, DLQ_AUDIT_LOG=str(pipe))
    assert "is not a plain file" in refused.stderr
    assert (stat.S_ISFIFO(pipe.stat().st_mode), [*cli.home.glob("pipe?*")]) == (True, [])


def test_what_another_command_appends_meanwhile_is_in_the_new_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    damaged = log(path)
    headless(path)
    other = Thread(target=lambda: damaged.append(Entry("purge", "dlq", "x", "done", "somebody")))

    def fresh(place: Path) -> AuditLog:
        other.start()
        return AuditLog(place, now=lambda: "")

    closed = renew(path, damaged, fresh, who="tester", reason="x", at="2026-11-21T09:00:00.000")
    other.join()
    [first, second] = damaged.records()
    assert f"3 lines, SHA-256 {hashlib.sha256(closed.read_bytes()).hexdigest()}" in first["note"]
    assert (first["command"], second["command"], damaged.verify()[1]) == ("audit renew", "purge", [])
    torn(path)
    renew(path, damaged, lambda place: AuditLog(place, now=str), who="tester", reason="x", at="2026-11-22")
    assert damaged.verify() == (1, []), "its head is its own, and not the closed one's"


def test_a_second_renewal_at_the_same_time_is_refused(written: Path, cli: Lines) -> None:
    headless(written)
    with held(cli.home / "state/fleet", f"log:{written}"):
        assert "another command is at work" in cli("audit", "renew", "--yes", *WHY, exits=5).stderr


def test_a_plan_that_the_closed_log_knows_is_still_known(written: Path, ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    cli("dlq", "plan", ground.name, "--keep", "--to", ground.aws.queue("test"), "-o", cli.plan())
    cli("dlq", "replay", cli.plan(), "--yes", "--reason", "x")
    plan_id = json.loads(Path(cli.plan()).read_bytes())["plan_id"]
    headless(written)
    cli("audit", "renew", "--yes", *WHY)
    Path(f"{cli.plan()}.{plan_id[:8]}.journal").unlink()
    assert "this plan was begun" in cli("dlq", "replay", cli.plan(), exits=5).stderr
