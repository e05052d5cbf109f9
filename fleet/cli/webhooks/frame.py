"""What the `fleet webhooks` commands share: options, exit codes, and the client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

import click

from fleet.cli.command import ClientCommand, Decorated, env_file_option, json_option
from workers.webhook_delivery.client import (
    Contested,
    NoSuchDelivery,
    NoSuchEndpoint,
    Refused,
    Webhooks,
    WrongField,
    open_webhooks,
)

Result = TypeVar("Result")


class WebhooksCommand(ClientCommand):
    """A command of the webhooks' client."""

    wrong = WrongField
    refused = (Refused, Contested)
    missing: ClassVar = {
        NoSuchEndpoint: "the tenant has no endpoint {}",
        NoSuchDelivery: "the endpoint has no delivery {} on record",
    }


def shared(command: Decorated) -> Decorated:
    """--tenant, --json and --env-file."""
    command = json_option(env_file_option(command))
    return click.option("--tenant", required=True, help="The tenant's id, as in the events' detail.tenantId.")(command)


def with_client(work: Callable[[Webhooks], Awaitable[Result]]) -> Result:
    """Do `work` with a client that is opened from the environment."""

    async def run() -> Result:
        async with open_webhooks(os.environ) as opened:
            return await work(opened)

    return asyncio.run(run())
