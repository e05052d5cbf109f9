"""`fleet deploy`: what a deployment would make, before it is made."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from fleet.cli.command import Command, Misconfigured
from fleet.cli.given import Strict
from fleet.release.stacks import DEPLOYED, ORDER

if TYPE_CHECKING:
    from fleet.planner.stacks import Made

PRICES = Path(__file__).resolve().parents[2] / "planner" / "prices.json"
VERSION = 1
NUMBER = r"-?[0-9]+(\.[0-9]+)?"


class Group(Strict, click.Group):
    """Commands about a deployment; none of them makes one."""


@click.group(cls=Group, short_help="Say what a deployment would make, and its fixed cost.")
def deploy() -> None:
    """Say what a deployment would make; it is made with `aws cloudformation deploy` (docs/deploy.md)."""


@deploy.command(
    cls=Command, short_help="What each stack of a stage would make, and what it costs while nothing happens."
)
@click.argument("stage")
@click.option(
    "--infra",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("infra"),
    show_default=True,
    help="The folder with templates/ and parameters/.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter, over the stage's file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plan(stage: str, *, infra: Path, settings: tuple[str, ...], as_json: bool) -> None:
    """Print what each stack of STAGE would make and its fixed cost a month, from the committed templates. Asks nothing of AWS."""
    from fleet.planner.stacks import UnknownCondition, made

    given = _given(infra / "parameters", stage) | dict(map(_setting, settings))
    prices = orjson.loads(PRICES.read_bytes())
    paths = sorted((infra / "templates").glob("*.json"), key=lambda path: _place(path.stem))
    templates = {path.stem: orjson.loads(path.read_bytes()) for path in paths}
    _check(given, stage, [template["Parameters"] for template in templates.values()])
    try:
        every = [made(stack, template, given, prices) for stack, template in templates.items()]
    except UnknownCondition as error:
        raise Misconfigured(str(error)) from error
    if as_json:
        document = {
            "version": VERSION,
            "stage": stage,
            "prices": prices["date"],
            "stacks": [asdict(each) for each in every],
        }
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(every, given, stage, prices)


def _given(folder: Path, stage: str) -> dict[str, str]:
    """What both files of a stage say; a name that they share means the same."""
    return _parameters(folder / f"workers-{stage}.json") | _parameters(folder / f"{stage}.json")


def _parameters(path: Path) -> dict[str, str]:
    try:
        rows = orjson.loads(path.read_bytes())
    except OSError as error:
        raise Misconfigured(
            f"{path}: {error.strerror}; run it in the repository, with a STAGE that has a file there"
        ) from error
    return {row["ParameterKey"]: row["ParameterValue"] for row in rows}


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise Misconfigured(f"--set {text}: write NAME=VALUE")
    return name, value


def _check(given: dict[str, str], stage: str, templates: list[dict[str, Any]]) -> None:
    """What CloudFormation would refuse, or the deployment pass over, changes no plan in silence. Raises Misconfigured."""
    for name, value in given.items():
        rules = [parameters[name] for parameters in templates if name in parameters]
        if not rules:
            raise Misconfigured(f"{name}: no stack has such a parameter")
        for rule in rules:
            if value not in rule.get("AllowedValues", [value]):
                raise Misconfigured(f"{name}={value}: it is one of {', '.join(rule['AllowedValues'])}")
            pattern = NUMBER if rule["Type"] == "Number" else rule.get("AllowedPattern", "(?s:.*)")
            if not re.fullmatch(pattern, value, re.ASCII):
                raise Misconfigured(f"{name}={value}: it is not of the form {pattern}")
    if given.get("Stage", stage) != stage:
        raise Misconfigured(f"Stage={given['Stage']}: STAGE is {stage}")


def _place(stack: str) -> tuple[int, str]:
    return (ORDER.index(stack) if stack in ORDER else len(ORDER)), stack


def _show(every: list[Made], given: dict[str, str], stage: str, prices: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    from fleet.cli.shown.tables import show

    table = Table("stack", "makes", "$ a month", box=box.SIMPLE_HEAD)
    for each in every:
        name = f"{given.get('ProjectName', 'fleet')}-{each.stack}-{stage}"
        kinds = ", ".join(f"{count} {kind.removeprefix('AWS::')}" for kind, count in each.resources.items())
        table.add_row(name, kinds, f"{each.monthly:,.2f}")
    show(table)
    fixed = sum(each.monthly for each in every if each.stack in DEPLOYED)
    click.echo(f"fixed cost: {fixed:,.2f} $ a month at least, whatever comes")
    more = [f"{each.stack} {each.monthly:,.2f} $" for each in every if each.stack not in DEPLOYED and each.monthly]
    click.echo(f"and where you deploy it: {', '.join(more)}")
    click.echo(f"prices of {prices['region']}, {prices['date']}; what traffic costs: fleet planner", err=True)
