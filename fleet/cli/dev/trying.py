"""`fleet try`: drives a running development fleet, and says what happens."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import click

from fleet.cli import env_file
from fleet.cli.command import Failed, Finite, Misconfigured, tell
from fleet.cli.dev.options import LocalCommand, file_option
from fleet.cli.given import Strict
from fleet.dev.tries import archive as archive_
from fleet.dev.tries import reminder as reminder_
from fleet.dev.tries import upload as upload_
from fleet.dev.tries import webhook as webhook_
from fleet.dev.tries.ground import NoEffect, Tried
from fleet.dev.tries.webhook import Answers

Story = Callable[[Tried], AsyncIterator[str]]


class Group(Strict, click.Group):
    """What can be tried."""


@click.group(
    "try", cls=Group, invoke_without_command=True, short_help="Drive a running `fleet dev`, and say what happens."
)
@file_option("What `fleet dev` wrote.")
@click.option("--within", type=Finite(min=1), default=60.0, show_default=True, help="Seconds for each effect.")
@click.pass_context
def try_(ctx: click.Context, *, file: Path, within: float) -> None:
    """Drive a fleet that `fleet dev` runs: all four concerns, or the one that is named. Each step is told as it happens, until the effect.

    Ends with 1 where an effect does not come, and says where to look.
    """
    ctx.obj = (file, within)
    if ctx.invoked_subcommand is None:
        for command in (upload, webhook, reminder, archive):
            tell(command.name or "")
            ctx.invoke(command)


@try_.command(cls=LocalCommand, short_help="Upload a file, and be told as its browser.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def upload(where: tuple[Path, float], *, file: Path | None = None) -> None:
    """FILE, or else a small picture."""
    _play(where, lambda tried: upload_.upload(tried, file))


@try_.command(cls=LocalCommand, short_help="Publish an event, and receive it as a webhook.")
@click.option(
    "--answers",
    type=click.Choice(["ok", "down", "gone"]),
    default="ok",
    show_default=True,
    help="The endpoint answers 200; 503 once; or 410.",
)
@click.pass_obj
def webhook(where: tuple[Path, float], *, answers: Answers = "ok") -> None:
    """At an endpoint of a tenant of its own."""
    _play(where, lambda tried: webhook_.webhook(tried, answers))


@try_.command(cls=LocalCommand, short_help="Schedule a reminder, and receive its push.")
@click.option("--seconds", type=Finite(min=1, max=60), default=5.0, show_default=True, help="From now on.")
@click.pass_obj
def reminder(where: tuple[Path, float], *, seconds: float = 5.0) -> None:
    """By push."""
    _play(where, lambda tried: reminder_.reminder(tried, seconds))


@try_.command(cls=LocalCommand, short_help="Write a row, and find its record in the audit archive.")
@click.pass_obj
def archive(where: tuple[Path, float]) -> None:
    """A session's."""
    _play(where, archive_.archive)


def _play(where: tuple[Path, float], story: Story) -> None:
    file, within = where
    environment = _environment(file)

    async def run() -> None:
        begun = time.monotonic()
        async with aiohttp.ClientSession() as http:
            tried = Tried(environment, file, http, within)
            await tried.check()
            async for step in story(tried):
                tell(f"{time.monotonic() - begun:5.1f} s  {step}")

    try:
        asyncio.run(run())
    except (NoEffect, aiohttp.ClientError) as error:
        raise Failed(str(error)) from error


def _environment(file: Path) -> dict[str, str]:
    """The running fleet's, over what is set here: another fleet is never driven by it. Raises Misconfigured."""
    try:
        given = env_file.read(file)
    except FileNotFoundError as error:
        raise Misconfigured(
            f"there is no {file}: start `fleet dev` in this folder, or name its file with `fleet try --env-file`"
        ) from error
    except ValueError as error:
        raise Misconfigured(f"{file}: {error}") from error
    if "STAND_INS_PORT" not in given:
        raise Misconfigured(
            f"{file} is not of a `fleet dev`: it has no STAND_INS_PORT, and nothing else is driven here"
        )
    os.environ.update(given)
    return {**os.environ}
