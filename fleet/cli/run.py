"""`fleet run`: the container's door."""

from __future__ import annotations

import os
import sys

import click

from fleet.cli.command import Command, env_file_option
from shared.container import process
from workers import roster


@click.command(cls=Command, short_help="Run one worker until it is told to stop.")
@click.argument("worker", type=click.Choice([*roster.WORKERS]))
@env_file_option
def run(worker: str) -> None:
    """Run WORKER: poll its queues until SIGTERM or SIGINT, then drain and end with 0.

    What does not end within DRAIN_SECONDS and one more is ended, and the exit code is 70. Everything is read from the
    environment; a missing variable ends it at once with 2 and its name.
    """
    sys.exit(process.main(roster.app(worker), os.environ))
