"""`fleet demo`: the story, its progress on stderr and its end on stdout."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fleet.cli.command import FAILED, Finite
from fleet.cli.dev.options import LocalCommand, sigterm_leaves_in_order, until_signalled, where_options
from fleet.dev.child import process_environment
from fleet.dev.demo.play import TUNING, Direction, play
from fleet.dev.demo.tables import render
from fleet.dev.dev import Ground, Plan, open_ground, run_workers
from workers import roster

if TYPE_CHECKING:
    from fleet.dev.demo.board import Board
    from fleet.dev.demo.report import Report

NOBODY = "none"
REFRESH = 0.1
CONSOLE = (sys.executable, "-m", "fleet.cli", "console", "--allow-writes")

words = Console(stderr=True, highlight=False)


@click.command(cls=LocalCommand, short_help="Tell the fleet's whole story with real files, and check every effect.")
@where_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document (schema demo, version 1).")
@click.option(
    "--kill",
    type=click.Choice([*roster.WORKERS, NOBODY]),
    default="audit-archive",
    show_default=True,
    help="The worker to kill with -9 while it has messages in hand.",
)
@click.option(
    "--within",
    type=Finite(min=1),
    default=180.0,
    show_default=True,
    metavar="SECONDS",
    help="In which every effect must come, or be named as missing.",
)
@click.option("--keep", is_flag=True, help="Leave the fleet and a console over it open until Ctrl-C.")
def demo(
    *, endpoint: str | None, project: str, stage: str, as_json: bool, kill: str, within: float, keep: bool
) -> None:
    """Tell the fleet's whole story with real files, and check every effect.

    Starts a fleet as `fleet dev` does, uploads files of several sizes and odd names while browsers wait at real
    WebSockets, sends webhooks to three customers, reminders in three time zones and one malformed message, kills a
    worker at work, and verifies the audit archive. Ends with 1 and the name of every effect that did not come.

    At an --endpoint, nobody else may be reading the queues of this project and stage.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-demo-") as folder:
        plan = Plan(endpoint=endpoint, project=project, stage=stage, home=Path(".fleet/demo"), tuning=TUNING)
        direction = Direction(None if kill == NOBODY else kill, within, Path(folder))
        with sigterm_leaves_in_order(), open_ground(plan, words.print) as ground:
            code = until_signalled(_play(plan, ground, direction, as_json=as_json, keep=keep))
    sys.exit(code)


def print_report(report: Report, *, as_json: bool) -> int:
    """Print the report on stdout and what is missing on stderr; answer the exit code."""
    if as_json:
        click.echo(orjson.dumps(report.document(), option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        for part in render(report):
            console.print(part)
    for name in report.missing:
        click.echo(f"missing: {name}", err=True)
    return 0 if report.ok else FAILED


async def _play(plan: Plan, ground: Ground, direction: Direction, *, as_json: bool, keep: bool) -> int:
    async with run_workers(plan, ground, words.print) as fleet:
        words.print("playing the story")
        with _Bars() as show:
            report = await play(fleet, direction, show=show)
        code = print_report(report, as_json=as_json)
        if keep:
            await keep_open(fleet.environment)
        words.print("draining")
        return code


async def keep_open(environment: Mapping[str, str], command: Sequence[str] = CONSOLE) -> None:
    """A console over what the story left, which prints its address on stderr; until it ends, or a signal comes."""
    words.print("the fleet goes on until Ctrl-C; look at it in a browser, by an address that opens once:")
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=sys.stderr,
        env=process_environment(environment),
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the console
    )
    try:
        await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()


class _Bars:
    """One bar for each group of effects, as long as the block runs; nothing where stderr is not a terminal."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=words, disable=not words.is_terminal)
        self._drawing: asyncio.Task[None] | None = None

    def __enter__(self) -> Callable[[Board], None]:
        self._progress.start()
        return self._show

    def __exit__(self, *_error: object) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
        self._progress.stop()

    def _show(self, board: Board) -> None:
        self._drawing = asyncio.create_task(self._draw(board))

    async def _draw(self, board: Board) -> None:
        tasks = {}
        while True:
            for group, (come, expected) in board.progress().items():
                if group not in tasks:
                    tasks[group] = self._progress.add_task(group, total=expected)
                self._progress.update(tasks[group], completed=come, total=expected)
            await asyncio.sleep(REFRESH)
