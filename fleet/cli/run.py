"""`fleet run`: the container's door, for a worker of the fleet or for one that lives somewhere else."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.command import Command, Misconfigured, env_file_option
from workers import roster

if TYPE_CHECKING:
    from shared import App


@click.command(cls=Command, short_help="Run one worker until it is told to stop.")
@click.argument("worker", type=click.Choice([*roster.WORKERS]), required=False)
@click.option(
    "--app",
    "place",
    metavar="MODULE:NAME",
    help="A worker outside of the fleet: its App, in a module of this folder or of what is installed.",
)
@env_file_option
def run(worker: str | None, place: str | None) -> None:
    """Run WORKER: poll its queues until SIGTERM or SIGINT, then drain and end with 0.

    What does not end within DRAIN_SECONDS and one more is ended, and the exit code is 70. Everything is read from the
    environment; a missing variable ends it at once with 2 and its name.
    """
    if (worker is None) == (place is None):
        raise click.UsageError("name a worker of the fleet, or another one by --app MODULE:NAME")
    from shared.container import process

    sys.exit(process.main(roster.app(worker) if worker is not None else foreign(place or ""), os.environ))


def foreign(place: str) -> App:
    """The App at `module:NAME`, looked for in the folder at hand first. Raises Misconfigured; what the module itself raises comes out."""
    from shared import App

    module, _, name = place.partition(":")
    if not module or not name.isidentifier():
        raise Misconfigured(f"--app {place!r} is not MODULE:NAME, such as my_company.points:APP")
    here = str(Path.cwd())
    if here not in sys.path:  # a console script's path begins with its own folder
        sys.path.insert(0, here)
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and something that it imports is not
        raise Misconfigured(f"--app {place}: no module {error.name} in {here} or among what is installed") from error
    if not isinstance(found, App):
        raise Misconfigured(f"--app {place}: {module} has no App by the name of {name}")
    return found
