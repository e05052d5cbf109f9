"""`fleet webhooks`: a tenant's endpoints and deliveries, by hand."""

from __future__ import annotations

import click

from fleet.cli.webhooks.delivery import deliveries, expunge, recover, resend, show
from fleet.cli.webhooks.endpoint import endpoint
from fleet.cli.webhooks.publish import publish


@click.group(
    short_help="Webhooks: endpoints, publish, deliveries, resend, recover, expunge.",
    epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage or a field that cannot be so, 3 no such endpoint, "
    "5 refused by a rule.",
)
def webhooks() -> None:
    """Webhooks of a tenant. WEBHOOKS_TABLE_NAME names the table, or --stage, or --env-file."""


for command in (endpoint, publish, deliveries, show, resend, recover, expunge):
    webhooks.add_command(command)
