"""What `fleet dev`, `fleet try` and `fleet demo` share: the options that say where the fleet runs, and how a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from fleet.cli.command import Failed, Misconfigured, report_faults
from fleet.cli.given import Strict
from fleet.dev.crew import CrewFailed
from fleet.dev.deploy import DeploymentFailed
from fleet.dev.dev import NotAnEmulator, Unreachable
from fleet.dev.emulators.ministack import EmulatorFailed
from fleet.dev.environments import EnvironmentBroken
from fleet.dev.private import NotPrivate, Taken
from fleet.dev.reload import NotInstalled

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Answer = TypeVar("Answer")


def where_options(command: Decorated) -> Decorated:
    """`--endpoint`, `--project` and `--stage`."""
    command = click.option("--stage", default="dev", show_default=True, help="Names end with it.")(command)
    command = click.option("--project", default="fleet", show_default=True, help="Names begin with it.")(command)
    return click.option(
        "--endpoint",
        metavar="URL",
        help="An emulator that runs already, such as http://127.0.0.1:4566; without it one is started.",
    )(command)


def file_option(words: str) -> Callable[[Decorated], Decorated]:
    """`--env-file`, which holds what a development fleet is made of."""
    return click.option(
        "--env-file",
        "file",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path(".fleet/dev.env"),
        show_default=True,
        help=words,
    )


class LocalCommand(Strict):
    """A command that runs processes on this machine: what keeps them from starting is reported in words."""

    def invoke(self, ctx: click.Context) -> Any:
        with report_faults(), _report_local_faults():
            return super().invoke(ctx)


@contextmanager
def _report_local_faults() -> Iterator[None]:
    try:
        yield
    except (NotAnEmulator, NotInstalled, Taken) as error:
        raise Misconfigured(str(error)) from error
    except (CrewFailed, DeploymentFailed, EmulatorFailed, EnvironmentBroken, NotPrivate, Unreachable) as error:
        raise Failed(str(error)) from error


def until_signalled(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run `work`; SIGINT and SIGTERM cancel it, so that its blocks are left in order. Raises click.Abort if it was cut."""

    async def watched() -> Answer:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await task

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        raise click.Abort from None


@contextmanager
def sigterm_leaves_in_order() -> Iterator[None]:
    """Make SIGTERM unwind the stack, as Ctrl-C does, while no event loop runs yet: the emulator must not stay behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        with suppress(ValueError, TypeError):
            signal.signal(signal.SIGTERM, before)
