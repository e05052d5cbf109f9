"""`fleet dev`: the fleet on this machine, left running."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from fleet.cli import env_file
from fleet.cli.dev.options import LocalCommand, sigterm_leaves_in_order, until_signalled, where_options
from fleet.dev import private, reload
from fleet.dev.dev import Fleet, Ground, Plan, open_ground, run_workers
from fleet.dev.stand_ins import server
from workers import roster

words = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

SECRETS = frozenset({"AWS_SECRET_ACCESS_KEY", "AUDIT_HASH_KEYS", "EXPO_ACCESS_TOKEN", "STAND_INS_WEBHOOK_SECRET"})
"""Left out of the table; the file has them."""


@click.command(cls=LocalCommand, short_help="Run the whole fleet on this machine, for any AWS client to drive.")
@where_options
@click.option(
    "--env-file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".fleet/dev.env"),
    show_default=True,
    help="Where to write every name and address, for other programs.",
)
@click.option("--reload", "reloads", is_flag=True, help="Start a worker again when its code changes.")
def dev(endpoint: str | None, project: str, stage: str, file: Path, *, reloads: bool) -> None:
    """Run the whole fleet on this machine, for any AWS client to drive.

    Starts an emulator, deploys the topology, starts what the emulator lacks and the workers, each a process of its
    own; prints every address and name; restarts a worker that dies. Ctrl-C drains all, a second one ends them at once.
    """
    plan = Plan(endpoint=endpoint, project=project, stage=stage, home=file.parent)
    try:
        with sigterm_leaves_in_order(), open_ground(plan, words.print) as ground:
            until_signalled(_serve(plan, ground, file, reloads=reloads))
    finally:
        file.unlink(missing_ok=True)  # what it names has ended


async def _serve(plan: Plan, ground: Ground, file: Path, *, reloads: bool) -> None:
    async with run_workers(plan, ground, words.print, all_of_them=False) as fleet:
        private.folder(file.parent)
        env_file.write(file, fleet.environment)
        Console().print(table(fleet))
        words.print(f"ready. For your shell: set -a; . {file}; set +a     Logs: {plan.home}/logs     Ctrl-C drains all")
        try:
            await (reload.watch(roster.WORKERS, fleet.workers.renew) if reloads else asyncio.Event().wait())
        except asyncio.CancelledError:
            words.print("draining")


def table(fleet: Fleet) -> Table:
    """Every address and name of a running fleet, secrets left out."""
    rows = Table(title="the fleet", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("name", "value"):
        rows.add_column(column, overflow="fold", no_wrap=column == "name")
    for name, value in {**_addresses(fleet), **_shown(fleet.environment)}.items():
        rows.add_row(name, value)
    return rows


def _addresses(fleet: Fleet) -> dict[str, str]:
    url = fleet.stand_ins_url
    return {
        "AWS": fleet.ground.endpoint.url,
        "browsers connect to": f"{fleet.browser_url}?sessionId=...",
        "webhook endpoints": f"{url}{server.WEBHOOKS}/ok /flaky /gone /slow",
        "webhooks received": f"{url}{server.WEBHOOKS}/received",
        "pushes received": f"{url}{server.EXPO}/received",
        **{worker: f"pid {pid}" for worker, pid in fleet.workers.pids.items()},
    }


def _shown(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in sorted(environment.items()) if name not in SECRETS}
