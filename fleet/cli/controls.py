"""`fleet pause`, `resume`, `limit`: orders to the running containers of one worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

import click

from fleet.cli.command import Command, env_file_option
from shared.clients import Clients
from shared.container.controls import LOOKS_EVERY, Orders, opened
from workers import roster

_worker = click.argument("worker", type=click.Choice([*roster.WORKERS]))


@click.command(cls=Command, short_help="Let a worker's containers finish and receive nothing more.")
@_worker
@env_file_option
def pause(worker: str) -> None:
    """Pause WORKER: its containers finish what they have in hand and receive nothing until `fleet resume`.

    Messages wait in the queue and lose nothing but time; mind the queue's retention. Behind Lambda, disable the event
    source mapping instead: aws lambda update-event-source-mapping --uuid UUID --no-enabled.
    """
    asyncio.run(_order(worker, lambda orders: replace(orders, paused=True)))


@click.command(cls=Command, short_help="End a pause.")
@_worker
@env_file_option
def resume(worker: str) -> None:
    """End the pause of WORKER; its limits stay as they are."""
    asyncio.run(_order(worker, lambda orders: replace(orders, paused=False)))


@click.command(cls=Command, short_help="Change a running worker's concurrency or rate.")
@_worker
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Messages at once, per container and queue.")
@click.option("--rate", type=click.FloatRange(0.1), help="Messages started per second, per container and queue.")
@env_file_option
def limit(worker: str, *, concurrency: int | None, rate: float | None) -> None:
    """Limit WORKER while it runs. What is not named goes back to the worker's own."""
    asyncio.run(_order(worker, lambda orders: replace(orders, concurrency=concurrency, rate=rate)))


async def _order(worker: str, change: Callable[[Orders], Orders]) -> None:
    async with Clients(os.environ) as clients:
        controls = await opened(clients)
        orders = change(await controls.read(worker))
        await controls.write(worker, orders)
    state = "paused" if orders.paused else "running"
    own = "the worker's own"
    click.echo(f"{worker}: {state}, concurrency {orders.concurrency or own}, rate {orders.rate or own}")
    click.echo(f"running containers follow within {LOOKS_EVERY:.0f} s", err=True)
