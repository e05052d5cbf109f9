"""`fleet archive`: the audit archive, verified, searched, compacted or closed with a digest, and the keys for it."""

from __future__ import annotations

import click

from fleet.cli.archive.backfill import backfill
from fleet.cli.archive.chain import write_digest, write_head
from fleet.cli.archive.compact import compact_hours
from fleet.cli.archive.find import find_rows, query_rows
from fleet.cli.archive.keys import new_key, write_public_key
from fleet.cli.archive.prove import write_proof
from fleet.cli.archive.subject import erase_subject
from fleet.cli.archive.verify import verify_archive


@click.group(short_help="Verify, search or compact the audit archive, or write its next digest.")
def archive() -> None:
    """Verify, search or compact the audit archive, or write its next digest."""


for command in (
    verify_archive,
    find_rows,
    query_rows,
    compact_hours,
    backfill,
    write_proof,
    erase_subject,
    write_digest,
    write_head,
    write_public_key,
    new_key,
):
    archive.add_command(command)
