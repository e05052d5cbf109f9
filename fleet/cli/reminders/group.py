"""The commands of `fleet reminders`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
import orjson

from fleet.cli.command import FAILED, NOTHING, Command, Finite, Misconfigured, env_file_option
from fleet.cli.reminders.producer import cancel, list_, preview, reschedule, schedule, show, unsuppress
from fleet.dead_letters.model.filters import moment
from shared.clients import Clients
from workers.reminder_dispatch.schedule.recompute import Moved, Odd
from workers.reminder_dispatch.schedule.zones import VERSION
from workers.reminder_dispatch.table.keys import due_text

if TYPE_CHECKING:
    from shared.sqs.sender import Send
    from workers.reminder_dispatch.table.store import DynamoReminders


class Moment(click.ParamType[datetime]):
    """ISO 8601 with its offset, or an age."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else moment(value, now=datetime.now(UTC))
        except ValueError:
            self.fail("write ISO 8601, or an age such as 90m, 2h, 3d", param, ctx)


@click.group(
    short_help="Reminders: schedule, list, change, cancel, and mend what stands wrong.",
    epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage or a field that cannot be so, 3 no such reminder, 5 refused by a rule.",
)
def reminders() -> None:
    """Reminders in their table. REMINDERS_TABLE_NAME names it, or --env-file; what is due within two minutes goes to REMINDERS_QUEUE_URL."""


for command in (schedule, preview, list_, show, reschedule, cancel, unsuppress):
    reminders.add_command(command)


@reminders.command(cls=Command, short_help="Put what waits where the zone data of today has it.")
@click.option("--yes", is_flag=True, help="Act. Without it, only tell what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@env_file_option
def recompute(*, yes: bool, as_json: bool) -> None:
    """Put each waiting reminder where the locked zone data has its wall time: for the day after a release with newer data.

    Reads REMINDERS_TABLE_NAME and REMINDERS_QUEUE_URL. What is due within 75 seconds is left as it is. Ends with 1 where
    a row cannot be placed, or was changed by others meanwhile.
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


@reminders.command("catch-up", cls=Command, short_help="Queue what waits of a range of time.")
@click.option("--range", "span", nargs=2, type=Moment(), required=True, metavar="FROM TO", help="Due times: ISO 8601.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be queued.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@env_file_option
def catch_up(*, span: tuple[datetime, datetime], dry_run: bool, as_json: bool) -> None:
    """Queue each reminder that was due between FROM (included) and TO and still waits, such as after a queue was purged: it is sent, or ends
    by its own `maxLateness`. What waits in the queue anyway gets a second message, which the dispatch absorbs; nothing is sent twice.

    Reads REMINDERS_TABLE_NAME and REMINDERS_QUEUE_URL, and of the due index only the minutes of the range, 31 days at most. Ends with 3
    where nothing waits.
    """
    found: list[dict[str, Any]] = []
    counts = asyncio.run(_catch_up(span, act=not dry_run, found=found))
    if as_json:
        document = {"version": 1, "acted": not dry_run, "counts": counts, "rows": found}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        for each in found:
            click.echo(f"{each['key']}  {each['what']}")
        click.echo(", ".join(f"{name} {number}" for name, number in counts.items()), err=True)
    sys.exit(0 if counts["queued"] else NOTHING)


async def _catch_up(span: tuple[datetime, datetime], *, act: bool, found: list[dict[str, Any]]) -> Counter[str]:
    from workers.reminder_dispatch.app import now
    from workers.reminder_dispatch.table.upkeep import catch_up as caught_up

    first, last = span
    end = min(last, now())
    if not first < end or end - first > timedelta(days=31):
        raise Misconfigured("--range: FROM lies before TO and before now, by 31 days at most")

    def tell(row: Any) -> None:
        found.append({"key": f"{row['PK']} {row['SK']}", "what": "queued" if act else "waits"})

    async with _table() as (store, queue):
        return await caught_up(store, first=first, last=end, queue=queue, now=now, act=act, tell=tell)


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
