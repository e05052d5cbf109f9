"""docs/consumer.md: every test that it names exists, every behaviour is there, and every default is the real one."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.backoff import Backoff
from shared.settings import ClaimCheckSettings, RuntimeSettings, Settings
from shared.worker import Each, Limits, Once, Together, Worker

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "consumer.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def told(title: str) -> dict[str, str]:
    """The default of each setting in this section's table."""
    return {name: default.strip("`") for name, _meaning, _unit, default in ROW.findall(section(title))}


def written(default: Any) -> str:
    match default:
        case dataclasses.MISSING:
            return "required"
        case None:
            return "none"
        case float() if default.is_integer():
            return str(int(default))
        case _:
            return str(default).lower() if isinstance(default, bool) else str(default)


def fields_of(model: type) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(model):
        made = field.default_factory is not dataclasses.MISSING
        yield field.name, "its own" if made else written(field.default)


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE)
    functions = {
        (file, node.name)
        for file in {file for file, _ in named}
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert named
    assert [each for each in named if each not in functions] == []


def test_every_guarantee_names_its_test() -> None:
    rows = [line for line in section("Guarantees").splitlines() if line.startswith("| B")]
    assert [row for row in rows if not NAMED.search(row)] == []
    assert {row.split(" ")[1] for row in rows} == {f"B{number}" for number in range(1, 33)}
    claims = [line for line in section("Bodies above the queue's limit").splitlines() if line.startswith("| C")]
    assert [row for row in claims if not NAMED.search(row)] == []


def test_every_behaviour_test_stands_on_the_page() -> None:
    files = sorted(path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    every = {
        node.name
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    assert every - {name for _, name in NAMED.findall(PAGE)} == set()


@pytest.mark.parametrize(
    ("title", "model"), [("Environment", RuntimeSettings), ("Bodies above the queue's limit", ClaimCheckSettings)]
)
def test_every_setting_stands_there_with_its_default(title: str, model: type[Settings]) -> None:
    assert told(title) == {name.upper(): written(field.default) for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("title", "model"), [(each.__name__, each) for each in (Worker, Each, Once, Together, Limits, Backoff)]
)
def test_every_field_stands_there_with_its_default(title: str, model: type) -> None:
    assert told(title) == dict(fields_of(model))
