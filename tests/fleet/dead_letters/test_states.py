"""In which state a plan is, since when, what comes next; and what became of letters after they were sent."""

import json
import shlex
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay.journal import Journal, cancel_path
from tests.fleet.dead_letters.clockwork import Clockwork, clockwork
from tests.fleet.dead_letters.conftest import Ground, Lines
from tests.fleet.dead_letters.schemas import valid
from tests.fleet.dead_letters.worker import Worker

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

ACT = ("--yes", "--reason", "the endpoint is back")


def planned(ground: Ground, cli: Lines, *options: str, letters: int = 3) -> tuple[Path, str, list[str]]:
    """The plan's file, its id, and the ids of its letters."""
    ground.park(*({"order": number} for number in range(letters)))
    cli("dlq", "plan", ground.name, *options, "-o", cli.plan())
    plan = json.loads(Path(cli.plan()).read_text())
    return Path(cli.plan()), plan["plan_id"], [each["id"] for each in plan["letters"]]


def written(file: Path, plan_id: str, write: Callable[[Journal], None]) -> None:
    with journals.opened(file, plan_id, now=time.time) as journal:
        journal.begin("somebody", "why")
        write(journal)


def next_command(cli: Lines) -> list[str]:
    [result] = cli.json("status", cli.plan())
    valid("dlq-replay", result)
    return [word.replace("WHY", "because") for word in shlex.split(result["next"])[1:]]


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda _: None, "interrupted"),
        (lambda journal: journal.end("interrupted"), "interrupted"),
        (lambda journal: journal.end("cancelled"), "cancelled"),
        (lambda journal: journal.end("ended"), "unfinished"),
    ],
)
def test_a_run_that_did_not_finish_says_how_it_ended_when_and_what_goes_on_with_it(
    end: Callable[[Journal], None], state: str, ground: Ground, cli: Lines
) -> None:
    file, plan_id, _ = planned(ground, cli)
    written(file, plan_id, end)
    [result] = cli.json("status", cli.plan())
    assert result["state"] == state
    assert abs(datetime.fromisoformat(result["since"]).timestamp() - time.time()) < 60
    assert f"{state} since {datetime.now(UTC):%Y-%m-%d}" in cli("dlq", "status", cli.plan()).stdout
    cli(*next_command(cli))
    [result] = cli.json("status", cli.plan())
    assert (result["state"], result["next"], ground.counts()) == ("done", None, (0, 0))


def test_a_plan_that_was_not_begun_and_one_at_work_name_what_can_be_done(ground: Ground, cli: Lines) -> None:
    file, plan_id, _ = planned(ground, cli)
    assert cli.json("status", cli.plan())[0]["state"] == "not begun"
    assert next_command(cli)[:2] == ["dlq", "replay"]
    with journals.opened(file, plan_id, now=time.time) as journal:
        journal.begin("somebody", "why")
        [result] = cli.json("status", cli.plan())
        assert (result["state"], result["running"]) == ("running", True)
        cli(*next_command(cli))
    assert cancel_path(file, plan_id).exists()


def test_advice_about_a_file_can_be_pasted_into_a_shell(ground: Ground, cli: Lines) -> None:
    ground.park({"order": 1})
    file = f"{cli.plan()} of Ada's"
    told = cli("dlq", "plan", ground.name, "-o", file).stdout
    assert shlex.split(told.rpartition("look at it with: ")[2]) == ["fleet", "dlq", "replay", file]
    told = cli("dlq", "resume", file, *ACT, exits=5).stderr
    assert shlex.split(told.split("`")[1]) == ["fleet", "dlq", "replay", file]


