"""A tick: look through the minutes that are due, and queue one message for each reminder in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from shared import BatchResult, Message, ScheduleTick, Send
from shared.telemetry.drops import dropped
from workers.reminder_dispatch.event import due_body, tick_body
from workers.reminder_dispatch.keys import SHARDS
from workers.reminder_dispatch.rules import WORKER, spoiled
from workers.reminder_dispatch.schedule.occurrence import row_key
from workers.reminder_dispatch.schedule.window import Leave, Queue, Spoil, Window, sort, window_of

if TYPE_CHECKING:
    from workers.reminder_dispatch.store import Reminders

log = structlog.get_logger()


async def look(
    ticks: Sequence[ScheduleTick], *, store: Reminders, queue: Send, again: Send, now: Callable[[], datetime]
) -> BatchResult:
    """Queue what is due, from the cursor until the next tick, and move the cursor.

    One look serves all ticks that came together; `queue` sends to the dispatch, `again` to the ticks themselves. A tick
    may come late, early, twice or never: the cursor moves only forward, and only when all up to it has been queued; a
    reminder that is queued twice is sent once, because the dispatch claims it.
    """
    at = now()
    known = await store.cursor()
    window = window_of(known, at)
    queued = 0
    for step in window.steps:
        # Shards fail apart: the reminders of the others are queued all the same, and then the tick is tried again.
        shards = await asyncio.gather(
            *(_shard(step.minute, shard, window=window, at=at, store=store, queue=queue) for shard in range(SHARDS)),
            return_exceptions=True,
        )
        for result in shards:
            if isinstance(result, BaseException):
                raise result
            queued += result
        if step.cursor is not None and (known is None or step.cursor > known):
            await store.advance(step.cursor)
    lag = round((at - ticks[-1].time).total_seconds(), 3)
    log.info("reminders_queued", count=queued, minutes=len(window.steps), unfinished=window.unfinished, tick_lag=lag)
    if window.unfinished:
        await again([Message(body=tick_body(ticks[-1]))])
    return [None] * len(ticks)


async def _shard(minute: datetime, shard: int, *, window: Window, at: datetime, store: Reminders, queue: Send) -> int:
    queued = 0
    async for page in store.pages(minute, shard):
        due, bad = [], []
        for row in page:
            match sort(row, minute, window=window, now=at):
                case Queue(reminder_id, due_at, delay):
                    due.append(Message(body=due_body(reminder_id, due_at), delay=delay))
                case Spoil(why):
                    bad.append((row, why))
                case Leave():
                    pass
        if due:
            await queue(due)
        for row, why in bad:
            await store.move(row_key(row), spoiled(row, why, now=at))
            log.error("reminder_unreadable", reason=why, pk=row["PK"], sk=row["SK"])
            dropped(WORKER, "reminder_unreadable", pk=row["PK"], sk=row["SK"])
        queued += len(due)
    return queued
