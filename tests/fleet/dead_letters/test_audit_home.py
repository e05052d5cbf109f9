"""The audit log has one home, may have a second, and its head can be kept elsewhere."""

import json
from pathlib import Path

import pytest

from fleet.dead_letters.audit.log import Anchor, AuditLog, Entry
from fleet.dead_letters.queues.archive import Archive
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.schemas import valid

ACT = ("--yes", "--reason", "because")


def log(path: Path, lines: int = 3) -> AuditLog:
    made = AuditLog(path, now=lambda: "2026-11-21T09:00:00.000+00:00")
    for number in range(lines):
        made.append(Entry("replay", "dlq", f"reason {number}", "done", "somebody", plan_id=f"plan-{number}"))
    return made


@pytest.fixture
def home(tmp_path: Path) -> Lines:
    """A command line that needs no AWS; `home` is its user's home directory."""
    return Lines({"HOME": str(tmp_path), "XDG_STATE_HOME": "", "DLQ_AUDIT_LOG": "", "DLQ_ACTOR": "tester"}, tmp_path)


def test_without_a_setting_it_is_in_the_users_state_directory_whichever_directory_a_command_runs_in(
    home: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = home.home / ".local/state/fleet/dlq-audit.jsonl"
    monkeypatch.chdir(home.home)
    assert home("audit", "path").stdout == f"{expected}\n"
    state = home.home / "state"
    assert home("audit", "path", XDG_STATE_HOME=str(state)).stdout == f"{state}/fleet/dlq-audit.jsonl\n"
    assert home("audit", "path", XDG_STATE_HOME="state").stdout == f"{expected}\n"
    assert home("audit", "path", DLQ_AUDIT_LOG="/srv/audit.jsonl").stdout == "/srv/audit.jsonl\n"


def test_a_relative_path_would_be_another_log_in_another_directory(home: Lines) -> None:
    refused = home("audit", "path", DLQ_AUDIT_LOG="audit.jsonl", exits=2)
    assert "DLQ_AUDIT_LOG" in refused.stderr


def test_a_log_that_is_not_there_is_not_as_it_was_written(home: Lines) -> None:
    missing = home("audit", "verify", exits=1)
    assert "there is no audit log at" in missing.stdout
    [document] = [json.loads(line) for line in home("audit", "verify", "--json", exits=1).stdout.splitlines()]
    valid("dlq-audit-verified", document)
    assert not document["ok"]
    for words in (("show", "any"), ("anchor",)):
        assert "there is no audit log at" in home("audit", *words, exits=1).stderr


def test_a_history_that_was_written_anew_is_found_by_an_anchor(home: Lines) -> None:
    path = home.home / "log"
    log(path)
    anchor = home("audit", "anchor", "--file", str(path)).stdout.strip()
    log(path, 1)
    home("audit", "verify", "--file", str(path), "--anchor", anchor)
    path.unlink()
    path.with_name("log.head").unlink()
    log(path, 1)
    log(path, 4)
    home("audit", "verify", "--file", str(path))
    found = home("audit", "verify", "--file", str(path), "--anchor", anchor, exits=1)
    assert f"{path}:3: the line is not the one that was anchored" in found.stdout


@pytest.mark.parametrize("given", ["3", "x:" + "0" * 64, "3:abc", "-1:" + "0" * 64])
def test_an_anchor_that_is_not_one_is_wrong_usage(given: str, home: Lines) -> None:
    home("audit", "verify", "--anchor", given, exits=2)


def test_an_anchor_beyond_the_end_is_missed(tmp_path: Path) -> None:
    for seq in (0, 4):
        assert log(tmp_path / f"log-{seq}").verify(Anchor(seq, "0" * 64))[1]


def test_each_line_is_mirrored_under_its_anchor(ground: Ground, cli: Lines, aws: Aws) -> None:
    bucket = aws.bucket("mirror")
    ground.park({"a": 1})
    cli.environment["DLQ_AUDIT_MIRROR"] = f"s3://{bucket}/audit"
    cli("dlq", "purge", ground.name, "--confirm", ground.name, *ACT)
    keys = [each["Key"] for each in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    lines = [aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    assert b"".join(lines) == (cli.home / "audit.jsonl").read_bytes()
    anchor = cli("audit", "anchor").stdout.strip()
    assert keys[-1] == f"audit/{int(anchor.split(':')[0]):09}-{anchor.split(':')[1]}.json"


def test_what_the_mirror_does_not_take_does_not_happen(ground: Ground, cli: Lines) -> None:
    ground.park({"a": 1})
    cli.environment["DLQ_AUDIT_MIRROR"] = "s3://no-such-bucket-here/audit"
    refused = cli("dlq", "purge", ground.name, "--confirm", ground.name, *ACT, exits=5)
    assert "nothing was done" in refused.stderr
    assert "did not take the line" in refused.stderr
    assert ground.counts() == (1, 0)


def test_a_log_that_may_not_be_opened_refuses_the_mutation(ground: Ground, cli: Lines) -> None:
    ground.park({"a": 1})
    (cli.home / "folder").mkdir()
    refused = cli(
        "dlq",
        "purge",
        ground.name,
        "--confirm",
        ground.name,
        *ACT,
        exits=5,
        DLQ_AUDIT_LOG=str(cli.home / "folder"),
    )
    assert "nothing was done" in refused.stderr
    assert ground.counts() == (1, 0)


@pytest.mark.parametrize("mutation", [("purge",), ("archive", "--bucket", "any")], ids=lambda words: words[0])
def test_a_home_that_cannot_be_written_refuses_the_mutation(
    mutation: tuple[str, ...], ground: Ground, cli: Lines, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.park({"a": 1})
    monkeypatch.setattr("fleet.cli.dlq.put_away.opened_archive", lambda *_: Archive(aws.s3, bucket="any"))
    nowhere = {"XDG_STATE_HOME": "/proc/nowhere", "HOME": "/proc/nowhere", "DLQ_AUDIT_LOG": ""}
    confirmed = ("--confirm", ground.name) if mutation[0] == "purge" else ()
    refused = cli("dlq", *mutation, ground.name, *confirmed, *ACT, exits=5, **nowhere)
    assert "nothing was done: the state directory /proc/nowhere/fleet cannot be written" in refused.stderr
    assert ground.counts() == (1, 0)


def test_what_was_done_with_a_plan_is_shown_on_one_screen_and_as_json(twelve: Ground, cli: Lines) -> None:
    cli("dlq", "plan", twelve.name, "--error", "SignatureError", "-o", cli.plan())
    assert cli("audit", "show", cli.plan(), exits=1).stderr  # nothing was ever written down
    cli("dlq", "replay", cli.plan(), "--yes", "--reason", "secret is \x1b[31mback")
    plan_id = json.loads(Path(cli.plan()).read_bytes())["plan_id"]
    for given in (cli.plan(), plan_id, plan_id[:6]):
        [document] = [json.loads(line) for line in cli("audit", "show", given, "--json").stdout.splitlines()]
        valid("dlq-audit-shown", document)
        assert (document["plan_id"], document["queue"], document["who"]) == (plan_id, twelve.name, ["tester"])
        assert (document["outcome"], document["counts"]["sent"], len(document["ids"])) == ("done", 3, 3)
        assert [step["outcome"] for step in document["steps"]] == ["begun", "done"]
        assert document["log_ok"]
    screen = cli("audit", "show", plan_id).stdout
    assert len(screen.splitlines()) < 24
    assert all(word in screen for word in ("tester", "secret is \\x1b[31mback", "done", "sent 3", twelve.name))
    assert "no line about" in cli("audit", "show", "f" * 32, exits=3).stderr


def test_a_plan_without_an_end_says_so_and_a_changed_log_ends_with_1(home: Lines) -> None:
    path = home.home / "log"
    made = log(path, 1)
    made.append(Entry("replay", "dlq", "why", "begun", "somebody", plan_id="plan-0"))
    [document] = [json.loads(home("audit", "show", "plan-0", "--json", "--file", str(path)).stdout)]
    assert (document["outcome"], document["unfinished"]) == ("done", True)
    path.write_bytes(path.read_bytes().replace(b'"why"', b'"wHy"'))
    assert "NOT as it was written" in home("audit", "show", "plan-0", "--file", str(path), exits=1).stdout


def test_log_and_head_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    log(tmp_path / "log", 2)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {"log": 0o600, "log.head": 0o600}


def test_a_purge_whose_record_is_in_the_log_alone_tells_its_counts_and_what_failed(
    ground: Ground, cli: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.park({"a": 1}, {"a": 2})
    kept = AuditLog._write_head

    def full(log: AuditLog, line: bytes) -> None:
        if b'"outcome":"done"' in line:
            raise OSError(28, "No space left on device")
        kept(log, line)

    monkeypatch.setattr(AuditLog, "_write_head", full)
    told = cli("dlq", "purge", ground.name, "--confirm", ground.name, *ACT, exits=4)
    assert (told.stdout.partition(",")[0], ground.counts()) == ("2 letters purged", (0, 0))
    assert "audit.jsonl.head: No space left on device" in told.stderr
    assert cli.audit()[-1]["outcome"] == "done"
    monkeypatch.undo()
    cli("audit", "verify")
