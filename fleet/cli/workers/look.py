"""`fleet workers`: each worker's orders, and of its containers heartbeat, version and what troubles them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import click

from fleet.cli.command import Command, env_file_option, json_option, print_json, tell
from fleet.cli.controls import OWN
from shared.clients import Clients
from shared.container.controls import Controls, Orders
from shared.container.heartbeat import SILENT, Beat, Heartbeats
from workers import roster

PARTLY = 4


@click.command("workers", cls=Command, short_help="Who runs: heartbeats, versions, open breakers, orders.")
@json_option
@env_file_option
def workers(*, as_json: bool) -> None:
    """What containers write into the ledger table (LEDGER_TABLE_NAME) each minute, and the orders in force. Changes nothing.

    Functions write no heartbeat: of those the logs and CloudWatch tell. Ends with 4 where orders cannot be read.
    """
    found = asyncio.run(_found())
    for each in found:
        if as_json:
            print_json(each)
        else:
            tell(_lines(each))
    sys.exit(PARTLY if any(each["unreadable"] for each in found) else 0)


async def _found() -> list[dict[str, Any]]:
    async with Clients(os.environ) as clients:
        [table] = clients.required("LEDGER_TABLE_NAME")
        client = await clients.open("dynamodb")
        controls, beats = Controls(client, table=table), Heartbeats(client, table=table)
        return [await _of(worker, controls, beats) for worker in roster.WORKERS]


async def _of(worker: str, controls: Controls, beats: Heartbeats) -> dict[str, Any]:
    orders, unreadable, following = Orders(), "", frozenset[str]()
    try:
        orders = await controls.read(worker)
    except ValueError as error:
        unreadable = str(error)
    else:
        following = await controls.followers(worker, orders.number) if orders.number else following
    heard = await beats.read(worker)
    return document(worker, orders, heard, now=time.time(), following=following, unreadable=unreadable)


def document(
    worker: str, orders: Orders, heard: tuple[Beat, ...], *, now: float, following: frozenset[str], unreadable: str
) -> dict[str, Any]:
    """One worker as `--json` prints it; `follows` is None where no order was given."""
    processes = [
        {
            "process": each.process,
            "heard_at": each.at,
            "is_silent": now - each.at > SILENT and not each.has_ended,
            "has_ended": each.has_ended,
            "version": each.version,
            "done_at": each.done_at or None,
            "follows": each.process in following if orders.number and not each.has_ended else None,
            "faults": list(each.faults),
        }
        for each in heard
    ]
    return {
        "worker": worker,
        "paused": orders.paused,
        "concurrency": orders.concurrency,
        "rate": orders.rate,
        "unreadable": unreadable,
        "processes": processes,
        "followed_by_nobody": _are_orders(orders) and not any(_obeys(each) for each in processes),
        "read_at": now,
    }


def _obeys(process: dict[str, Any]) -> bool:
    return process["follows"] is True and not process["is_silent"]


def _are_orders(orders: Orders) -> bool:
    return orders.paused or orders.concurrency is not None or orders.rate is not None


def _lines(each: dict[str, Any]) -> str:
    state = "paused" if each["paused"] else "not paused"
    orders = f"{state}, concurrency {each['concurrency'] or OWN}, rate {each['rate'] or OWN}"
    lines = [f"{each['worker']}: {each['unreadable'] or orders}"]
    for one in each["processes"]:
        heard, done = _ago(one["heard_at"], each["read_at"]), _ago(one["done_at"], each["read_at"])
        follows = {None: "", True: "  follows", False: "  does not follow yet"}[one["follows"]]
        state = "ended" if one["has_ended"] else "silent:" if one["is_silent"] else "heard"
        lines.append(f"  {one['process']}  {state} {heard}  {one['version']}  last done {done}{follows}")
        lines += [f"    {fault}" for fault in one["faults"]]
    if not each["processes"]:
        lines.append("  no heartbeat of a container")
    if each["followed_by_nobody"]:
        lines.append("  no container that is heard of follows these orders yet; a function takes none")
    return "\n".join(lines)


def _ago(moment: float | None, now: float) -> str:
    return f"{max(0, now - moment):.0f} s ago" if moment else "never"
