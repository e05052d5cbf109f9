"""`fleet webhooks`: a tenant's endpoints, by hand."""

from __future__ import annotations

import click

from fleet.cli.webhooks.endpoint import endpoint


@click.group(
    short_help="Webhook endpoints: register, rotate, disable, try out.",
    epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage or a field that cannot be so, 3 no such endpoint, "
    "5 refused by a rule.",
)
def webhooks() -> None:
    """Webhooks of a tenant. WEBHOOKS_TABLE_NAME names the table, or --stage, or --env-file."""


webhooks.add_command(endpoint)
