"""Whatever command there is: without both --yes and --reason it sends, deletes and hides nothing."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import pytest

from fleet.cli import fleet
from fleet.dead_letters.replay.journal import is_held, journal_path, opened
from tests.aws import Aws
from tests.fleet.dead_letters.conftest import Ground, Lines

HALVES = [(), ("--yes",), ("--reason", "because"), ("--yes", "--reason", ""), ("--yes", "--reason", "  ")]
OUTSIDE = {
    "archive",
    "audit",
    "console",  # what it does to letters is these commands, each run as a person runs it
    "demo",
    "deploy",
    "dev",
    "doctor",
    "limit",
    "new",
    "pause",
    "planner",
    "release",
    "reminders",
    "resume",
    "run",
    "sessions",
    "stand-ins",
    "trace",
    "try",
    "webhooks",
    "workers",
}
"""What stands beside `dlq` has no dead-letter queue in hand; `trace` looks, as `list` does, and has a test of its own for it."""


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


TREE = {path: command for path, command in commands(fleet) if path[0] not in OUTSIDE}


def test_every_command_that_meets_letters_is_in_the_tree() -> None:
    assert {path[0] for path in TREE} == {"dlq"}
    assert {"replay", "resume", "cancel", "edit", "archive", "restore", "purge"} <= {path[1] for path in TREE}


@pytest.fixture
def values(ground: Ground, cli: Lines, aws: Aws) -> dict[str, str]:
    """An argument for each parameter a command may need: two letters in the queue, one archived, one plan that was begun."""
    cli.environment |= {"DLQ_ARCHIVE_BUCKET_NAME": aws.bucket("archive"), "DLQ_EDIT_ENABLED": "true"}
    ground.park({"n": 0})
    cli("dlq", "archive", ground.name, "--yes", "--reason", "to have one")
    ground.park({"n": 1}, {"n": 2})
    cli("dlq", "plan", ground.name, "--to", ground.source, "-o", cli.plan())
    body, lines = cli.home / "body", cli.home / "lines"
    body.write_text('{"n": 9}')
    cli("dlq", "export", ground.name, "-o", str(lines), "--reason", "to have one")
    return {
        "queue": ground.name,
        "queues": ground.name,
        "letter_id": cli.json("list", ground.name)[0]["id"],
        "file": cli.plan(),
        "lines": str(lines),
        "output": str(cli.home / "output"),
        "body_file": str(body),
        "to": ground.source,
        "confirm": ground.name,
    }


def state(ground: Ground, cli: Lines) -> Any:
    """All that a command could have changed. A letter that is hidden is not seen."""
    letters = sorted((each["MessageId"], each["Body"]) for each in ground.content())
    bucket = cli.environment["DLQ_ARCHIVE_BUCKET_NAME"]
    archived = [each["ETag"] for each in ground.aws.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    orders = sorted(path.name for path in cli.home.iterdir() if "cancel" in path.name)
    return letters, ground.counts(), ground.counts(ground.source), archived, orders


def words_of(path: tuple[str, ...], command: click.Command, values: dict[str, str]) -> list[str]:
    """The whole command line, but for --yes and --reason; a parameter that has no value here is a KeyError."""
    words = [*path]
    for each in command.params:
        name = "lines" if (path[-1], each.name) == ("import", "file") else str(each.name)
        if isinstance(each, click.Argument):
            words.append(values[name])
        elif each.required or name in values:
            words += [each.opts[0], values[name]]
    return words


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage", ["fresh", *(pytest.param(each, marks=pytest.mark.slow) for each in ("begun", "running"))]
)
def test_half_of_an_order_is_none(stage: str, values: dict[str, str], ground: Ground, cli: Lines) -> None:
    plan = Path(cli.plan())
    plan_id = json.loads(plan.read_bytes())["plan_id"]
    with ExitStack() as stack:
        if stage != "fresh":
            stack.enter_context(opened(plan, plan_id, now=time.time)).begin("tester", "cut short")
        if stage == "begun":
            stack.close()
        assert (journal_path(plan, plan_id).exists(), is_held(plan)) == (stage != "fresh", stage == "running")
        before = state(ground, cli)
        for path, command in TREE.items():
            known = {name for each in command.params for name in each.opts}
            if stage != "fresh" and "file" not in {each.name for each in command.params}:
                continue  # a plan's stage is nothing to it
            for half in HALVES:
                if {word for word in half if word.startswith("--")} <= known:
                    cli(*words_of(path, command, values), *half, "--no-input", exits=None)
            assert state(ground, cli) == before, path
