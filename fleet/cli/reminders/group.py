"""The commands of `fleet reminders`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
import orjson

from fleet.cli.command import FAILED, Command, Finite, env_file_option
from shared.clients import Clients
from workers.reminder_dispatch.schedule.recompute import Moved, Odd
from workers.reminder_dispatch.schedule.zones import VERSION
from workers.reminder_dispatch.table.keys import due_text

if TYPE_CHECKING:
    from shared.sqs.sender import Send
    from workers.reminder_dispatch.table.store import DynamoReminders


@click.group(short_help="Reminders in their table: find and mend what stands wrong.")
def reminders() -> None:
    """Reminders in their table: find and mend what stands wrong."""


@reminders.command(cls=Command, short_help="Put what waits where the zone data of today has it.")
@click.option("--yes", is_flag=True, help="Act. Without it, only tell what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@env_file_option
def recompute(*, yes: bool, as_json: bool) -> None:
    """Put each waiting reminder where the locked zone data has its wall time: for the day after a release with newer data.

    Reads REMINDERS_TABLE_NAME and REMINDERS_QUEUE_URL. What is due within 75 seconds is left as it is. Ends with 1 where
    a row cannot be placed.
    """
    found: list[dict[str, Any]] = []
    counts = asyncio.run(_recompute(act=yes, found=found))
    if as_json:
        document = {"version": 1, "zone_data": VERSION, "acted": yes, "counts": counts, "rows": found}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        for each in found:
            click.echo(f"{each['key']}  {each['was']} -> {each['now'] or each.get('why_not', 'not at all')}")
        click.echo(
            f"zone data {VERSION}: " + ", ".join(f"{name} {number}" for name, number in counts.items()), err=True
        )
        if counts["moved"] and not yes:
            click.echo("nothing was written; act with --yes", err=True)
    sys.exit(FAILED if counts["odd"] or counts["changed"] else 0)


@reminders.command(cls=Command, short_help="Queue what should have been sent and was not.")
@click.option("--yes", is_flag=True, help="Act. Without it, only tell what would be done.")
@click.option("--overdue", type=Finite(min=300), default=900, show_default=True, help="Seconds since it was due.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@env_file_option
def sweep(*, yes: bool, overdue: float, as_json: bool) -> None:
    """Find reminders in the due index that no tick will find any more (a wrong minute or shard, written too late, a message that was
    lost), and queue them: each is sent, or ends by its own `maxLateness`.

    Reads REMINDERS_TABLE_NAME and REMINDERS_QUEUE_URL. Ends with 1 where a row's key names nothing that could be sent.
    """
    found: list[dict[str, Any]] = []
    counts = asyncio.run(_sweep(act=yes, overdue=timedelta(seconds=overdue), found=found))
    if as_json:
        document = {"version": 1, "acted": yes, "counts": counts, "rows": found}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        for each in found:
            click.echo(f"{each['key']}  {each['what']}")
        click.echo(", ".join(f"{name} {number}" for name, number in counts.items()), err=True)
        if counts["queued"] and not yes:
            click.echo("nothing was queued; act with --yes", err=True)
    sys.exit(FAILED if counts["odd"] else 0)


async def _sweep(*, act: bool, overdue: timedelta, found: list[dict[str, Any]]) -> Counter[str]:
    from workers.reminder_dispatch.app import now
    from workers.reminder_dispatch.table.upkeep import sweep as swept

    def tell(row: Any, what: str) -> None:
        found.append({"key": f"{row['PK']} {row['SK']}", "what": what})

    async with _table() as (store, queue):
        return await swept(store, queue=queue, now=now, act=act, overdue=overdue, tell=tell)


async def _recompute(*, act: bool, found: list[dict[str, Any]]) -> Counter[str]:
    from workers.reminder_dispatch.app import now
    from workers.reminder_dispatch.table.upkeep import rewrite_moved

    def tell(row: Any, each: Moved | Odd) -> None:
        key = f"{row['PK']} {row['SK']}"
        if isinstance(each, Odd):
            found.append({"key": key, "was": row.get("dueAt"), "now": None, "why_not": each.why})
        else:
            found.append({"key": key, "was": due_text(each.was), "now": due_text(each.due_at) if each.due_at else None})

    async with _table() as (store, queue):
        return await rewrite_moved(store, queue=queue, now=now, act=act, tell=tell)


@asynccontextmanager
async def _table() -> AsyncIterator[tuple[DynamoReminders, Send]]:
    """The table and the queue that the environment names. Raises SettingsError."""
    from workers.reminder_dispatch.app import REMINDERS
    from workers.reminder_dispatch.table.store import DynamoReminders

    async with Clients(os.environ) as clients:
        [table] = clients.required("REMINDERS_TABLE_NAME")
        yield DynamoReminders(await clients.open("dynamodb"), table=table), await clients.sender(REMINDERS)
