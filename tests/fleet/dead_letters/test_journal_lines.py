"""A journal whose lines are not as they were written: said in words, and nothing is sent on its word."""

import json
from pathlib import Path

import pytest

from fleet.dead_letters.replay.journal import JournalUnreadable, folded, journal_path, opened, read
from tests.fleet.dead_letters.conftest import Ground, Lines

RUN = b'{"at":1.0,"run":1,"who":"a","reason":"b"}\n'
SENT = b'{"at":2.0,"state":"sent","step":1,"ids":["m-1"]}\n'
ODD = [
    ('{"at":"abc"}', "`at`"),
    ('{"at":null}', "`at`"),
    ('{"at":1e18}', "`at`"),
    ('{"at":1,"state":"sent","step":1,"ids":[["x"]]}', "`ids`"),
    ('{"at":1,"state":"failed","step":1,"ids":["x"],"why":3}', "`why`"),
    ("[1]", "no JSON object"),
]


@pytest.mark.parametrize(("line", "why"), ODD)
def test_a_line_with_something_else_in_it_is_named(line: str, why: str) -> None:
    with pytest.raises(JournalUnreadable, match=f"line 2: .*{why}"):
        folded(RUN + line.encode() + b"\n" + SENT)


def test_why_an_earlier_run_left_a_letter_is_not_told_of_one_that_is_gone_since() -> None:
    left = b'{"state":"failed","step":1,"ids":["m-1","m-2","m-3"],"why":{"m-1":"a","m-2":"b","m-3":"c"}}\n'
    later = b'{"state":"gone","step":1,"ids":["m-2"]}\n{"state":"replaced","step":1,"ids":["m-3"]}\n'
    assert folded(RUN + left + SENT + later).faults == {"m-3": "c"}


@pytest.mark.parametrize("lost", [SENT[:20] + b"\n", b"\x00\x00\n", b"sent m-1\n"])
def test_an_unreadable_line_in_the_middle_is_not_passed_over(lost: bytes) -> None:
    with pytest.raises(JournalUnreadable, match=r"line 2: the line cannot be read.*may tell of letters that were sent"):
        folded(RUN + lost + SENT)


@pytest.mark.parametrize("size", [1, 20, len(SENT) - 2])
@pytest.mark.parametrize("then", [b"", b"\n", b"\n" + RUN + SENT])
def test_a_line_that_a_kill_cut_counts_as_not_written(size: int, then: bytes) -> None:
    assert folded(RUN + SENT[:size] + then).sent == ({"m-1"} if SENT in then else set())


def test_a_journal_that_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    """A device has no end, and takes whatever is written."""
    journal = journal_path(tmp_path / "p", "plan-1")
    journal.symlink_to("/dev/null")
    with pytest.raises(JournalUnreadable, match="not a plain file"):
        read(journal)
    with pytest.raises(JournalUnreadable, match="not a plain file"), opened(tmp_path / "p", "plan-1", now=float):
        pass


def test_status_replay_and_resume_end_with_one_line_that_names_file_and_line(ground: Ground, cli: Lines) -> None:
    ground.park({"n": 1})
    cli("dlq", "plan", ground.name, "-o", cli.plan())
    plan_id = json.loads(Path(cli.plan()).read_bytes())["plan_id"]
    journal = journal_path(Path(cli.plan()), plan_id)
    journal.write_bytes(RUN + b'{"at":"abc"}\n')
    act = ("--yes", "--reason", "because")
    for words in (("status", cli.plan()), ("replay", cli.plan(), *act), ("resume", cli.plan(), *act)):
        told = cli("dlq", *words, exits=5)
        assert f"{journal}, line 2" in told.stderr
    assert ground.counts(ground.source) == (0, 0)
