"""docs/requirements.md, held against the repository: no row is empty, and every path and test that it names is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "requirements.md").read_text()
OUTSIDE = {80, 82, 93}
OF_REMINDERS = (1, 2, 3, 4, 5, 8, 9, 10, 12, 13, 15, 16, 18, 20, 22, 23, 25)
WITHOUT_A_TEST = ("outside: ", "not built: ", "by hand: ")
CODE = re.compile(r"`([^`]+)`")
PLACE = re.compile(r"[\w.-]+(/[\w.-]+)*")


def rows() -> Iterator[tuple[str, str, str, str]]:
    for line in PAGE.splitlines():
        if line.startswith("| ") and not line.startswith(("| | ", "| ---", "| goal ", "| T", "| R", "| Q")):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 4, line
            yield cells[0], cells[1], cells[2], cells[3]


def faults_of(where: str, shown: str) -> list[str]:
    """What a row names and the repository does not have."""
    places = [name for name in CODE.findall(where) if PLACE.fullmatch(name) and ("/" in name or "." in name)]
    faults = [f"there is no {name}" for name in places if not (ROOT / name).exists()]
    if shown.startswith(WITHOUT_A_TEST):
        return faults if len(shown.split()) > 5 else [*faults, "without a test a row says why"]
    named = CODE.findall(shown)
    for name in named:
        file, colons, test = name.partition("::")
        if not (file.startswith("tests/") and file.endswith(".py") and (ROOT / file).is_file()):
            faults.append(f"there is no file of tests {file}")
        elif colons and not re.search(rf"^ *(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE):
            faults.append(f"{file} has no {test}")
    return faults if named else [*faults, "a row names a test or says why it has none"]


def test_each_requirement_has_one_row_and_no_row_is_empty() -> None:
    found = list(rows())
    numbers = [int(number) for number, *_ in found if number != "+"]
    assert numbers == [number for number in range(1, 107) if number not in OUTSIDE]
    assert all(all(row) for row in found)


def test_each_goal_of_telemetry_reminders_and_dead_letters_has_its_row_and_names_what_there_is() -> None:
    assert re.findall(r"^\| (Q\d+):", PAGE, re.MULTILINE) == [f"Q{number}" for number in range(1, 41)]
    assert re.findall(r"^\| (T\d+):", PAGE, re.MULTILINE) == [f"T{number}" for number in range(1, 12)]
    assert re.findall(r"^\| (R\d+):", PAGE, re.MULTILINE) == [f"R{number}" for number in OF_REMINDERS]
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", PAGE) if f"def {name}(" not in code] == []
    assert [place for place in re.findall(r"\btests/[\w/.]+\w", PAGE) if not (ROOT / place).exists()] == []


def test_what_each_row_names_is_there() -> None:
    found = {f"{number} {said}": faults for number, said, *named in rows() if (faults := faults_of(*named))}
    assert found == {}


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        ("`infra/nothing.py`", "`tests/docs/test_requirements.py`"),
        ("`infra`", ""),
        ("`infra`", "by hand: so"),
        ("`infra`", "`tests/docs/nothing.py`"),
        ("`infra`", "`tests/docs/test_requirements.py::test_nothing`"),
    ],
)
def test_a_name_that_is_not_there_is_found(where: str, shown: str) -> None:
    assert len(faults_of(where, shown)) == 1
