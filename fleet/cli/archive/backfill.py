"""`fleet archive backfill`: an old log in CSV, sent to the archive's worker."""

from __future__ import annotations

import asyncio
import os
import re
from itertools import islice
from pathlib import Path

import click

from fleet.archive.backfill import Log, NotBackfilled, changes
from fleet.cli.command import Command, Failed, Misconfigured, env_file_option
from shared.clients import Clients
from shared.message.delivery import LARGEST_MESSAGE
from shared.sqs.sender import Message

TOGETHER = 500
"""Lines that are read and sent at once: as many as the worker writes into one object."""


@click.command("backfill", cls=Command, short_help="Send an old log in CSV through the archive's worker.")
@env_file_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--table", required=True, metavar="NAME", help="What the rows are called in the archive; of this log alone."
)
@click.option("--key", required=True, metavar="COLUMN", help="The column that names a row.")
@click.option("--time", required=True, metavar="COLUMN", help="The column that says when: ISO 8601 with an offset.")
@click.option("--yes", is_flag=True, help="Send; else the file is only read and told of.")
def backfill(*, file: Path, table: str, key: str, time: str, yes: bool) -> None:
    """Archive the lines of FILE, a CSV file in UTF-8 with a header, as rows of the table NAME.

    They go to AUDIT_QUEUE_URL as if a table had changed: personal data is hashed, digests list them, and `find` finds them. The whole file is
    read before anything is sent. Sent again within 45 days, also in part or in another order, each line is archived once.
    """
    if not file.is_file():
        raise Misconfigured(f"{file}: a pipe is read once, and this is read before it is sent: give a file")
    asyncio.run(_backfill(file, table, key, time, send=yes))


async def _backfill(file: Path, table: str, key: str, time: str, *, send: bool) -> None:
    async with Clients(os.environ) as clients:
        [url] = clients.required("AUDIT_QUEUE_URL")
        log = Log(
            table=table,
            key=key,
            time=time,
            account=_account(url),
            region=_region(url),
            largest=None if os.environ.get("CLAIM_CHECK_BUCKET_NAME") else LARGEST_MESSAGE,
        )
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                times = [change.at for change in changes(lines, log)]
        except NotBackfilled as error:
            raise Misconfigured(str(error)) from None
        except UnicodeDecodeError:
            raise Misconfigured(f"{file}: not UTF-8") from None
        span = f", {min(times):%Y-%m-%d} to {max(times):%Y-%m-%d}" if times else ""
        click.echo(f"{len(times)} rows of {table}{span}", err=True)
        if not send:
            click.echo("nothing was sent: --yes sends them", err=True)
            return
        queue, sent = await clients.sender("audit"), 0
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                rows = changes(lines, log)
                while some := [Message(change.body) for change in islice(rows, TOGETHER)]:
                    await queue(some)
                    sent += len(some)
        except ValueError as error:  # read once without a fault
            raise Failed(
                f"{file} was changed after {sent} rows were sent; sent again they are archived once"
            ) from error
        click.echo(f"{sent} sent", err=True)


def _account(url: str) -> str:
    found = re.search(r"/(\d{12})/", url)
    if found is None:
        raise Misconfigured("AUDIT_QUEUE_URL: no queue's address: it names no account")
    return found[1]


def _region(url: str) -> str:
    found = re.search(r"//sqs\.([a-z0-9-]+)\.", url)
    region = found[1] if found else os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise Misconfigured("AWS_DEFAULT_REGION: Field required")
    return region
