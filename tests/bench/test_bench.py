"""The referee itself: same messages for all, and no run counts that lost or invented one."""

from typing import Literal

import pytest

from tests.bench.against import compared
from tests.bench.bodies import bare_nonce_of, body, nonce_of, nonces
from tests.bench.picture import picture
from tests.bench.plan import ROUNDS, Round, played, rows
from tests.bench.referee import Invalid, Run, _check
from tests.bench.report import figures, first, origin
from tests.bench.work import Task
from tests.sqs_server.running import sqs_server


@pytest.mark.parametrize(("kind", "size"), [("job", 400), ("s3", 900)])
def test_messages_are_as_large_as_they_are_said_to_be(kind: Literal["job", "s3"], size: int) -> None:
    for nonce in nonces(20):
        text = body(kind, nonce)
        assert abs(len(text.encode()) - size) <= 10
        assert nonce_of(kind, text) == bare_nonce_of(kind, text) == nonce


@pytest.mark.parametrize(
    ("received", "deleted", "handled", "more"),
    [(9, 10, 10, 0), (11, 10, 10, 0), (10, 9, 10, 0), (10, 10, 9, 0), (10, 10, 10, 1)],
)
def test_a_run_whose_counts_differ_is_invalid(received: int, deleted: int, handled: int, more: int) -> None:
    task = Task("raw_aiohttp", "", "", 10, 2, "bare", "job", 0.0, "")
    stats = {"messages": [{"kind": "receive", "count": received}, {"kind": "delete", "count": deleted}]}
    with pytest.raises(Invalid):
        _check(task, {"count": handled, "sum": sum(nonces(10)) + more}, stats)


def test_rows_are_medians_with_their_spread() -> None:
    runs = [Run("fleet", "bare", "job", 0.0, 100, cpu, 1.0, 1024, 0.2) for cpu in (0.003, 0.001, 0.002)]
    [row] = rows(runs, ("raw_aiohttp", "fleet"))
    assert [row.cpu_us, row.least, row.most] == pytest.approx([20, 10, 30])


def test_a_goal_that_is_missed_is_said_to_be() -> None:
    runs = [Run(name, "production", "job", 0.0, 100, cpu, 1.0, 1024, 0.2) for name, cpu in
            (("raw_aiohttp", 0.004), ("fleet", 0.006), ("aioboto3_good", 0.012))]  # fmt: skip
    found = {"production": rows(runs, ROUNDS[0].contestants)}
    text = figures(found, {}, {"messages": 100, "repetitions": 1, "date": "2026-11-21", "note": ""})
    assert "| production | at most 1.7 times the CPU of the raw loop | 1.50 | yes |" in text
    assert "16 pollers, batched deletes | 2.0 | **no** |" in text
    page = first(found, {}, {"date": "2026-11-21", "note": ""})
    assert page.startswith("![production setting, 400 B, no-op handler](performance/production.svg)\n\n| contestant |")
    assert "\n\nMedians of 2026-11-21.\n" in page
    assert page.endswith("| CPU of the road, of the raw loop's | 1.07 |  | 1.50 |")
    assert picture("a title", found["production"]).count("<rect") == 4


@pytest.mark.slow
def test_a_short_round_is_played_and_counts() -> None:
    which = Round("short", "a short round", "production", contestants=("raw_aiohttp", "fleet"))
    with sqs_server() as server:
        runs, faults = played(server, which, repetitions=1, messages=500, say=lambda _text: None)
    assert faults == []
    assert [each.contestant for each in runs] == ["raw_aiohttp", "fleet"]
    assert all(each.requests < 0.35 for each in runs)


def test_two_checkouts_are_compared_by_their_least_and_their_medians() -> None:
    assert compared([10.0, 30.0, 20.0], [5.0, 10.0, 50.0]).splitlines()[-1].split() == [
        "here",
        "/",
        "other",
        "least",
        "0.50",
        "median",
        "0.50",
    ]


def test_a_page_says_which_figures_are_of_another_run() -> None:
    about = {"taken": {"archive": "2026-11-20T10:00", "whole": "2026-11-21T10:00"}, "seconds": {"whole": 90.0},
             "failed": {"archive": "OSError: full"}}  # fmt: skip
    assert origin(about)[1] == (
        "All figures are of one run, 1.5 min, begun 2026-11-21T10:00, but for: archive (2026-11-20T10:00). "
        "Failed there: archive, OSError: full."
    )
