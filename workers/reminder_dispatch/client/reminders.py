"""A tenant's reminders: scheduled, listed, shown, changed, cancelled; right also while one of them is just being sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from shared import Send
from workers.reminder_dispatch.client.items import (
    Head,
    Occurrence,
    Plan,
    cancellation,
    due_of,
    ends,
    forgotten,
    head_row,
    occurrences,
    plan,
    read_head,
    read_occurrence,
    replacement,
)
from workers.reminder_dispatch.client.preview import Coming, preview
from workers.reminder_dispatch.client.reminder import Reminder, WrongField
from workers.reminder_dispatch.event import occurrence
from workers.reminder_dispatch.queued import due_message
from workers.reminder_dispatch.rules import DEAD_FOR, SOON
from workers.reminder_dispatch.schedule.occurrence import Row, row_key
from workers.reminder_dispatch.sending.moves import revision_of, withdrawn
from workers.reminder_dispatch.table.attributes import typed, untyped
from workers.reminder_dispatch.table.keys import TENANT, address_key, device_key, head_key
from workers.reminder_dispatch.table.store import INDEX_NAME, DynamoReminders

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

TRIES: Final = 5
"""Times a change is begun again where the reminder changes at the same time."""
SHOWN: Final = 50
"""Occurrences that are shown of one reminder, the newest."""
_SEEN: Final = {
    f"#{name}": name for name in ("PK", "SK", "dueAt", "status", "reason", "attempts", "sentAt", "revision")
}


class NoSuchReminder(LookupError):
    """The tenant has no reminder of this id."""


class Refused(Exception):
    """A rule forbids it; the text says which, and what to do."""


class Contested(Exception):
    """The reminder changed at the same time, again and again; nothing was changed here: look, and do it again."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """`due_at`: when it comes first (UTC); two instants where both halves of an overlap were asked for. `is_new` is false where
    the same call was made before.
    """

    reminder_id: str
    due_at: tuple[datetime, ...]
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Cancelled:
    """`ended`: occurrences that are not sent any more; `in_flight`: those that were being sent just now, and may arrive once."""

    reminder_id: str
    ended: int
    in_flight: int


class ReminderClient:
    """Over an aiobotocore client of DynamoDB, whose errors it raises. `send` takes due reminders; `now`: the time, with its zone."""

    def __init__(self, client: DynamoDBClient, *, table: str, send: Send, now: Callable[[], datetime]) -> None:
        self._client = client
        self._store = DynamoReminders(client, table=table)
        self._table = table
        self._send = send
        self._now = now

    def preview(self, wanted: Reminder, *, count: int = 10) -> tuple[Coming, ...]:
        """When it would come. Asks nobody. Raises WrongField."""
        return preview(wanted, now=self._now(), count=count)

    def plan(self, wanted: Reminder) -> Plan:
        """What to write in a transaction of your own. Raises WrongField."""
        return plan(wanted, table=self._table, now=self._now())

    async def schedule(self, wanted: Reminder) -> Scheduled:
        """Raises WrongField, or Refused where there is another reminder of this key."""
        made = self.plan(wanted)
        if not await self._commit(made.items):
            return await self._scheduled_before(wanted)
        await self._queue_soon(made.reminder_id, made.due_at, wanted.row())
        return Scheduled(made.reminder_id, made.due_at)

    async def list(self, tenant_id: str) -> AsyncIterator[Head]:
        """All of a tenant's reminders, also those that were cancelled, page by page, as the index has them (a moment old)."""
        start: dict[str, Any] = {}
        while True:
            page = await self._client.query(
                TableName=self._table,
                IndexName=INDEX_NAME,
                KeyConditionExpression="GSI1PK = :tenant",
                ExpressionAttributeValues=typed({":tenant": f"{TENANT}{tenant_id}"}),
                **start,
            )
            for item in page["Items"]:
                yield read_head(untyped(item))
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def show(self, tenant_id: str, reminder_id: str) -> tuple[Head, tuple[Occurrence, ...]]:
        """It, and its newest occurrences, the latest first. Raises NoSuchReminder."""
        head = await self._head(tenant_id, reminder_id)
        rows = await self._occurrences(reminder_id, head.revision)
        return head, tuple(read_occurrence(row) for row in rows[:SHOWN])

    async def reschedule(self, tenant_id: str, reminder_id: str, wanted: Reminder) -> Scheduled:
        """Put `wanted` in the place of all that the reminder was, also of one that was cancelled; its key is not looked at. What
        is being sent just now goes out as it was.

        Raises WrongField, NoSuchReminder, Refused where the one occurrence that is asked for is being sent or was, Contested.
        """
        if wanted.tenant_id != tenant_id:
            raise WrongField("tenantId", "a reminder stays its tenant's: schedule another")
        wanted.check()
        for _ in range(TRIES):
            was, now = await self._head(tenant_id, reminder_id), self._now()
            revision = was.revision + 1
            if was.is_active and was.fingerprint == wanted.fingerprint:
                await self._end(reminder_id, was.revision - 1, why="rescheduled")
                due = tuple(sorted(due_of(await self._waiting(was))))
                await self._changed(was, due, wanted)  # whoever wrote it may have died before it
                return Scheduled(reminder_id, due, is_new=False)
            rows = await self._unsent(wanted, reminder_id, revision=revision, now=now)
            head = head_row(wanted, reminder_id, rows, now=now, was=was)
            once = await self._once(was, but=rows)
            new = replacement(rows, head, table=self._table, was=was)
            if await self._commit([*new, *ends(once, table=self._table, now=now, why="rescheduled")]):
                await self._end(reminder_id, was.revision, why="rescheduled")
                await self._changed(read_head(head), due_of(rows), wanted)
                return Scheduled(reminder_id, due_of(rows))
        raise Contested(f"{reminder_id} changes at the same time: nothing was changed")

    async def cancel(self, tenant_id: str, reminder_id: str) -> Cancelled:
        """It comes no more. Again and again is once. Raises NoSuchReminder."""
        for _ in range(TRIES):
            head, now = await self._head(tenant_id, reminder_id), self._now()
            once = await self._once(head) if head.is_active else []
            gone = [
                cancellation(head, table=self._table, now=now),
                *ends(once, table=self._table, now=now, why="cancelled"),
            ]
            if not head.is_active or await self._commit(gone):
                ended, in_flight = await self._end(reminder_id, head.revision, why="cancelled")
                await self._store.move(head_key(reminder_id), forgotten(head.revision, now))
                return Cancelled(reminder_id, len(once) + ended, in_flight)
        raise Contested(f"{reminder_id} changes at the same time: nothing was changed")

    async def unsuppress(self, *, email: str = "", token: str = "") -> bool:
        """Reminders go to this address or device again, for every tenant: to be called when a person registers it anew. Whether it was
        marked: as bounced, complained of, or gone. SES's own suppression list is another: it keeps what it has. Raises WrongField.
        """
        if bool(email) == bool(token):
            raise WrongField("email", "one address, or one token")
        if email and "@" not in email:
            raise WrongField("email", "an address such as ada@example.com")
        now = self._now()
        forget_at = int((now + 2 * DEAD_FOR).timestamp())  # no mark of what was sent before outlives it
        key = address_key(email) if email else device_key(token)
        return await self._store.revive(key, at=now, forget_at=forget_at)

    async def _scheduled_before(self, wanted: Reminder) -> Scheduled:
        try:
            head = await self._head(wanted.tenant_id, wanted.reminder_id)
        except NoSuchReminder:
            raise Contested("other writes met this one: nothing was written, do it again") from None
        if not head.is_active:
            raise Refused(f"{wanted.reminder_id} was cancelled: reschedule it, or take another key")
        if head.fingerprint != wanted.fingerprint:
            raise Refused(f"{wanted.reminder_id} is another reminder of this key: reschedule it, or take another key")
        due = tuple(sorted(due_of(await self._waiting(head))))
        await self._queue_soon(wanted.reminder_id, due, wanted.row())  # whoever wrote it may have died before it
        return Scheduled(wanted.reminder_id, due, is_new=False)

    async def _unsent(
        self, wanted: Reminder, reminder_id: str, *, revision: int, now: datetime
    ) -> tuple[dict[str, Any], ...]:
        """The first occurrences that are not being sent, and were not. Raises WrongField or Refused."""
        kept = {
            row["SK"]
            for row in await self._occurrences(reminder_id, revision)
            if row.get("status") not in {"PENDING", "FAILED"}
        }
        rows = occurrences(wanted, reminder_id, revision=revision, now=now)
        while any(row["SK"] in kept for row in rows):
            if not wanted.rule:
                raise Refused(f"{reminder_id} is being sent at that instant, or was: another time")
            rows = occurrences(wanted, reminder_id, revision=revision, now=due_of(rows)[0])
        return rows

    async def _changed(self, head: Head, due_at: Sequence[datetime], wanted: Reminder) -> None:
        """What follows a change, once what was has ended."""
        if not head.rule:
            await self._store.move(
                head_key(head.reminder_id), forgotten(head.revision, max(due_at, default=self._now()))
            )
        await self._queue_soon(head.reminder_id, due_at, wanted.row())

    async def _once(self, head: Head, *, but: Sequence[Row] = ()) -> Sequence[Row]:
        """What waits of a reminder that comes once, and no row of `but` takes the place of. It is ended together with what its head says:
        its claim asks no head.
        """
        if head.rule:
            return ()
        taken = {row["SK"] for row in but}
        found = await self._waiting(head)
        return [row for row in found if revision_of(row) == head.revision and row["SK"] not in taken]

    async def _waiting(self, head: Head) -> Sequence[Row]:
        found = await self._occurrences(head.reminder_id, head.revision)
        return [row for row in found if row.get("status") == "PENDING"]

    async def _end(self, reminder_id: str, revision: int, *, why: str) -> tuple[int, int]:
        """End what waits of this revision and older ones, until nothing is found; how many ended, and how many were being sent. The head has
        been written: what a dispatch adds after this look, it ends itself (sending/withdrawal.py).
        """
        ended = 0
        while True:
            rows = [row for row in await self._occurrences(reminder_id, revision) if revision_of(row) <= revision]
            waiting = [row for row in rows if row.get("status") == "PENDING"]
            if not waiting:
                return ended, sum(row.get("status") == "SENDING" for row in rows)
            for row in waiting:
                ended += await self._store.move(row_key(row), withdrawn(row, now=self._now(), why=why))

    async def _head(self, tenant_id: str, reminder_id: str) -> Head:
        row = await self._store.load(head_key(reminder_id))
        if row is None or row.get("tenantId") != tenant_id:
            raise NoSuchReminder(reminder_id)
        return read_head(row)

    async def _occurrences(self, reminder_id: str, revision: int) -> Sequence[Row]:
        """Its rows, the latest first, so far back that nothing waits before them: behind what waits stands what older revisions left, two
        of each at most.
        """
        rows: list[Row] = []
        start: dict[str, Any] = {}
        ended, enough = 0, SHOWN + 2 * revision
        while True:
            page = await self._client.query(
                TableName=self._table,
                KeyConditionExpression="PK = :pk AND begins_with(SK, :at)",
                ProjectionExpression=", ".join(_SEEN),
                ExpressionAttributeNames=_SEEN,
                ExpressionAttributeValues=typed({":pk": head_key(reminder_id).pk, ":at": "AT#"}),
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=2 * SHOWN,
                **start,
            )
            for row in map(untyped, page["Items"]):
                rows.append(row)
                ended = 0 if row.get("status") in {"PENDING", "SENDING"} else ended + 1
            if ended >= enough or not page.get("LastEvaluatedKey"):
                return rows
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def _commit(self, items: Sequence[Any]) -> bool:
        try:
            await self._client.transact_write_items(TransactItems=list(items))
        except self._client.exceptions.TransactionCanceledException as error:
            codes = {each.get("Code") for each in error.response.get("CancellationReasons", [])}
            if codes <= {"None", "ConditionalCheckFailed", "TransactionConflict"}:
                return False
            raise
        return True

    async def _queue_soon(self, reminder_id: str, due_at: Sequence[datetime], wanted: Row) -> None:
        """What the ticks may have left behind is queued here."""
        now = self._now()
        soon = [
            due_message(occurrence(reminder_id, due), wanted, delay=(due - now).total_seconds())
            for due in due_at
            if due < now + SOON
        ]
        if soon:
            await self._send(soon)
