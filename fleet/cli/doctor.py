"""`fleet doctor`: everything the fleet needs, looked at."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
import orjson
from rich import box
from rich.table import Table
from rich.text import Text

from fleet.cli.command import FAILED, Command, env_file_option
from fleet.cli.shown.tables import show
from fleet.doctor.examine import examine
from shared.clients import Clients

if TYPE_CHECKING:
    from fleet.doctor.check import Check
    from fleet.doctor.deployed import Stage

COLOURS = {"ok": "green", "warning": "yellow", "fault": "bold red"}
VERSION = 1


@click.command(cls=Command, short_help="Check endpoint, credentials and every resource; say what to do.")
@env_file_option
@click.option("--rows", is_flag=True, help="Look through all rows of sessions, reminders and webhooks as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def doctor(stage: Stage | None, *, rows: bool, as_json: bool) -> None:
    """Check endpoint, credentials and every resource; say what to do.

    Reads the same variables as the workers, asks only questions that change nothing, and ends with 1 on any fault.
    `fleet --stage NAME doctor` looks at a deployed stage: its stacks, functions, mappings, services, alarms and secrets as well.
    Permissions are those of the identity that runs it: run it with the role of a worker to check that role.
    `--rows` names each row that was written wrong and that no worker finds or can read; it reads whole tables.
    """
    checks = asyncio.run(_examine(stage, every_row=rows))
    faults = sum(check.state == "fault" for check in checks)
    if as_json:
        document = {"version": VERSION, "ok": not faults, "checks": [asdict(check) for check in checks]}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        show(table(checks))
        click.echo("all is well" if not faults else f"{faults} fault{'s' * (faults > 1)}", err=True)
        if faults and stage:
            click.echo(
                "what was changed by hand no deployment mends by itself: docs/deploy.md, Changed by hand", err=True
            )
    sys.exit(FAILED if faults else 0)


async def _examine(stage: Stage | None, *, every_row: bool) -> list[Check]:
    async with Clients(os.environ) as clients:
        return await examine(os.environ, clients, stage, every_row=every_row)


def table(checks: Sequence[Check]) -> Table:
    """One line for each check."""
    rows = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("what", "state", "found", "what to do"):
        rows.add_column(name, overflow="fold", no_wrap=name in {"what", "state"})
    for check in checks:
        state = Text(check.state, style=COLOURS[check.state])
        rows.add_row(Text(check.what), state, Text(check.found), Text(check.remedy))
    return rows
