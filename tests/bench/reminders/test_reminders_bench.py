"""The figures of reminders are taken by real processes, and what must hold on any machine holds; how long it took is not judged."""

import pytest

from tests.bench.reminders import tables
from tests.bench.reminders.play import Pushes, flood, killed, lateness, turn


def test_what_was_found_of_reminders_stands_beside_what_is_aimed_at() -> None:
    flooded = {"processes": 2, "reminders": 100_000, "tick_cpu": 2.5, "seconds": 175.04, "most": 600, "recipients": 99.5,
               "refused": 0, "twice": 0, "cpu_us": 480.0}  # fmt: skip
    kills = {"reminders": 10_000, "workers": 8, "kills": 20, "accepted": 10_000, "lost": 0, "twice": 7, "unmarked": 0,
             "more": 0, "dead": 0, "unknown": 3}  # fmt: skip
    late = {"reminders": 400, "pending": 50_000, "costly": 0, "early": 0, "median_ms": 700.0, "p99_ms": 900.0}
    rows = {"floods": [flooded], "killed": [kills], "lateness": [late, late | {"costly": 1_000}]}
    found = [*tables.lines(rows)]
    assert found[0][0] == "100,000 due in one second, by 2 processes: from due to the last at Expo"
    assert [each[2] for each in found[:3]] == ["175.0 s", "600, 0, 99.5", "0; 2.50 s, 480 us"]
    assert [each[2] for each in found[3:6]] == ["10,000, 0, 0", "3", "7, 0, 0"]
    assert found[7][1] == "p99 990 ms, early 0"


def test_the_fullest_second_is_found_wherever_it_begins() -> None:
    taken = [(0.0, 100), (0.9, 300), (1.0, 250), (1.8, 50), (1.95, 10)]
    assert Pushes.of({"taken": taken, "refused": 3}) == Pushes(1.95, 600, 142, 3)


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_a_flood_keeps_to_expos_rate_in_full_requests(processes: int) -> None:
    found = flood(processes, 3_000, ahead=20)
    assert (found["refused"], found["twice"]) == (0, 0)
    assert found["most"] <= 600
    assert found["recipients"] >= 75, "what comes at the end, and in a busy process late, is less than a hundred"


@pytest.mark.long
def test_killed_processes_lose_nothing_and_double_only_what_its_row_says() -> None:
    found = killed(600, workers=3, kills=4)
    assert (found["lost"], found["unmarked"], found["more"], found["dead"]) == (0, 0, 0, 0)


@pytest.mark.long
def test_reminders_are_never_early_beside_a_tenant_of_costly_rules() -> None:
    assert lateness(200, span=5, pending=500, costly=50)["early"] == 0


@pytest.mark.slow
def test_a_medication_waits_for_the_batches_in_hand_and_not_for_the_flood() -> None:
    assert turn(3_000) <= 700, "four batches that wait in the process, one that goes out, and what a flood is known by"
