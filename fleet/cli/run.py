"""`fleet run`: the container's door."""

from __future__ import annotations

import os
import signal
import sys

import click

from fleet.cli.command import Command, env_file_option
from workers import roster


@click.command(cls=Command, short_help="Run one worker until it is told to stop.")
@click.argument("worker", type=click.Choice([*roster.WORKERS]))
@env_file_option
def run(worker: str) -> None:
    """Run WORKER: poll its queues until SIGTERM or SIGINT, then drain and end with 0.

    What does not end within DRAIN_SECONDS and one more is ended, and the exit code is 70. Everything is read from the
    environment; a missing variable ends it at once with 2 and its name.
    """
    # The first process of a container gets no signal that it has no handler for, and would go on until it is killed. Imports and
    # secrets take seconds.
    signal.signal(signal.SIGTERM, _leave_at_once)
    from shared.container import process

    sys.exit(process.main(roster.app(worker), os.environ))


def _leave_at_once(_number: int, _frame: object) -> None:
    """Before anything was received there is nothing to drain."""
    sys.exit(0)
