"""`fleet archive compact`: hours of a table as Parquet files beside what was written."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from fleet.archive.compact import Refused, compact
from fleet.archive.names import Per
from fleet.archive.places import Place
from fleet.cli.archive.place import bucket_option
from fleet.cli.archive.searched import MOMENT, archive_at, directory_option, faults_in_words, in_utc
from fleet.cli.command import FAILED, Command, env_file_option
from workers.audit_archive.evidence.ages import RETENTION_DAYS, Ages


@click.command("compact", cls=Command, short_help="Write Parquet files beside the hours of a table.")
@env_file_option
@bucket_option
@directory_option
@click.option("--table", required=True, metavar="NAME", help="The table; `gaps` for the gaps of all.")
@click.option("--until", required=True, type=MOMENT, help="Hours that ended by then (UTC).")
@click.option(
    "--per",
    type=click.Choice(["hour", "day"]),
    default="hour",
    show_default=True,
    help="One file for each; days suit a search over weeks.",
)
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]),
    help="When the copy was made (UTC): what had expired then. Of a bucket it is now; of a copy, without it, nothing has.",
)
@click.option(
    "--retention-days",
    type=click.IntRange(min=1),
    default=RETENTION_DAYS,
    show_default=True,
    help="The lifecycle's: older rows that are gone have expired, younger ones keep their hour as it is.",
)
def compact_hours(
    *,
    bucket: str | None,
    directory: Path | None,
    table: str,
    until: datetime,
    per: Per,
    as_of: datetime | None,
    retention_days: int,
) -> None:
    """Write each hour of the table that ended and that digests list as one Parquet file, with a manifest that says what it holds.

    What was written stays, and `verify` looks at it alone. Safe to repeat, to interrupt at any point and to run twice at once.
    """
    moment = in_utc(until)
    if moment > datetime.now(UTC):
        raise click.BadParameter("is in the future: an hour that goes on cannot be compacted", param_hint="--until")
    with faults_in_words():
        now = in_utc(as_of) if as_of else datetime.now(UTC) if directory is None else None
        ages = Ages(now=now, retention=timedelta(days=retention_days)) if now else None
        refused = asyncio.run(_compact(archive_at(bucket, directory), table, moment, per, ages))
    sys.exit(FAILED if refused else 0)


async def _compact(
    archive: AbstractAsyncContextManager[Place], table: str, until: datetime, per: Per, ages: Ages | None
) -> int:
    made = rows = refused = 0
    async with archive as place:
        async for each in compact(place, table=table, until=until, per=per, ages=ages):
            if isinstance(each, Refused):
                refused += 1
                click.echo(f"{each.unit}: {each.why}", err=True)
            else:
                made, rows = made + 1, rows + each.rows
                click.echo(f"{each.parquet}: {each.rows} rows of {len(each.parts)} objects")
    click.echo(f"{made} files, {rows} rows{f'; {refused} left as they are' if refused else ''}", err=True)
    return refused
