"""docs/requirements.md names tests that exist."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "requirements.md").read_text()


@cache
def code() -> str:
    return "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("name", sorted({*re.findall(r"`(test_\w+)`", PAGE)}))
def test_a_test_that_the_page_names_exists(name: str) -> None:
    assert f"def {name}(" in code()


@pytest.mark.parametrize("place", sorted({*re.findall(r"\btests/[\w/.]+\w", PAGE)}))
def test_a_place_that_the_page_names_exists(place: str) -> None:
    assert (ROOT / place).exists()


def test_each_goal_of_telemetry_has_its_row() -> None:
    assert re.findall(r"^\| (T\d+):", PAGE, re.MULTILINE) == [f"T{number}" for number in range(1, 12)]
