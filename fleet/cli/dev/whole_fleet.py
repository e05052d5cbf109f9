"""`fleet dev`: the fleet on this machine, left running."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console

from fleet.cli import env_file
from fleet.cli.dev.options import LocalCommand, file_option, sigterm_leaves_in_order, until_signalled, where_options
from fleet.dev import private, reload
from fleet.dev.dev import Fleet, Ground, Plan, open_ground, run_workers
from fleet.dev.stand_ins import edge, server
from workers import roster

words = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

SECRETS = frozenset({"AWS_SECRET_ACCESS_KEY", "AUDIT_HASH_KEYS", "EXPO_ACCESS_TOKEN", "STAND_INS_WEBHOOK_SECRET"})
"""Printed never; the file has them."""


@click.command(cls=LocalCommand, short_help="Run the whole fleet on this machine, for any AWS client to drive.")
@where_options
@file_option("Where to write every name and address, for other programs.")
@click.option("--reload", "reloads", is_flag=True, help="Start a worker again when its code changes.")
@click.option("--verbose", "-v", is_flag=True, help="Print every variable as well; secrets stand in the file alone.")
def dev(endpoint: str | None, project: str, stage: str, file: Path, *, reloads: bool, verbose: bool) -> None:
    """Run the whole fleet on this machine, for any AWS client to drive.

    Starts an emulator, deploys the topology, starts what the emulator lacks and the workers, each a process of its
    own; prints where everything is; restarts a worker that dies. Ctrl-C drains all, a second one ends them at once.

    Several at once need folders of their own: --env-file .fleet/second/dev.env, whose folder holds the logs as well.
    """
    plan = Plan(endpoint=endpoint, project=project, stage=stage, home=file.parent)
    with sigterm_leaves_in_order(), open_ground(plan, words.print) as ground:
        try:
            until_signalled(_serve(plan, ground, file, reloads=reloads, verbose=verbose))
        finally:
            file.unlink(missing_ok=True)  # what it names has ended


async def _serve(plan: Plan, ground: Ground, file: Path, *, reloads: bool, verbose: bool) -> None:
    async with run_workers(plan, ground, words.print, all_of_them=False) as fleet:
        private.folder(file.parent)
        env_file.write(file, fleet.environment)
        for line in lines(fleet, file=file, logs=plan.home / "logs", verbose=verbose):
            click.echo(line)
        words.print("ready. Ctrl-C drains all")
        try:
            await (reload.watch(roster.WORKERS, fleet.workers.renew) if reloads else asyncio.Event().wait())
        except asyncio.CancelledError:
            words.print("draining")


def lines(fleet: Fleet, *, file: Path, logs: Path, verbose: bool) -> Iterator[str]:
    """Where everything of a running fleet is, and something to try; never a secret."""
    url = fleet.stand_ins_url
    shown = {
        "AWS": fleet.ground.endpoint.url,
        "browsers connect to": f"{fleet.browser_url}?sessionId=...",
        "webhook endpoints": f"{url}{server.WEBHOOKS}/ok /flaky /gone /slow",
        "webhooks received": f"{url}{server.WEBHOOKS}/received",
        "pushes received": f"{url}{server.EXPO}/received",
        "workers": ", ".join(f"{worker} ({pid})" for worker, pid in fleet.workers.pids.items()),
        "logs": f"{logs}",
        "for your shell": f"set -a; . {file}; set +a",
        "try this": f"fleet try --env-file {file}",
        "or in a browser": f"{url}{server.GATEWAY}{edge.PAGE}",
    }
    if verbose:
        shown |= {name: value for name, value in sorted(fleet.environment.items()) if name not in SECRETS}
    width = max(map(len, shown)) + 2
    for name, value in shown.items():
        yield f"{name:{width}}{value}"
