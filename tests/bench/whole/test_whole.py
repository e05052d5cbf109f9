"""A message's whole work is measured on real processes, and the page says what was found beside what was aimed at."""

import pytest

from tests.bench.plan import Row
from tests.bench.whole.aims import aims, summed
from tests.bench.whole.concerns import CONCERNS
from tests.bench.whole.play import OURS, THEIRS, commands, cost


def run(concern: str, contestant: str, cpu_us: float) -> dict[str, object]:
    return {
        "concern": concern,
        "contestant": contestant,
        "cpu_us": cpu_us,
        "per_second": 1_000.0,
        "calls": 3.0,
        "sqs": 0.2,
    }


def test_what_was_found_stands_beside_what_is_aimed_at() -> None:
    costs = [run("upload", OURS, each) for each in (400.0, 500.0, 600.0)] + [run("upload", THEIRS, 2_500.0)]
    rows = {
        "production": [Row(name, cpu, cpu, cpu, 1.0, 0.2, 1, 1) for name, cpu in (("raw_lean", 30.0), ("fleet", 60.0))]
    }
    call = {"call": "DynamoDB GetItem", "aioboto3": 800.0, "aiodynamo": 200.0, "fast": 40.0}
    waits = {"per_second": 199.7, "p99_ms": 42.4}
    table = "\n".join(aims(rows, {"whole": {"costs": costs, "waits": waits}, "aws_calls": [call]}))
    assert "| CPU of the worker, upload | 3.7 ms | 0.40 ms | 0.50 ms |" in table
    assert "| the same, of aioboto3 by hand, upload |  | 0.25 | 0.20 |" in table
    assert "| receipt to browser, p99 at 200 uploads/s |  | 50 ms | 42 ms |" in table
    assert "| CPU of the road, of the leaner loop's | 1.7 | 1.0 | 2.00 |" in table
    assert "| the same, of aiodynamo's |  | 0.2 | 0.20 |" in table


def test_runs_of_one_process_are_summed_up_by_their_median() -> None:
    [found] = summed([run("upload", OURS, each) for each in (3.0, 1.0, 2.0)])
    assert (found.cpu_us, found.least, found.most, found.runs) == (2.0, 1.0, 3.0, 3)


def test_a_page_without_these_figures_has_no_table_of_them() -> None:
    assert aims({}, {}) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in CONCERNS if THEIRS in commands(each)])
def test_both_processes_do_the_whole_work_and_ours_costs_less(name: str) -> None:
    [concern] = [each for each in CONCERNS if each.name == name]
    made = {contestant: cost(concern, contestant, count=200) for contestant in commands(concern)}
    assert made[OURS].cpu_us < made[THEIRS].cpu_us
    assert made[OURS].calls <= made[THEIRS].calls
