"""A run goes on past a section that fails, and tells how long the rest will take."""

from itertools import count
from typing import Any

from tests.bench.sections import Section, taken


def failing() -> dict[str, Any]:
    raise RuntimeError("no server")


def test_a_section_that_fails_costs_no_other_one_and_is_named_at_the_end() -> None:
    kept: dict[str, Any] = {}
    said: list[str] = []
    sections = [
        Section("first", "rounds", 60.0, failing),
        Section("second", "extras", 60.0, lambda: {"second": 2}),
    ]
    found = taken(sections, keep=lambda each, value: kept.update({each.part: value}), say=said.append)
    assert kept == {"extras": {"second": 2}}
    assert found.failed == {"first": "RuntimeError: no server"}
    assert found.status == 1
    assert said[-1] == "FAILED: first: RuntimeError: no server"


def test_what_is_left_is_reckoned_by_the_pace_so_far() -> None:
    said: list[str] = []
    ticks = count(0, 60)  # every look at the clock is a minute later
    sections = [Section(name, "extras", 30.0, dict) for name in ("first", "second")]
    found = taken(sections, keep=lambda *_: None, say=said.append, clock=lambda: float(next(ticks)))
    assert said[0] == "[1/2] first: about 1.0 min for this and all that follows"
    assert said[2] == "[2/2] second: about 4.0 min for this and all that follows"
    assert found.seconds == {"first": 60.0, "second": 60.0}
    assert found.status == 0
