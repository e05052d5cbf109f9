"""The command line, `fleet`: each command lives in a module of its own, imported only when it is asked for."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Final, NamedTuple

import click
from click.core import ParameterSource

from fleet.cli.given import Strict


class Entry(NamedTuple):
    """Where a command is, and the line that `fleet --help` prints without importing it."""

    place: str
    short_help: str


COMMANDS = {
    "run": Entry("fleet.cli.run:run", "Run one worker until it is told to stop."),
    "dev": Entry("fleet.cli.dev.whole_fleet:dev", "Run the whole fleet on this machine, for any AWS client to drive."),
    "try": Entry("fleet.cli.dev.trying:try_", "Drive a running `fleet dev`, and say what happens."),
    "demo": Entry("fleet.cli.dev.demo:demo", "Tell the fleet's whole story with real files, and check every effect."),
    "new": Entry("fleet.cli.dev.new:new", "Write a new worker into the repository."),
    "console": Entry(
        "fleet.cli.console:console", "Dead letters, workers and stories in a browser, on this computer alone."
    ),
    "doctor": Entry("fleet.cli.doctor:doctor", "Check endpoint, credentials and every resource; say what to do."),
    "planner": Entry("fleet.cli.deployment.traffic:planner", "Say what a traffic needs and costs, behind both doors."),
    "deploy": Entry("fleet.cli.deployment.deploy:deploy", "Say what a deployment would make, and its fixed cost."),
    "release": Entry("fleet.cli.deployment.release:release", "Say which version of each worker runs; go back to one."),
    "archive": Entry(
        "fleet.cli.archive:archive", "Verify, search or compact the audit archive, or write its next digest."
    ),
    "dlq": Entry("fleet.cli.dlq:dlq", "Dead letters: look, group, plan, replay, archive; nothing is lost."),
    "audit": Entry("fleet.cli.audit:audit", "The log of what people did to dead letters."),
    "reminders": Entry(
        "fleet.cli.reminders.group:reminders", "Reminders: schedule, list, change, cancel, and mend what stands wrong."
    ),
    "sessions": Entry("fleet.cli.sessions:sessions", "Upload sessions: open, form, show, watch, close."),
    "webhooks": Entry(
        "fleet.cli.webhooks:webhooks", "Webhooks: endpoints, publish, deliveries, resend, recover, expunge."
    ),
    "trace": Entry("fleet.cli.trace.command:trace", "One message's whole story, by any of its ids."),
    "workers": Entry("fleet.cli.workers.look:workers", "Who runs: heartbeats, versions, open breakers, orders."),
    "pause": Entry("fleet.cli.controls:pause", "Let a worker's containers finish and receive nothing more."),
    "resume": Entry("fleet.cli.controls:resume", "End a pause."),
    "limit": Entry("fleet.cli.controls:limit", "Change a running worker's concurrency or rate."),
    "stand-ins": Entry("fleet.cli.dev.stand_ins:stand_ins", "Serve what emulators lack (development only)."),
}

NOT_HERE = "this installation leaves fleet.dev out; run it from the repository, after `make setup`"


OWN_PLACE: Final = {
    "release": "write fleet release COMMAND STAGE --project NAME",
    "deploy": "write fleet deploy plan STAGE --set ProjectName=NAME",
    "dev": "write them behind it",
    "demo": "write them behind it",
    "try": "it drives the `fleet dev` whose --env-file it is given",
    "new": "it writes into the repository, of no stage",
    "planner": "it asks nothing of any stage",
}
"""Commands that do not look where --stage says, and what to write instead."""


class Lazily(Strict, click.Group):
    """A group that knows its commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature, here and below
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].place.partition(":")
        try:
            found: click.Command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name != "fleet.dev":
                raise
            raise click.UsageError(f"`fleet {cmd_name}` is for development: {NOT_HERE}") from error
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in COMMANDS.items()])


def _show_completion(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell is None:
        return
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.BadParameter(f"no completion for {shell}: bash, zsh and fish have one")
    click.echo(found(fleet, {}, "fleet", "_FLEET_COMPLETE").source())
    ctx.exit()


@click.group(
    cls=Lazily,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 it failed or something was found, 2 wrong usage or configuration; of `fleet dlq`, `webhooks` and `release` also "
    "3 nothing matched, 4 partly done, 5 refused by a rule of safety, 130 interrupted.",
)
@click.version_option(package_name="sqs-worker-fleet", prog_name="fleet")
@click.option(
    "--show-completion",
    is_flag=False,
    flag_value="bash",
    metavar="SHELL",
    is_eager=True,
    expose_value=False,
    callback=_show_completion,
    help="Print the completion script for bash (or zsh, fish), to be sourced.",
)
@click.option("--stage", metavar="NAME", help="Find queues, tables and buckets by the outputs of this stage's stack.")
@click.option("--project", default="fleet", show_default=True, help="With --stage: names begin with it.")
@click.pass_context
def fleet(ctx: click.Context, *, stage: str | None, project: str) -> None:
    """A fleet of SQS workers: reminders, webhooks, uploads and audit.

    Workers are configured by environment variables alone; `fleet dev` writes a complete set to .fleet/dev.env, and --stage
    takes what a deployed stage is called: `fleet --stage prod dlq ls`.
    """
    _refuse_what_would_be_passed_over(ctx)
    if stage is not None:
        from fleet.cli.stage import enter

        ctx.obj = enter(stage, project)


def _refuse_what_would_be_passed_over(ctx: click.Context) -> None:
    """Another fleet than the one that was named must not be rolled back, looked at or planned in silence."""
    given = {name for name in ("stage", "project") if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT}
    command = ctx.invoked_subcommand or ""
    if given and command in OWN_PLACE:
        raise click.UsageError(f"`fleet {command}` reads no --stage or --project before it: {OWN_PLACE[command]}")
    if given == {"project"}:
        raise click.UsageError("--project says nothing without --stage: give both")


def main() -> None:
    """The entry point of the installed command."""
    if next((word for word in sys.argv[1:] if word in COMMANDS), None) == "run":
        # The first process of a container gets no signal that it has no handler for: a worker would start, take messages, and be
        # killed with them. Imports take seconds on a small CPU; nothing was received yet, and there is nothing to drain.
        signal.signal(signal.SIGTERM, _leave_at_once)
    fleet(prog_name="fleet")


def _leave_at_once(_number: int, _frame: object) -> None:
    """Not by an exception: where Python is in a callback of its own, as its imports have, it would be passed over, and the process
    would never leave.
    """
    os._exit(0)
