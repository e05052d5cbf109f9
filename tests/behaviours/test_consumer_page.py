"""docs/consumer.md and docs/consumer/: every guarantee has its marked tests, and every default is the one in the code."""

import ast
import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.backoff import Backoff
from shared.settings import ClaimCheckSettings, RuntimeSettings, Settings
from shared.worker import Each, Limits, Once, Together, Worker

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
PAGE = (ROOT / "docs" / "consumer.md").read_text()
SETTINGS = "".join((ROOT / "docs" / "consumer" / name).read_text() for name in ("settings.md", "bodies.md"))
GUARANTEE = re.compile(r"^\| ([A-Z]\d+) \| .*? \| (both|container|Lambda) \|$", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", re.MULTILINE)

BOTH = {"container", "Lambda"}
DOORS_OF_FIXTURES = {"ContainerDoor": {"container"}, "LambdaDoor": {"Lambda"}, "Door": BOTH}
DOORS_OF_FOLDERS = {"shared/container": {"container"}, "shared/lambda_door": {"Lambda"}}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def section(title: str) -> str:
    return SETTINGS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def defaults_in(title: str) -> dict[str, str]:
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


def doors_of(test: Function, path: Path) -> set[str]:
    """The doors through which this test plays its case: by its fixture, else by its folder; the road is of both."""
    arguments = [each.annotation.id for each in test.args.args if isinstance(each.annotation, ast.Name)]
    for name, doors in DOORS_OF_FIXTURES.items():
        if name in arguments:
            return doors
    return DOORS_OF_FOLDERS.get(path.parent.relative_to(TESTS).as_posix(), BOTH)


def guarantees_of(test: Function) -> set[str]:
    return {
        ast.literal_eval(argument)
        for mark in test.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.guarantee"
        for argument in mark.args
    }


def each_test(paths: Iterable[Path]) -> Iterator[tuple[Path, Function]]:
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function) and node.name.startswith("test_"):
                yield path, node


def shown() -> dict[str, set[str]]:
    """The doors that the marked tests of each guarantee pass."""
    doors: dict[str, set[str]] = defaultdict(set)
    for path, test in each_test(
        path for path in TESTS.rglob("test_*.py") if "pytest.mark.guarantee" in path.read_text()
    ):
        for guarantee in guarantees_of(test):
            doors[guarantee] |= doors_of(test, path)
    return doors


def test_every_guarantee_has_a_marked_test_for_each_of_its_doors() -> None:
    doors = shown()
    promised = {guarantee: BOTH if door == "both" else {door} for guarantee, door in GUARANTEE.findall(PAGE)}
    missing = {guarantee: asked - doors[guarantee] for guarantee, asked in promised.items()}
    assert {guarantee: lacking for guarantee, lacking in missing.items() if lacking} == {}
    assert len(promised) == len(GUARANTEE.findall(PAGE)), "an id stands twice"


def test_every_marker_names_a_guarantee_of_the_page() -> None:
    assert set(shown()) - {guarantee for guarantee, _ in GUARANTEE.findall(PAGE)} == set()


def test_every_test_of_a_behaviour_names_its_guarantee() -> None:
    behaviours = sorted(path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    assert [test.name for _, test in each_test(behaviours) if not guarantees_of(test)] == []


@pytest.mark.parametrize(
    ("title", "model"), [("Environment", RuntimeSettings), ("Bodies above the queue's limit", ClaimCheckSettings)]
)
def test_every_setting_stands_there_with_its_default(title: str, model: type[Settings]) -> None:
    assert defaults_in(title) == {name.upper(): written(field.default) for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    ("title", "model"), [(each.__name__, each) for each in (Worker, Each, Once, Together, Limits, Backoff)]
)
def test_every_field_stands_there_with_its_default(title: str, model: type) -> None:
    assert defaults_in(title) == dict(fields_of(model))
