"""What is given on the command line: an empty value is refused by name, and what is echoed cannot speak to the terminal."""

from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fleet.cli import COMMANDS, fleet
from fleet.cli.given import Strict


def commands(command: click.Command, name: str = "") -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(name, command)]
    within = [(each, command.get_command(click.Context(command), each)) for each in command.list_commands(None)]  # type: ignore[arg-type]
    return [found for each, one in within if one is not None for found in commands(one, f"{name} {each}".strip())]


def options() -> list[Any]:
    found = [(name, command) for name, command in commands(fleet) if not name.startswith(("dev", "demo", "stand-ins"))]
    return [
        pytest.param([*name.split(), option.opts[-1], *[""] * option.nargs], id=f"{name} {option.opts[-1]}")
        for name, command in found
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag
    ]


@pytest.mark.parametrize("words", options())
def test_an_option_without_content_is_refused_by_its_name(words: list[str]) -> None:
    result = CliRunner().invoke(fleet, words)
    assert (result.exit_code, result.stdout) == (2, "")
    [option] = [word for word in words if word.startswith("-")]
    assert f"'{option}'" in result.stderr
    assert "its value is empty" in result.stderr


@pytest.mark.parametrize("words", [["--stage", "", "dlq", "ls"], ["dlq", "list", " "], ["dlq", "ls", "a", ""]])
def test_so_are_options_before_the_command_and_names_of_queues(words: list[str]) -> None:
    result = CliRunner().invoke(fleet, words)
    assert (result.exit_code, "its value is empty" in result.stderr) == (2, True)


def test_every_command_is_that_strict() -> None:
    assert [name for name, command in commands(fleet) if not isinstance(command, Strict)] == []
    assert all(import_module(entry.place.partition(":")[0]) for entry in COMMANDS.values())


@pytest.mark.parametrize(
    "words",
    [
        ["dlq", "status", "p\u202e"],
        ["dlq", "ls", "--env-file", "p\u202e"],
        ["audit", "verify", "--file", "p\u202e"],
        ["audit", "show", "p\u202e", "--file", "p\u202e"],
        ["dlq", "plan", "queue", "--shape", "p\u202e", "-o", "p"],
    ],
)
def test_a_direction_character_in_a_name_is_escaped_in_what_is_said_of_it(words: list[str]) -> None:
    result = CliRunner().invoke(fleet, words)
    assert result.exit_code in (1, 2)
    assert "\u202e" not in result.output


def test_the_choices_of_an_option_that_is_missing_are_legible() -> None:
    result = CliRunner().invoke(fleet, ["reminders", "schedule", "--tenant", "acme", "--title", "Tea", "--at", "+1h"])
    assert (result.exit_code, "push" in result.stderr, "\\t" in result.stderr) == (2, True, False)


@pytest.mark.parametrize("given", ["", None])
def test_without_a_region_the_variable_is_named_also_where_it_is_empty(given: str | None, tmp_path: Path) -> None:
    environment = {
        "AWS_REGION": given,
        "AWS_DEFAULT_REGION": given,
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    result = CliRunner().invoke(fleet, ["dlq", "ls"], env=environment)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no region: AWS_DEFAULT_REGION is not set" in result.stderr
