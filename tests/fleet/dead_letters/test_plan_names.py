"""A plan is its id, and not the name of its file: renamed, copied or linked, it sends its letters once."""

import json
import shutil
from pathlib import Path

import pytest

from fleet.dead_letters.queue_lock import held
from fleet.dead_letters.replay.journal import is_held, journal_path, opened
from tests.fleet.dead_letters.conftest import Ground, Lines

ACT = ("--yes", "--reason", "because")


@pytest.fixture
def plan(ground: Ground, cli: Lines) -> Path:
    ground.park({"n": 1}, {"n": 2})
    test_queue = ground.aws.queue("test")
    cli("dlq", "plan", ground.name, "--keep", "--to", test_queue, "-o", cli.plan())
    return Path(cli.plan())


def plan_id(plan: Path) -> str:
    return str(json.loads(plan.read_bytes())["plan_id"])


def test_a_copy_of_a_plan_that_was_begun_is_refused_and_says_where_its_journal_is(plan: Path, cli: Lines) -> None:
    [first] = cli.json("replay", str(plan), *ACT)
    assert first["sent"] == 2
    other = str(shutil.copy(plan, cli.home / "copy"))
    for words in (("replay", other), ("replay", other, *ACT), ("resume", other, *ACT)):
        refused = cli("dlq", *words, exits=5)
        assert f"begun as {plan}" in refused.stderr
        assert (
            f"Move {journal_path(plan, plan_id(plan))} to {journal_path(Path(other), plan_id(plan))}" in refused.stderr
        )
    journal_path(plan, plan_id(plan)).rename(journal_path(Path(other), plan_id(plan)))
    [result] = cli.json("resume", other, *ACT)
    assert (result["sent"], result["sent_twice"]) == (2, 0)


@pytest.mark.parametrize("keep", ["before", "cut short"])
def test_an_older_copy_of_a_journal_is_refused_by_what_the_audit_log_knows(plan: Path, cli: Lines, keep: str) -> None:
    journal = journal_path(plan, plan_id(plan))
    cli("dlq", "replay", str(plan), *ACT)
    lines = journal.read_bytes().splitlines(keepends=True)
    if keep == "cut short":  # the newest run was killed: the log knows of its beginning alone
        log = cli.home / "audit.jsonl"
        log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
        (cli.home / "audit.jsonl.head").write_text(json.loads(log.read_bytes())["hash"])
    journal.write_bytes(b"".join(lines[:2] if keep == "before" else []))
    for words in (("replay", str(plan)), ("resume", str(plan), *ACT)):
        refused = cli("dlq", *words, exits=5).stderr
        assert f"{journal} is an older copy of this plan's journal" in refused, lines
    journal.write_bytes(b"".join(lines))
    assert cli.json("resume", str(plan), *ACT)[0]["sent"] == 2


def test_a_run_that_could_not_be_written_into_the_audit_log_makes_no_journal_old(plan: Path, cli: Lines) -> None:
    log = cli.home / "audit.jsonl"
    log.mkdir()
    cli("dlq", "replay", str(plan), *ACT, exits=5)
    log.rmdir()
    [result] = cli.json("replay", str(plan), *ACT)
    assert result["sent"] == 2


def test_a_link_to_a_plan_is_the_plan(plan: Path, cli: Lines) -> None:
    link = cli.home / "link"
    link.symlink_to(plan)
    cli("dlq", "replay", str(link), *ACT)
    assert "was carried out" in cli("dlq", "replay", str(plan), *ACT, exits=5).stderr
    with opened(plan, plan_id(plan), now=lambda: 0.0):
        assert is_held(link)


def test_two_files_of_one_plan_have_one_runner(plan: Path, cli: Lines) -> None:
    with held(cli.home / "state" / "fleet", f"plan:{plan_id(plan)}"):
        assert "another command is at work" in cli("dlq", "replay", str(plan), *ACT, exits=5).stderr
    assert not journal_path(plan, plan_id(plan)).exists()


def test_the_journal_of_another_plan_is_not_taken_for_its_own(plan: Path, cli: Lines) -> None:
    journal_path(plan, plan_id(plan)).write_text('{"at":1.0,"run":1,"plan_id":"another"}\n')
    assert "is the journal of another plan, another" in cli("dlq", "resume", str(plan), *ACT, exits=5).stderr
