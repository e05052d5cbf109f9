"""`fleet sessions`: upload sessions by hand."""

from __future__ import annotations

import click

from fleet.cli.sessions.commands import close, form, open_, show, watch


@click.group(
    short_help="Upload sessions: open, form, show, watch, close.",
    epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage or a field that cannot be so, 3 no such session, "
    "5 refused by a rule.",
)
def sessions() -> None:
    """Upload sessions. SESSIONS_TABLE_NAME and UPLOAD_BUCKET_NAME name table and bucket, or --stage, or --env-file."""


for command in (open_, form, show, watch, close):
    sessions.add_command(command)
