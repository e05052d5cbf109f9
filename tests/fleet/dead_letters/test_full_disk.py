"""A disk that is full takes a part of what is written: nothing half written is read as a fact, and what stops says why."""

import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleet.dead_letters.replay import journal as journals
from fleet.dead_letters.replay.journal import JournalLost, folded, journal_path
from tests.fleet.dead_letters.conftest import FLEET, Ground, Lines

pytestmark = pytest.mark.slow  # the whole command on the emulator, some seconds a story

ACT = ("--yes", "--reason", "because")


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process grows above `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_of_the_journal_that_the_disk_took_in_part_is_cut_off_again(tmp_path: Path) -> None:
    plan = tmp_path / "p"
    with journals.opened(plan, "plan-id", now=time.time) as journal:
        journal.begin("somebody", "why")
        journal.note("sent", ["m-1"], step=1)
        size = journal_path(plan, "plan-id").stat().st_size
        with room_for(size + 30), pytest.raises(JournalLost, match="cannot be written"):
            journal.note("sent", ["m-2"], step=1)
        assert journal_path(plan, "plan-id").stat().st_size == size
        journal.note("sent", ["m-3"], step=1)
    assert folded(journal_path(plan, "plan-id").read_bytes()).sent == {"m-1", "m-3"} == journal.progress.sent


@pytest.mark.parametrize(("room", "sends"), [(10, False), (1500, True)], ids=["before the first send", "meanwhile"])
def test_a_replay_whose_journal_cannot_be_written_stops_in_words(
    room: int, ground: Ground, cli: Lines, *, sends: bool
) -> None:
    ground.park(*({"n": number} for number in range(60)))
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    plan_id = json.loads(Path(cli.plan()).read_bytes())["plan_id"]
    journal = journal_path(Path(cli.plan()), plan_id)
    journal.write_text("{}\n" * 2000)  # what else is written fits
    with room_for(6000 + room):
        stopped = cli("dlq", "replay", cli.plan(), *ACT, exits=5)
    assert f"the journal {journal} cannot be written" in stopped.stderr
    assert cli.audit()[-1]["outcome"] == "failed"
    if not sends:
        assert (ground.counts(), ground.counts(ground.source)) == ((60, 0), (0, 0))
        return
    assert ground.counts()[1] == 0
    cli("dlq", "resume", cli.plan(), *ACT)
    assert (ground.counts(), 60 <= ground.counts(ground.source)[0] <= 70) == ((0, 0), True)


def test_a_plan_or_export_that_does_not_fit_leaves_the_file_as_it_was(ground: Ground, cli: Lines) -> None:
    ground.park(*({"n": number} for number in range(20)))
    plan, export = cli.home / "p", cli.home / "export"
    export.write_text("before")
    for words in (
        ("plan", ground.name, "-o", str(plan)),
        ("export", ground.name, "-o", str(export), "--reason", "why"),
    ):
        with room_for(2500):
            full = cli("dlq", *words, exits=1)
        assert "File too large" in full.stderr
    assert (plan.exists(), export.read_text()) == (False, "before")
    assert not [*cli.home.glob("*.new")]


@pytest.mark.parametrize("output", ["-", "/dev/full"])
def test_an_export_to_a_full_device_is_not_recorded_as_done(output: str, ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(
            [str(FLEET), "dlq", "export", ground.name, "--reason", "why", "-o", output],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **cli.environment},
            timeout=60,
            check=False,
        )
    assert (told.returncode, "Traceback" in told.stderr) == (1, False), told.stderr
    assert [entry["outcome"] for entry in cli.audit()] == ["begun", "failed"]
