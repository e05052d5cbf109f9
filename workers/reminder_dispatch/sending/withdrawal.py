"""A reminder's head against its occurrences: what its producer has cancelled or changed, also while a dispatch was under way, and when it goes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from workers.reminder_dispatch.schedule.occurrence import Move, Row, row_key
from workers.reminder_dispatch.sending.moves import ended, revision_of, withdrawn
from workers.reminder_dispatch.table.keys import Key, head_key, identity_of

if TYPE_CHECKING:
    from workers.reminder_dispatch.table.store import Reminders


async def is_withdrawn(row: Row, following: Key | None, *, store: Reminders, now: datetime) -> bool:
    """Whether the row's revision does not count any more; then it is ended, and so is the next occurrence that it has written.

    To be asked after the next occurrence was written and before the claim. A producer writes the head first and ends what it then
    finds: so the next occurrence is either found there, or this finds the head changed. A crash between the two is found
    when that occurrence is due, by the same question.
    """
    reminder_id, _ = identity_of(row_key(row))
    head = await store.load(head_key(reminder_id))
    if head is None or (head.get("status") == "ACTIVE" and head.get("revision") == row["revision"]):
        return False
    if following is not None:
        later = await store.load(following)
        if later is not None and later.get("status") == "PENDING" and later.get("revision") == row["revision"]:
            await store.move(following, withdrawn(later, now=now))
    # Where the row is another by now, the claim fails, too, and it is read again.
    return await store.move(row_key(row), withdrawn(row, now=now))


def in_place_of(older: Row, row: Row) -> Move | None:
    """Put the occurrence of a newer revision where one of an older revision was to come at the same instant and was not sent; None
    where it stays.
    """
    is_older = "revision" in row and revision_of(older) < revision_of(row)
    if not is_older or older.get("status") not in {"PENDING", "FAILED"}:
        return None
    put = {name: value for name, value in row.items() if name not in {"PK", "SK"}}
    return Move(
        expect={"status": older["status"], "revision": older.get("revision")},
        put=put,
        drop=tuple(name for name in older if name not in row),
    )


async def let_head_go(row: Row, *, store: Reminders, now: datetime) -> None:
    """After the last occurrence of a rule nothing comes any more: the head goes when its last row does, unless its producer changed it.
    The head of a reminder that comes once says so from the start.
    """
    if row.get("rule") and "revision" in row:
        reminder_id, _ = identity_of(row_key(row))
        await store.move(head_key(reminder_id), Move(expect={"revision": row["revision"]}, put=ended(now)))
