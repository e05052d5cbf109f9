"""`fleet archive prove`: a proof for somebody who has neither the archive nor this program."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
import orjson

from fleet.cli.archive.keys import key_ring, keys_option
from fleet.cli.archive.place import bucket_option, opened
from fleet.cli.command import Command, Failed, env_file_option
from workers.audit_archive.chain.prove import NotProvable, prove
from workers.audit_archive.evidence.signing import KeyRing
from workers.audit_archive.source import Directory


@click.command("prove", cls=Command, short_help="Write the proof that a row is in the archive.")
@env_file_option
@click.argument("event_id")
@bucket_option
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A copy of the bucket on this machine, instead: needs no AWS at all.",
)
@click.option("--table", metavar="NAME", help="The row's table, where event ids of several are the same.")
@click.option(
    "--since", metavar="NUMBER", type=click.IntRange(min=1), help="Prove as well that the tree of this digest goes on."
)
@keys_option
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; else stdout.")
def write_proof(
    *,
    event_id: str,
    bucket: str | None,
    directory: Path | None,
    table: str | None,
    since: int | None,
    keys: Path | None,
    output: Path | None,
) -> None:
    """Write the proof that the row of EVENT_ID is in the tree of the newest digest: one JSON document with the row's line, its audit
    path (RFC 9162) and the signed digest; with --keys the newest one that one of them signed. examples/verify_proof.py checks it without this program. Reads every row.
    """
    if bucket and directory:
        raise click.UsageError("give --bucket or --directory, not both")
    try:
        proof = asyncio.run(_prove(bucket, directory, event_id, table=table, since=since, keys=key_ring(keys)))
    except NotProvable as error:
        raise Failed(str(error)) from error
    text = orjson.dumps(proof, option=orjson.OPT_INDENT_2).decode()
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(f"{text}\n")
    except OSError as error:
        raise Failed(f"{output}: {error.strerror}") from error


async def _prove(
    bucket: str | None,
    directory: Path | None,
    event_id: str,
    *,
    table: str | None,
    since: int | None,
    keys: KeyRing | None,
) -> dict[str, Any]:
    if directory:
        return await prove(Directory(directory), event_id, table=table, since=since, keys=keys)
    async with opened(bucket) as (source, _):
        return await prove(source, event_id, table=table, since=since, keys=keys)
