"""A second plan over letters that an unfinished one sent leaves them, and says which plan it was."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from fleet.dead_letters.audit.log import Entry
from fleet.dead_letters.replay.journal import journal_path, opened
from fleet.dead_letters.sent_before import sent_before
from tests.fleet.dead_letters.conftest import Ground, Lines

ACT = ("--yes", "--reason", "because")


def planned(cli: Lines, queue: str, name: str, *, exits: int = 0) -> Path:
    cli("dlq", "plan", queue, "-o", str(cli.home / name), exits=exits)
    return cli.home / name


@pytest.fixture
def killed(ground: Ground, cli: Lines) -> Path:
    """A plan of four letters whose runner was killed: two were sent, of one the answer was lost, none was deleted."""
    ground.park(*({"n": number} for number in range(4)))
    plan = planned(cli, ground.name, "a1")
    document = json.loads(plan.read_bytes())
    ids = [each["id"] for each in document["letters"]]
    with opened(plan, document["plan_id"], now=time.time) as journal:
        journal.announce()
        note = f"plan file {plan}"
        cli.log().append(
            Entry("replay", ground.name, "x", "begun", "tester", ids, {"run": 1}, document["plan_id"], note)
        )
        journal.begin("tester", "x")
        journal.note("sent", ids[:2], step=1)
        journal.note("uncertain", ids[2:3], step=1)
    return plan


def test_plan_dry_run_and_replay_name_and_leave_what_another_plan_sent(
    killed: Path, ground: Ground, cli: Lines
) -> None:
    second = planned(cli, ground.name, "a2", exits=4)
    assert cli.last.stderr.count("sent it already and did not come to delete it") == 2
    assert cli.last.stderr.count("may have sent it, for the answer was lost") == 1
    assert f"`fleet dlq resume {killed}` goes on with it" in cli.last.stderr
    dry = cli("dlq", "replay", str(second), exits=4)
    assert (dry.stdout.splitlines()[0], dry.stderr.count("would be left")) == (
        f"would send 1 letters of {ground.name}",
        3,
    )
    [result] = cli.json("replay", str(second), *ACT, exits=4)
    assert (result["sent"], result["deleted"], result["failed"]) == (1, 1, 3)
    assert (ground.counts(ground.source), ground.counts()) == ((1, 0), (3, 0))
    assert cli.json("resume", str(second), "--twice", *ACT)[0]["sent"] == 4


def test_resume_of_the_first_says_that_its_letters_were_no_longer_there(
    killed: Path, ground: Ground, cli: Lines
) -> None:
    second = planned(cli, ground.name, "a2", exits=4)
    cli("dlq", "replay", str(second), "--twice", *ACT)
    [result] = cli.json("resume", str(killed), *ACT, exits=4)
    assert (result["sent"], result["deleted"], result["vanished"], result["gone"]) == (2, 0, 2, 2)
    assert "2 had been sent before, and were no longer here to be deleted" in cli.last.stderr
    assert cli.json("status", str(killed))[0]["state"] == "done"


def test_where_the_journal_is_gone_the_log_names_all_letters_of_a_plan_without_an_end(
    killed: Path, ground: Ground, cli: Lines
) -> None:
    plan_id = json.loads(killed.read_bytes())["plan_id"]
    journal_path(killed, plan_id).unlink()
    second = planned(cli, ground.name, "a2", exits=4)
    assert cli.last.stderr.count("may have sent it, and its journal is gone") == 4
    assert cli.json("replay", str(second), *ACT, exits=4)[0]["sent"] == 0


def test_edit_sends_no_mended_copy_of_a_letter_that_a_plan_sent(killed: Path, ground: Ground, cli: Lines) -> None:
    cli.environment |= {"DLQ_EDIT_ENABLED": "true", "DLQ_ARCHIVE_BUCKET_NAME": ground.aws.bucket("archive")}
    body = cli.home / "body"
    body.write_text("{}")
    sent, *_, never = [each["id"] for each in json.loads(killed.read_bytes())["letters"]]
    mended = ("--body-file", str(body), *ACT)
    refused = cli("dlq", "edit", ground.name, sent, *mended, exits=5)
    assert "nothing was sent: the plan" in refused.stderr
    cli("dlq", "edit", ground.name, never, *mended)
    cli("dlq", "edit", ground.name, sent, "--twice", *mended)
    assert ground.counts(ground.source) == (2, 0)


def line(outcome: str, **counts: int) -> dict[str, Any]:
    return {"command": "replay", "plan_id": "p", "outcome": outcome, "ids": ["m-1"], "counts": counts}


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([line("begun"), line("done", sent=1, deleted=1)], False),
        ([line("begun"), line("partly", sent=2, deleted=1, vanished=1)], False),
        ([line("begun"), line("partly", sent=1, deleted=0)], True),
        ([line("begun"), line("partly", sent=0, deleted=0, uncertain=1)], True),
        ([line("begun"), line("refused")], True),
        ([line("refused")], False),
        ([line("begun", kept=1), line("done", sent=1, deleted=0)], False),
    ],
)
def test_a_plan_without_a_journal_is_judged_by_its_newest_run(lines: list[dict[str, Any]], found: bool) -> None:  # noqa: FBT001
    assert bool(sent_before(lines, {"m-1"})) is found
    assert sent_before(lines, {"m-1"}, but="p") == sent_before(lines, {"m-2"}) == {}
