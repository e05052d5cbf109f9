"""docs/dlq.md tells of every command, option, setting and exit code there is, and of none that is not."""

import re
from pathlib import Path

import click
import pytest

from fleet.cli import fleet
from fleet.cli.audit import audit
from fleet.cli.dlq import dlq
from fleet.dead_letters.model.shapes import SHAPES
from fleet.dead_letters.settings import ReplaySettings
from tests.fleet.dead_letters.schemas import PLACE, schema

PAGE = (Path(__file__).parents[3] / "docs" / "dlq.md").read_text()
OPTIONS = {
    name
    for group in (dlq, audit)
    for command in group.commands.values()
    for each in command.params
    for name in each.opts
}
UNTOLD = {"--env-file", "--no-color", "--output", "--bucket", "--archive-id", "--file"}


def test_every_command_is_told_of() -> None:
    assert [name for name in dlq.commands if f"`{name}" not in PAGE and f"fleet dlq {name}" not in PAGE] == []


def test_every_option_is_told_of_and_none_is_made_up() -> None:
    named = {*re.findall(r"--[a-z-]+[a-z]", PAGE)}
    assert {each for each in OPTIONS if each.startswith("--")} - named - UNTOLD == set()
    assert named - OPTIONS - {name for each in fleet.params for name in each.opts} == set()


def test_every_setting_and_shape_is_told_of() -> None:
    assert [name for name in ReplaySettings.model_fields if f"`{name.upper()}`" not in PAGE] == []
    assert [name for name in SHAPES if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("command", dlq.commands.values(), ids=[*dlq.commands])
def test_every_command_speaks_json_and_never_needs_to_ask(command: click.Command) -> None:
    names = {name for each in command.params for name in each.opts}
    assert {"--json", "--no-input", "--no-color", "--env-file"} <= names


@pytest.mark.parametrize("path", sorted(PLACE.glob("dlq-*.json")), ids=lambda path: path.name)
def test_every_published_schema_is_a_schema(path: Path) -> None:
    schema(path.name.removesuffix(".schema.json"))


def test_help_names_the_exit_codes_that_the_pages_tell_of() -> None:
    codes = set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))
    assert codes == {"0", "1", "2", "3", "4", "5", "130"}
    for group, page in ((dlq, PAGE), (fleet, (PLACE.parent / "cli.md").read_text())):
        assert set(re.findall(r"\b\d+\b", group.epilog or "")) == codes
        table = " ".join(re.findall(r"^\| ([0-9, ]+) \|", page, re.MULTILINE))
        assert set(re.findall(r"\d+", table)) == codes
