"""What the commands of a producer share: options, exit codes, and the client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

import click

from fleet.cli.command import ClientCommand, Decorated, env_file_option, json_option
from workers.reminder_dispatch.client import (
    Contested,
    NoSuchReminder,
    Refused,
    ReminderClient,
    WrongField,
    open_reminders,
)

Result = TypeVar("Result")


class RemindersCommand(ClientCommand):
    """A command of the reminders' client."""

    wrong = WrongField
    refused = (Refused, Contested)
    missing: ClassVar = {NoSuchReminder: "the tenant has no reminder {}"}


def shared(command: Decorated) -> Decorated:
    """--tenant, --json and --env-file."""
    command = json_option(env_file_option(command))
    return click.option("--tenant", required=True, help="The tenant's id.")(command)


def with_client(work: Callable[[ReminderClient], Awaitable[Result]]) -> Result:
    """Do `work` with a client that is opened from the environment."""

    async def run() -> Result:
        async with open_reminders(os.environ) as opened:
            return await work(opened)

    return asyncio.run(run())
