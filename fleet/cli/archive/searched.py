"""What the commands that search share: where, which part, and how the answer is printed."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click
import orjson

from fleet.archive.engine import NoEngine
from fleet.archive.manifest import BadManifest
from fleet.archive.opened import Span
from fleet.archive.places import InBucket, InFolder, Place
from fleet.archive.searched import Answer, NotSearchable
from fleet.cli.archive.place import ArchiveSettings, bucket_option
from fleet.cli.command import FAILED, Decorated, Failed
from shared.clients import Clients
from shared.settings import read_settings

As = Literal["table", "json", "csv"]

UNBROKEN = 40
"""Characters of a column that stays whole: an id in pieces can be copied by nobody."""

FAULTS_SHOWN = 20

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"])


def in_utc(moment: datetime) -> datetime:
    """What is given without an offset is in UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


directory_option = click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A copy of the bucket on this machine, instead: needs no AWS at all.",
)


def span_options(command: Decorated) -> Decorated:
    """Where to search, and of which table and time."""
    options: list[Callable[[Decorated], Decorated]] = [
        bucket_option,
        directory_option,
        click.option("--table", metavar="NAME", help="Rows of this table, and its gaps."),
        click.option("--since", type=MOMENT, help="Rows from this moment on (UTC)."),
        click.option("--until", type=MOMENT, help="Rows before this moment (UTC)."),
        click.option(
            "--as",
            "shown_as",
            type=click.Choice(["table", "json", "csv"]),
            default="table",
            show_default=True,
            help="How the rows are printed.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def span_of(table: str | None, since: datetime | None, until: datetime | None) -> Span:
    if table is not None and not table.strip():
        raise click.BadParameter("is empty", param_hint="--table")
    since, until = (moment and in_utc(moment) for moment in (since, until))
    if since and until and since >= until:
        raise click.BadParameter("must be later than --since", param_hint="--until")
    return Span(table=table, since=since, until=until)


@asynccontextmanager
async def archive_at(bucket: str | None, directory: Path | None) -> AsyncIterator[Place]:
    """Raises SettingsError where neither is named, nor AUDIT_BUCKET_NAME."""
    if bucket and directory:
        raise click.UsageError("give --bucket or --directory, not both")
    if directory is not None:
        yield InFolder(directory)
        return
    name = bucket or read_settings(ArchiveSettings, os.environ).audit_bucket_name
    async with Clients(os.environ) as clients:
        yield InBucket(await clients.open("s3"), name=name)


@contextmanager
def faults_in_words() -> Iterator[None]:
    try:
        yield
    except (NoEngine, NotSearchable, BadManifest) as error:
        raise Failed(str(error)) from error


def show(answer: Answer, shown_as: As) -> None:
    """JSON is one document a row; a table leaves out `line` and `object`, which are for machines."""
    match shown_as:
        case "json":
            for row in answer.rows:
                click.echo(orjson.dumps(dict(zip(answer.columns, row, strict=True)), default=str))
        case "csv":
            text = io.StringIO()
            writer = csv.writer(text)
            writer.writerow(answer.columns)
            writer.writerows([_cell(value) for value in row] for row in answer.rows)
            click.echo(text.getvalue(), nl=False)
        case "table":
            _table(answer)


def end(answer: Answer) -> None:
    """Says what of the archive was not read as it stands; then the exit code is 1, for the answer may lack rows."""
    for fault in answer.faults[:FAULTS_SHOWN]:
        click.echo(fault, err=True)
    if len(answer.faults) > FAULTS_SHOWN:
        click.echo(f"and {len(answer.faults) - FAULTS_SHOWN} more", err=True)
    sys.exit(FAILED if answer.faults else 0)


def _table(answer: Answer) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from fleet.cli.shown import tables
    from fleet.dead_letters.model.redaction import printable

    places = [place for place, name in enumerate(answer.columns) if name not in {"line", "object"}]
    rows = [[printable(_cell(row[place])) for place in places] for row in answer.rows]
    table = Table(box=box.SIMPLE)
    for number, place in enumerate(places):
        longest = max((len(row[number]) for row in rows), default=0)
        table.add_column(answer.columns[place], overflow="fold", no_wrap=longest <= UNBROKEN)
    for row in rows:
        table.add_row(*map(Text, row))
    tables.show(table)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case list():
            return " ".join(map(str, value))
        case _:
            return str(value)