def test_a_dry_run_refuses_what_would_be_refused(ground: Ground, cli: Lines) -> None:
    file, plan_id, _ = planned(ground, cli)
    for act in (), ACT:
        assert "never begun" in cli("dlq", "resume", cli.plan(), *act, exits=5).stderr
        assert "nobody is at work" in cli("dlq", "cancel", cli.plan(), *act, exits=5).stderr
    written(file, plan_id, lambda journal: journal.end("interrupted"))
    for act in (), ACT:
        assert f"fleet dlq resume {cli.plan()}" in cli("dlq", "replay", cli.plan(), *act, exits=5).stderr
    assert "would send 3 letters" in cli("dlq", "resume", cli.plan()).stdout
    cli("dlq", "resume", cli.plan(), *ACT)
    assert "was carried out" in cli("dlq", "replay", cli.plan(), exits=5).stderr


def test_a_replay_that_was_killed_before_it_was_begun_is_begun(ground: Ground, cli: Lines) -> None:
    file, plan_id, _ = planned(ground, cli)
    with journals.opened(file, plan_id, now=time.time):
        pass  # the kill comes here
    command = next_command(cli)
    assert command[:2] == ["dlq", "replay"]
    cli("dlq", "resume", cli.plan(), *ACT, exits=5)
    cli(*command)
    assert ground.counts() == (0, 0)


def test_after_a_bad_canary_the_advice_leads_on_and_not_in_a_circle(ground: Ground, cli: Lines) -> None:
    file, plan_id, [first, *_] = planned(ground, cli, "--canary", "1", "--watch", "20")

    def came_back(journal: Journal) -> None:
        journal.note("sent", [first], step=1)
        journal.note("returned", [first], step=1)
        journal.verdict(1, "bad")
        journal.end("ended")

    written(file, plan_id, came_back)
    assert cli.json("status", cli.plan())[0]["state"] == "stopped"
    anew = ["dlq", "plan", ground.name, "-o", cli.plan()]
    for command, act in product(("resume", "replay"), (ACT, ())):
        told = cli("dlq", command, cli.plan(), *act, exits=5).stderr.split("`")[1]
        assert shlex.split(told) == ["fleet", *anew]
    cli(*next_command(cli))
    cli(*anew)
    [result] = cli.json("replay", cli.plan(), *ACT)
    assert (result["sent"], result["state"]) == (3, "done")


def test_a_wish_to_cancel_that_came_too_late_stops_neither_this_plan_nor_the_next(ground: Ground, cli: Lines) -> None:
    file, plan_id, _ = planned(ground, cli)
    cancel_path(file, plan_id).touch()
    (file.parent / f"{file.name}.cancel").touch()
    [result] = cli.json("replay", cli.plan(), *ACT)
    assert (result["sent"], result["state"]) == (3, "done")


def test_letters_that_die_again_after_the_last_step_are_counted(ground: Ground, cli: Lines) -> None:
    planned(ground, cli, "--watch", "20", letters=20)
    with Worker(ground, broken=lambda body: json.loads(body)["order"] % 5 == 0):
        [result] = cli.json("replay", cli.plan(), *ACT, exits=4)
    assert (result["sent"], result["returned"], result["steps"][0]["verdict"]) == (20, 4, "bad")
    assert next_command(cli) == ["dlq", "groups", ground.name]


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Clockwork]:
    with clockwork(tmp_path) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["reset", "internal"])
def test_a_send_whose_answer_was_lost_is_made_once_and_counted(fault: str, works: Clockwork) -> None:
    works.park(40)
    plan = str(works.home / "p")
    works("dlq", "plan", works.name, "-o", plan)
    works.server.control.fault(fault, "SendMessageBatch", count=1, after=fault == "reset")
    result = json.loads(works("dlq", "replay", plan, *ACT, "--json", exits=4).stdout)
    assert (result["sent"], result["uncertain"], result["remaining"], result["state"]) == (30, 10, 0, "unfinished")
    assert works.counts(works.source) == (40 if fault == "reset" else 30, 0)
    result = json.loads(works("dlq", "resume", plan, *ACT, "--json").stdout)
    assert (result["sent"], result["deleted"], result["uncertain"], result["sent_twice"]) == (40, 40, 0, 10)
