"""A tick: look through the minutes that are due, and queue one message for each reminder in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from shared import BatchResult, Message, ScheduleTick, Send
from shared.telemetry.drops import dropped
from workers.reminder_dispatch.event import occurrence, tick_body
from workers.reminder_dispatch.queued import due_message
from workers.reminder_dispatch.rules import WORKER
from workers.reminder_dispatch.schedule.occurrence import row_key
from workers.reminder_dispatch.schedule.window import Leave, Queue, Spoil, Window, sort, window_of
from workers.reminder_dispatch.sending.moves import spoiled
from workers.reminder_dispatch.table.keys import MINUTE, SHARDS, mark_of

if TYPE_CHECKING:
    from workers.reminder_dispatch.table.store import Reminders

MARKED = timedelta(days=1)
"""How long it is known what was queued: minutes are looked through again for minutes only, but for a tick that fails for hours."""

log = structlog.get_logger()


async def look(
    ticks: Sequence[ScheduleTick], *, store: Reminders, queue: Send, again: Send, now: Callable[[], datetime]
) -> BatchResult:
    """Queue what is due, from the cursor until the next tick, and move the cursor.

    One look serves all ticks that came together; `queue` sends to the dispatch, `again` to the ticks themselves. A tick
    may come late, early, twice or never: the cursor moves only forward, and only when all up to it has been queued; a
    reminder that is queued twice is sent once, because the dispatch claims it. What was queued is noted page by page, so that
    neither the next ticks nor one after a tick that was cut queue it again, however long it waits for its dispatch.
    """
    at = now()
    known = await store.cursor()
    window = window_of(known, at)
    queued = 0
    marks: dict[tuple[datetime, int], Collection[str]] = {}
    for first, last in _runs(window):
        marks |= await store.marks(first, last)
    for step in window.steps:
        # Shards fail apart: the reminders of the others are queued all the same, and then the tick is tried again.
        shards = await asyncio.gather(
            *(
                _shard(
                    Place(step.minute, shard, marks.get((step.minute, shard), ())),
                    window=window,
                    at=at,
                    store=store,
                    queue=queue,
                )
                for shard in range(SHARDS)
            ),
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


def _runs(window: Window) -> Iterator[tuple[datetime, datetime]]:
    """The first and last minute of each run of minutes: the present, and a part of the past."""
    minutes = sorted({step.minute for step in window.steps})
    first = minutes[0]
    for minute, following in zip(minutes, [*minutes[1:], None], strict=True):
        if following != minute + MINUTE:
            yield first, minute
            first = following or minute


@dataclass(frozen=True, slots=True)
class Place:
    """One shard of one minute, and what was queued of it before."""

    minute: datetime
    shard: int
    queued: Collection[str]


async def _shard(place: Place, *, window: Window, at: datetime, store: Reminders, queue: Send) -> int:
    queued = 0
    async for page in store.pages(place.minute, place.shard):
        due, marks, bad = [], [], []
        for row in page:
            match sort(row, place.minute, window=window, now=at):
                case Queue(reminder_id, due_at, delay):
                    if (mark := mark_of(reminder_id, due_at)) not in place.queued:
                        due.append(due_message(occurrence(reminder_id, due_at), row, delay=delay))
                        marks.append(mark)
                case Spoil(why):
                    bad.append((row, why))
                case Leave():
                    pass
        if due:
            await queue(due)
            # Queued first: a tick that is cut between the two doubles a message, and loses none.
            await store.mark(place.minute, place.shard, marks, forget_at=int((at + MARKED).timestamp()))
        for row, why in bad:
            await store.move(row_key(row), spoiled(row, why, now=at))
            log.error("reminder_unreadable", reason=why, pk=row["PK"], sk=row["SK"])
            dropped(WORKER, "reminder_unreadable", pk=row["PK"], sk=row["SK"])
        queued += len(due)
    return queued
