"""`fleet console`: dead letters in a browser."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet.cli.command import Failed, env_file_option
from fleet.cli.dlq.frame import DlqCommand, Refused

if TYPE_CHECKING:
    from fleet.console.state import Console
    from fleet.doctor.deployed import Stage

HOST = "127.0.0.1"
MISSING = "the console needs Jinja2: pip install --require-hashes -r requirements/console.txt (or the extra `console`)"


@click.command(
    "console", cls=DlqCommand, short_help="Dead letters, workers and stories in a browser, on this computer alone."
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of 127.0.0.1; a free one by default.")
@click.option("--host", default=HOST, metavar=HOST, help="Any other address is refused.")
@click.option(
    "--allow-writes",
    is_flag=True,
    help="Let the pages replay, cancel, edit, resend and give orders; without it they only look.",
)
@click.option(
    "--plans",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where plan files are written and read; else `plans` beside the key of plans.",
)
@env_file_option
def console(*, port: int, host: str, allow_writes: bool, folder: Path | None) -> None:
    """Look at dead letters, workers and any message's story in a browser, plan a replay and carry it out, give orders: what the command
    line does, and nothing that it does not.

    Prints an address with a token that is good once, and serves until Ctrl-C. A replay that was begun goes on after that.
    """
    if host != HOST:
        raise Refused(
            f"nothing was bound: --host {host} would open the console to others, and its token is meant for this computer alone. "
            f"Leave --host out, and come from elsewhere through a tunnel: ssh -L PORT:{HOST}:PORT"
        )
    try:
        from fleet.console.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        raise Failed(MISSING) from error
    try:
        stage = click.get_current_context().find_root().obj
        asyncio.run(serve(partial(_made, folder, allow_writes, stage), port, click.echo))
    except OSError as error:
        raise Failed(f"port {port} of {HOST}: {error.strerror}") from error


def _made(folder: Path | None, allow_writes: bool, stage: Stage | None, address: str) -> Console:  # noqa: FBT001 - bound by position
    from fleet.console.commands import Processes
    from fleet.console.guard import Door
    from fleet.console.inventories import Inventories
    from fleet.console.pages import templates
    from fleet.console.plans import Plans
    from fleet.console.running.depths import Depths, cloudwatch
    from fleet.console.state import Console
    from fleet.dead_letters.plan_key import plan_key
    from fleet.dead_letters.queues.catalog import Catalog, connect, service
    from fleet.dead_letters.replay.inventory import Desk
    from fleet.dead_letters.settings import ReplaySettings
    from shared.settings import read_settings

    settings, client = read_settings(ReplaySettings, os.environ), connect()

    def tools() -> Desk:
        return Desk(settings, Catalog(client, os.environ), os.environ, time.time)

    return Console(
        door=Door(address),
        settings=settings,
        inventories=Inventories(tools),
        plans=Plans(folder or settings.state_directory / "plans", lambda: plan_key(settings)),
        commands=Processes(os.environ),
        templates=templates(),
        now=time.time,
        depths=Depths(cloudwatch(lambda: service("cloudwatch")), time.time),
        place=_place(stage, client.meta.region_name, client.meta.endpoint_url),
        allow_writes=allow_writes,
    )


def _place(stage: Stage | None, region: str, endpoint: str) -> str:
    """As each page says where its queues are: two consoles look alike."""
    named = f"{stage.project}, stage {stage.stage}" if stage is not None else "no stage named"
    at = "" if ".amazonaws." in endpoint else f", {endpoint}"
    return f"{named}, {region}{at}"
