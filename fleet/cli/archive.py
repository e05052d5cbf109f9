"""`fleet archive`: the audit archive, verified or closed with a digest."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from fleet.cli.command import FAILED, Command, env_file_option
from shared.clients import Clients
from shared.settings import Settings, read_settings
from workers.audit_archive.chain.chain import make_digest
from workers.audit_archive.chain.verify import Verification, verify
from workers.audit_archive.source import Directory
from workers.audit_archive.store.bucket import S3Bucket

if TYPE_CHECKING:
    from workers.audit_archive.chain.digest import Digest


class ArchiveSettings(Settings):
    """The bucket, where no option names one."""

    audit_bucket_name: str


@click.group(short_help="Verify the audit archive, or write its next digest.")
def archive() -> None:
    """Verify the audit archive, or write its next digest."""


@archive.command("verify", cls=Command, short_help="Walk the chain of digests; name what is broken or missing.")
@env_file_option
@click.option("--bucket", metavar="NAME", help="The bucket; else AUDIT_BUCKET_NAME.")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A copy of the bucket on this machine, instead: needs no AWS at all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify_archive(*, bucket: str | None, directory: Path | None, as_json: bool) -> None:
    """Walk the chain of digests and check every object; name the first broken or missing one, then all others.

    Ends with 0 where all is as the digests say, with 1 on any finding and where there is no digest at all. Notes (an object that waits for the next digest,
    a digest that asserts silence) are not findings.
    """
    if bucket and directory:
        raise click.UsageError("give --bucket or --directory, not both")
    found = asyncio.run(verify(Directory(directory)) if directory else _verify(bucket))
    if as_json:
        click.echo(orjson.dumps({"ok": found.ok, **asdict(found)}, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found)
    if not found.digests:
        click.echo("there is no digest here, so nothing is proven", err=True)
    sys.exit(0 if found.ok and found.digests else FAILED)


@archive.command("digest", cls=Command, short_help="Write the next digest now.")
@env_file_option
@click.option("--bucket", metavar="NAME", help="The bucket; else AUDIT_BUCKET_NAME.")
def write_digest(*, bucket: str | None) -> None:
    """Write the next digest now, for all objects that none lists yet. Prints its key, or nothing where none was needed."""
    made = asyncio.run(_digest(bucket))
    if made is None:
        click.echo("no digest was needed", err=True)
    else:
        click.echo(made.key)


async def _verify(bucket: str | None) -> Verification:
    async with Clients(os.environ) as clients:
        return await verify(S3Bucket(await clients.open("s3"), name=_name(bucket)))


async def _digest(bucket: str | None) -> Digest | None:
    async with Clients(os.environ) as clients:
        place = S3Bucket(await clients.open("s3"), name=_name(bucket))
        made, _ = await make_digest(place, now=lambda: datetime.now(UTC))
        return made


def _name(bucket: str | None) -> str:
    return bucket or read_settings(ArchiveSettings, os.environ).audit_bucket_name


def _print(found: Verification) -> None:
    for finding in found.findings:
        click.echo(f"{finding.kind}: {finding.where}{f' ({finding.detail})' if finding.detail else ''}")
    for note in found.notes:
        click.echo(f"note: {note.kind}: {note.where}", err=True)
    looked_at = f"{found.digests} digests, {found.objects} objects, {found.rows} rows"
    faults = len(found.findings)
    click.echo(
        f"{faults} finding{'s' * (faults != 1)} in {looked_at}" if faults else f"all as the digests say: {looked_at}"
    )
