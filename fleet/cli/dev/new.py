"""`fleet new worker`: writes a worker into the repository."""

from __future__ import annotations

import click

from fleet.cli.command import Misconfigured
from fleet.cli.dev.options import LocalCommand
from fleet.cli.given import Strict
from fleet.dev.environments import PROJECT
from fleet.dev.new_worker.given import SOURCES, TABLES, New, NotPossible, Source
from fleet.dev.new_worker.write import write


class Group(Strict, click.Group):
    """What can be written."""


@click.group(cls=Group, short_help="Write a new worker into the repository.")
def new() -> None:
    """Write something new into the repository."""


@new.command(cls=LocalCommand, short_help="A folder, its test, and its entry wherever workers are deployed.")
@click.argument("name")
@click.option("--from", "source", type=click.Choice(SOURCES), required=True, help="What fills its queue.")
@click.option("--event", metavar="TYPE", help="With --from bus: the detail type. [default: NAME.requested]")
@click.option("--table", type=click.Choice(TABLES), help="With --from stream: whose changes. [default: sessions]")
def worker(*, name: str, source: Source, event: str | None, table: str | None) -> None:
    """Write the worker NAME (loyalty-points): workers/loyalty_points, its test, infra/concerns/loyalty_points.py, and its
    entries in docker-compose.yml, kubernetes/ and docs/data-model.md.

    `--from queue`: whoever may send to it. `bus`: a rule for one type of event. `s3`: a bucket of its own that tells of each
    object. `stream`: a pipe with each change of a table. Nothing that is there is overwritten.
    """
    if event is not None and source != "bus":
        raise click.UsageError("--event goes with --from bus")
    if table is not None and source != "stream":
        raise click.UsageError("--table goes with --from stream")
    asked = New(name, source, event or f"{name}.requested", table or TABLES[0])
    try:
        paths = write(asked, PROJECT)
    except NotPossible as error:
        raise Misconfigured(str(error)) from error
    for path in paths:
        click.echo(path)
    click.echo(
        "\nNow `make templates` (needs Node), then `fleet dev`, `make lint types test`; docs/add-a-worker.md goes on."
    )
