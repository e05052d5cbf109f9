"""A second plan over letters that an unfinished one sent leaves them, and says which plan it was."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from fleet.dead_letters.audit.log import Entry
from fleet.dead_letters.audit.story import before_own
from fleet.dead_letters.model.letter import MOST_NAMES, RESTORED, DeadLetter, names_of
from fleet.dead_letters.queue_lock import held, plan_lock
from fleet.dead_letters.replay.journal import journal_path, opened
from fleet.dead_letters.sent_before import sent_before
from shared.message.delivery import Attribute
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.fakes import DLQ, SOURCE

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


def test_a_plan_leaves_the_letters_that_another_one_is_at_work_on(killed: Path, ground: Ground, cli: Lines) -> None:
    """Its runner may be killed between a send and the deletion: the second one would send that letter once more."""
    second = planned(cli, ground.name, "a2", exits=4)
    plan_id = json.loads(killed.read_bytes())["plan_id"]
    with held(cli.home / "state/fleet", plan_lock(plan_id)):
        dry = cli("dlq", "replay", str(second), exits=4)
        assert dry.stderr.count(f"the plan {plan_id[:8]} of {killed} is at work on it") == 4
        assert cli.json("replay", str(second), *ACT, exits=4)[0]["sent"] == 0
    assert (cli.json("resume", str(second), *ACT, exits=4)[0]["sent"], ground.counts()) == (1, (3, 0))


@pytest.mark.slow
def test_a_letter_that_a_plan_sent_is_known_after_it_was_archived_and_restored(
    killed: Path, ground: Ground, cli: Lines
) -> None:
    """It has another id then; also where the plan, resumed, found it gone and is done."""
    cli.environment |= {"DLQ_EDIT_ENABLED": "true", "DLQ_ARCHIVE_BUCKET_NAME": ground.aws.bucket("archive")}
    for _ in range(2):
        cli("dlq", "archive", ground.name, *ACT)
        cli("dlq", "restore", ground.name, *ACT)
    for _ in range(2):
        planned(cli, ground.name, "a2", exits=4)
        assert cli.last.stderr.count(", before it was restored from the archive") == 3
        letters = json.loads((cli.home / "a2").read_bytes())["letters"]
        assert {len(each["earlier_ids"]) for each in letters} == {2}
        cli("dlq", "resume", str(killed), *ACT, exits=4)
    (cli.home / "body").write_text("{}")
    [sent, *_] = re.findall(r"left: (\S+): the plan", cli("dlq", "replay", str(cli.home / "a2"), exits=4).stderr)
    edited = cli("dlq", "edit", ground.name, sent, "--body-file", str(cli.home / "body"), *ACT, exits=5)
    assert "before it was restored" in edited.stderr
    assert cli.json("replay", str(cli.home / "a2"), *ACT, exits=4)[0]["sent"] == 1


def test_the_later_one_of_two_plans_that_begin_at_once_sees_the_other() -> None:
    first, second = line("begun"), {**line("begun"), "plan_id": "q"}
    seen = [before_own([first, second], name) for name in ("p", "q")]
    assert [[each["plan_id"] for each in lines] for lines in seen] == [[], ["p"]]
    assert sent_before(seen[1], {"m-1"}, but="q", at_work=lambda name: name == "p") == {
        "m-1": "the plan p is at work on it"
    }
    assert sent_before(seen[1], {"m-2"}, but="q", at_work=lambda _: True) == {}


def test_a_journal_tells_what_was_sent_and_not_deleted_and_of_restored_letters_what_was_ever_sent(
    tmp_path: Path,
) -> None:
    file, lines = tmp_path / "p", [{**line("begun"), "note": f"plan file {tmp_path / 'p'}"}]
    with opened(file, "p", now=time.time) as journal:
        journal.note("sent", ["m-1", "m-2"], step=1)
        journal.note("deleted", ["m-1"], step=1)
        journal.note("uncertain", ["m-3"], step=1)
        journal.note("sending", ["m-4"], step=1)
    ids = [f"m-{number}" for number in range(1, 6)]
    found = sent_before(lines, ids)
    assert [*found] == ["m-2", "m-3", "m-4"]
    assert "may have sent it, for it was killed before it could say so" in found["m-4"]
    assert [*sent_before(lines, [], earlier=ids)] == ["m-1", "m-2", "m-3", "m-4"]
    ended = [*lines, line("done", sent=2, deleted=2)]
    assert [*sent_before(ended, ids, earlier=["m-1"])] == ["m-1"]


def test_the_ids_of_a_restored_letter_are_believed_where_only_a_restore_could_write_them() -> None:
    def names(mark: Any, **fields: Any) -> tuple[str, ...]:
        written = {RESTORED: Attribute("String", json.dumps(mark))}
        return names_of(DeadLetter("m-9", "{}", attributes=written, **fields), DLQ)

    mark = {"queue": DLQ, "id": "m-1", "earlier": ["m-2", 7, "m-9", "m-1"]}
    assert names(mark) == ("m-1", "m-2", "m-9")
    assert names({**mark, "earlier": "m-2"}) == ("m-1", "m-9")
    assert len(names({**mark, "earlier": [f"n-{number}" for number in range(1_000)]})) == MOST_NAMES + 2
    odd: Any
    for odd in ([], {**mark, "queue": "other"}, {**mark, "id": ""}, {**mark, "id": 7}):
        assert names(odd) == ("m-9",)
    assert names(mark, moved_from=SOURCE) == ("m-9",)


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
