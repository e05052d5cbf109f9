"""`fleet run`: the container's door."""

from __future__ import annotations

import asyncio
import os

import click

from shared import container
from workers import roster
from workers.cli.command import Command, env_file_option


@click.command(cls=Command, short_help="Run one worker until it is told to stop.")
@click.argument("worker", type=click.Choice([*roster.WORKERS]))
@env_file_option
def run(worker: str) -> None:
    """Run WORKER: poll its queues until SIGTERM or SIGINT, then drain and end with 0.

    Everything is read from the environment; a missing variable ends it at once with 2 and its name.
    """
    asyncio.run(container.run(roster.app(worker), os.environ))
