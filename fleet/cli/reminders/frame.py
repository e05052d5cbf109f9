"""What the commands of a producer share: options, exit codes, and the client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from fleet.cli.command import Command, Misconfigured, env_file_option
from fleet.dead_letters.model.redaction import json_line, one_line, printable
from workers.reminder_dispatch.client import (
    Contested,
    NoSuchReminder,
    Refused,
    ReminderClient,
    WrongField,
    open_reminders,
)

NOTHING, REFUSED = 3, 5

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Result = TypeVar("Result")


class NotThere(click.ClickException):
    """The tenant has no such reminder."""

    exit_code = NOTHING


class Forbidden(click.ClickException):
    """A rule forbids it."""

    exit_code = REFUSED


class RemindersCommand(Command):
    """A command whose faults become one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WrongField as error:
            raise Misconfigured(one_line(str(error))) from error
        except NoSuchReminder as error:
            raise NotThere(one_line(f"the tenant has no reminder {error}")) from error
        except (Refused, Contested) as error:
            raise Forbidden(one_line(str(error))) from error


def shared(command: Decorated) -> Decorated:
    """--tenant, --json and --env-file."""
    command = env_file_option(command)
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")(command)
    return click.option("--tenant", required=True, help="The tenant's id.")(command)


def with_client(work: Callable[[ReminderClient], Awaitable[Result]]) -> Result:
    """Do `work` with a client that is opened from the environment."""

    async def run() -> Result:
        async with open_reminders(os.environ) as opened:
            return await work(opened)

    return asyncio.run(run())


def say(words: str) -> None:
    """To a person, on stderr."""
    click.echo(one_line(words), err=True)


def tell(words: str) -> None:
    """Data, on stdout; what a row holds cannot speak to the terminal."""
    click.echo(printable(words))


def print_json(document: Any) -> None:
    click.echo(json_line({"version": 1, **document}))
