"""What a person has done to all waiting reminders at once: looked through in pages, told first, and written only when asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import Send
from workers.reminder_dispatch.event import occurrence
from workers.reminder_dispatch.queued import due_message
from workers.reminder_dispatch.rules import SOON
from workers.reminder_dispatch.schedule.occurrence import Row, row_key
from workers.reminder_dispatch.schedule.recompute import Moved, Odd, recompute
from workers.reminder_dispatch.schedule.window import LOOK_AHEAD, is_held, put_off_to
from workers.reminder_dispatch.sending.moves import KEPT, spoiled
from workers.reminder_dispatch.table.keys import MINUTE, SHARDS, identity_of, minute_of

if TYPE_CHECKING:
    from workers.reminder_dispatch.table.store import Reminders


async def rewrite_moved(
    store: Reminders,
    *,
    queue: Send,
    now: Callable[[], datetime],
    act: bool,
    tell: Callable[[Row, Moved | Odd], None],
) -> Counter[str]:
    """Put each waiting occurrence where the zone data of today has it; without `act`, only tell. Returns how many rows were
    `looked_at`, `moved`, `odd`, `near` (due so soon that they are left as they are) or `changed` (by others, meanwhile).

    The new row and the end of the old one are one write: a run that breaks off leaves each occurrence once, and so does who changes it meanwhile.
    """
    counts: Counter[str] = Counter(looked_at=0, moved=0, odd=0, near=0, changed=0)
    async for page in store.waiting():
        for row in page:
            if row.get("status") != "PENDING":
                continue
            counts["looked_at"] += 1
            at = now()
            found = recompute(row, now=at, forget_at=int((at + KEPT).timestamp()))
            match found:
                case Odd():
                    counts["odd"] += 1
                case Moved() if found.was <= at + LOOK_AHEAD:
                    counts["near"] += 1
                case Moved():
                    done = not act or await _rewrite(row, found, store=store, queue=queue, at=at)
                    counts["moved" if done else "changed"] += 1
                case None:
                    continue
            tell(row, found)
    return counts


async def sweep(
    store: Reminders,
    *,
    queue: Send,
    now: Callable[[], datetime],
    act: bool,
    overdue: timedelta,
    tell: Callable[[Row, str], None],
) -> Counter[str]:
    """Queue each waiting occurrence that has been due for longer than `overdue` and that nothing holds back: the dispatch sends it, or ends
    it by its `maxLateness`. One whose key names nothing that could be sent ends here. Without `act`, only tell. Returns how many rows were
    `looked_at`, `queued` or `odd` (of such a key).

    What waits in the queue anyway gets a second message, which the dispatch absorbs.
    """
    counts: Counter[str] = Counter(looked_at=0, queued=0, odd=0)
    async for page in store.waiting():
        at, messages = now(), []
        for row in page:
            counts["looked_at"] += 1
            try:
                reminder_id, due_at = identity_of(row_key(row))
            except ValueError as error:
                counts["odd"] += 1
                ends = act and await store.move(row_key(row), spoiled(row, str(error), now=at))
                tell(row, f"FAILED: {error}" if ends else str(error))
                continue
            if due_at < at - overdue and not is_held(row, at):
                messages.append(due_message(occurrence(reminder_id, due_at), row))
                tell(row, "queued" if act else "overdue")
        counts["queued"] += len(messages)
        if act and messages:
            await queue(messages)
    return counts


async def catch_up(
    store: Reminders,
    *,
    first: datetime,
    last: datetime,
    queue: Send,
    now: Callable[[], datetime],
    act: bool,
    tell: Callable[[Row], None],
) -> Counter[str]:
    """Queue each occurrence due from `first` until `last` (left out) that waits and that nothing holds back; without `act`, only tell.
    Returns how many rows were `looked_at` and `queued`. Minutes go in order: what is due longest is queued first.
    """
    counts: Counter[str] = Counter(looked_at=0, queued=0)
    minute = minute_of(first)
    while minute < last:
        for shard in range(SHARDS):
            async for page in store.pages(minute, shard):
                counts["looked_at"] += len(page)
                due = [row for row in page if first <= _due(row, minute, last) < last and not is_held(row, now())]
                for row in due:
                    tell(row)
                counts["queued"] += len(due)
                if act and due:
                    await queue([due_message(occurrence(*identity_of(row_key(row))), row) for row in due])
        minute += MINUTE
    return counts


def _due(row: Row, minute: datetime, otherwise: datetime) -> datetime:
    """When it should have been sent: what quiet hours held, at their end, and there it stands in the due index."""
    try:
        return put_off_to(row, minute) or identity_of(row_key(row))[1]
    except ValueError:  # `sweep` names it
        return otherwise


async def _rewrite(row: Row, moved: Moved, *, store: Reminders, queue: Send, at: datetime) -> bool:
    waiting = [each for each in moved.rows if each["status"] == "PENDING"]
    for each in moved.rows:
        if each not in waiting:
            await store.add(each)
    # Together: where its producer cancels or changes it meanwhile, nothing must be left that is sent all the same.
    done = store.replace(row_key(row), moved.end, waiting[0]) if waiting else store.move(row_key(row), moved.end)
    if not await done:
        return False
    if moved.due_at is not None and moved.due_at < at + SOON:
        delay = (moved.due_at - at).total_seconds()
        await queue([due_message(occurrence(moved.reminder_id, moved.due_at), row, delay=delay)])
    return True
