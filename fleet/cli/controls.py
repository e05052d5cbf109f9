"""`fleet pause`, `resume`, `limit`: orders to the running containers of one worker."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

import click

from fleet.cli.command import Finite, env_file_option
from fleet.cli.dlq.frame import DlqCommand, audited, begin, desk
from shared.clients import Clients
from shared.container.controls import LEAST_RATE, LOOKS_EVERY, MOST_AT_ONCE, Orders, opened
from shared.outcome import status_of
from workers import roster

PARTLY = 4
OWN = "the worker's own"
WAITS, EVERY = LOOKS_EVERY + 2.0, 0.5
"""Seconds for which processes are waited for, and between two looks for them."""

_wait = click.option("--wait/--no-wait", default=True, help="Wait for the containers and name those that follow.")
_reason = click.option("--reason", default="", help="Why; kept in the audit log.")
_worker = click.argument("worker", type=click.Choice([*roster.WORKERS]))


@click.command(cls=DlqCommand, short_help="Let a worker's containers finish and receive nothing more.")
@_worker
@_reason
@_wait
@env_file_option
def pause(worker: str, *, reason: str, wait: bool) -> None:
    """Pause WORKER: its containers finish what they have in hand and receive nothing until `fleet resume`.

    Messages wait in the queue and lose nothing but time; mind the queue's retention. Behind Lambda, disable the event
    source mapping instead: aws lambda update-event-source-mapping --uuid UUID --no-enabled.

    Names each process that follows, for seven seconds, and ends with 4 where none does.
    """
    _give("pause", worker, lambda orders: replace(orders, paused=True), reason=reason, wait=wait)


@click.command(cls=DlqCommand, short_help="End a pause.")
@_worker
@_reason
@_wait
@env_file_option
def resume(worker: str, *, reason: str, wait: bool) -> None:
    """End the pause of WORKER; its limits stay as they are."""
    _give("resume", worker, lambda orders: replace(orders, paused=False), reason=reason, wait=wait)


@click.command(cls=DlqCommand, short_help="Change a running worker's concurrency or rate.")
@_worker
@click.option(
    "--concurrency", type=click.IntRange(1, MOST_AT_ONCE), help="Messages or batches at once, per container and queue."
)
@click.option("--rate", type=Finite(LEAST_RATE), help="Messages started per second, per container and queue.")
@_reason
@_wait
@env_file_option
def limit(worker: str, *, concurrency: int | None, rate: float | None, reason: str, wait: bool) -> None:
    """Limit WORKER while it runs. What is not named goes back to the worker's own."""
    note = f"concurrency {concurrency or OWN}, rate {rate or OWN}"
    change = partial(replace, concurrency=concurrency, rate=rate)
    _give("limit", worker, change, reason=reason, wait=wait, note=note)


def _give(
    act: str, worker: str, change: Callable[[Orders], Orders], *, reason: str, wait: bool, note: str = ""
) -> None:
    """Give an order behind its record in the audit log; ends with 4 where nobody follows it."""
    tools = desk()
    with audited(tools, act, queue=worker, reason=" ".join(reason.split())) as record:
        begin(tools, act, record, reason=" ".join(reason.split()), note=note)
        followed = asyncio.run(_order(worker, change, wait=wait))
    if not followed:
        sys.exit(PARTLY)


async def _order(worker: str, change: Callable[[Orders], Orders], *, wait: bool) -> bool:
    """Give the order, and name every process that follows. False where none does."""
    async with Clients(os.environ) as clients:
        controls = await opened(clients)
        giving = controls.change(worker, change, number=uuid.uuid4().hex, unread=_replaced)
        orders = await told_where_unsure(giving, say=lambda words: click.echo(words, err=True))
        state = "paused" if orders.paused else "running"
        click.echo(f"{worker}: {state}, concurrency {orders.concurrency or OWN}, rate {orders.rate or OWN}")
        if not wait:
            click.echo(
                f"not waited for: a container that takes orders follows within {LOOKS_EVERY:.0f} s, and this does not say whether any does",
                err=True,
            )
            return True
        named = await named_followers(worker, orders.number, controls, say=lambda words: click.echo(words, err=True))
    if not named:
        click.echo(
            f"nobody follows: no container of {worker} took the order within {WAITS:.0f} s. Unless somebody gave another one since, it stays for those that "
            "start later; a container without LEDGER_TABLE_NAME takes none, and a Lambda neither",
            err=True,
        )
    return bool(named)


def _replaced(why: ValueError) -> None:
    click.echo(f"the orders before are not of their schema and are replaced: {why}", err=True)


async def told_where_unsure(giving: Awaitable[Orders], *, say: Callable[[str], None]) -> Orders:
    """The orders that were given. Of those that had no answer it is said that they may have been."""
    try:
        return await giving
    except Exception as error:
        if status_of(error) is None:
            say(
                "no answer: the order may have been given all the same. Give it again: that changes nothing where it was"
            )
        raise


class Answering(Protocol):
    """Who follows the orders in force."""

    async def followers(self, worker: str, number: str) -> frozenset[str]: ...


async def named_followers(
    worker: str, number: str, controls: Answering, *, say: Callable[[str], None]
) -> frozenset[str]:
    """Wait as long as a running container may take, and say each process that follows the order with this number as soon as it does."""
    named: frozenset[str] = frozenset()
    for _ in range(round(WAITS / EVERY)):
        await asyncio.sleep(EVERY)
        found = await controls.followers(worker, number)
        for process in sorted(found - named):
            say(f"{process} follows")
        named |= found
    return named
