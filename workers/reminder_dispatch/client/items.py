"""The items of a reminder as its producer writes them: its head, and the occurrences that come first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from workers.reminder_dispatch.client.reminder import Reminder, first_moments
from workers.reminder_dispatch.schedule.occurrence import Move, Row, read_series, row_key, successor
from workers.reminder_dispatch.sending.moves import ended, revision_of, withdrawn
from workers.reminder_dispatch.table.attributes import typed
from workers.reminder_dispatch.table.expression import update_of
from workers.reminder_dispatch.table.keys import Key, due_text, head_key, tenant_index

_IS_NEW = {"ConditionExpression": "attribute_not_exists(PK)"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What scheduling a reminder writes. `items` are entries of TransactItems: put them into a transaction of your own, with others,
    and the reminder is there exactly if that commits; it is refused where the reminder is there already.

    What is due at `due_at` (UTC) within two minutes is then queued by the next tick, up to a minute late.
    """

    reminder_id: str
    due_at: tuple[datetime, ...]
    items: tuple[Mapping[str, Any], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """A reminder as it stands; `at` is what its producer gave, `is_active` false once it was cancelled."""

    reminder_id: str
    tenant_id: str
    revision: int
    is_active: bool
    channel: str
    at: str
    time_zone: str
    rule: str
    fingerprint: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What became of one occurrence, or that it waits."""

    due_at: str
    status: str
    reason: str
    attempts: int
    sent_at: str
    revision: int


def plan(reminder: Reminder, *, table: str, now: datetime) -> Plan:
    """Raises WrongField."""
    reminder.check()
    rows = occurrences(reminder, reminder.reminder_id, revision=1, now=now)
    head = head_row(reminder, reminder.reminder_id, rows, now=now)
    puts = tuple({"Put": {"TableName": table, "Item": typed(each), **_IS_NEW}} for each in (head, *rows))
    return Plan(reminder.reminder_id, due_of(rows), puts)


def replacement(rows: Sequence[Row], head: Row, *, table: str, was: Head) -> list[dict[str, Any]]:
    """Entries of TransactItems that put a new revision in the place of the one before: the head if it is as it was, and an
    occurrence where none of the same instant is being sent or was.
    """
    names = {"#r": "revision", "#s": "status"}
    put_head = {
        "TableName": table,
        "Item": typed(head),
        "ConditionExpression": "#r = :r",
        "ExpressionAttributeNames": {"#r": "revision"},
        "ExpressionAttributeValues": typed({":r": was.revision}),
    }
    return [
        {"Put": put_head},
        *(
            {
                "Put": {
                    "TableName": table,
                    "Item": typed(each),
                    "ConditionExpression": "attribute_not_exists(PK) OR (#r < :r AND #s IN (:p, :f))",
                    "ExpressionAttributeNames": names,
                    "ExpressionAttributeValues": typed({":r": each["revision"], ":p": "PENDING", ":f": "FAILED"}),
                }
            }
            for each in rows
        ),
    ]


def cancellation(head: Head, *, table: str, now: datetime) -> dict[str, Any]:
    """An entry of TransactItems after which the reminder comes no more, if it is as it was read. It stays until `forgotten`."""
    gone = Move(
        expect={"revision": head.revision, "tenantId": head.tenant_id},
        put={"status": "CANCELLED", "updatedAt": due_text(now)},
    )
    return _update(head_key(head.reminder_id), gone, table=table)


def forgotten(revision: int, after: datetime) -> Move:
    """What lets a head go some time after. Only once no row of a series waits behind it: that would go on without a head."""
    return Move(expect={"revision": revision}, put=ended(after))


def ends(rows: Sequence[Row], *, table: str, now: datetime, why: str) -> list[dict[str, Any]]:
    """Entries of TransactItems that end what waits, if each is as it was read."""
    return [_update(row_key(row), withdrawn(row, now=now, why=why), table=table) for row in rows]


def _update(key: Key, move: Move, *, table: str) -> dict[str, Any]:
    return {"Update": {"TableName": table, **update_of(key, move)}}


def occurrences(reminder: Reminder, reminder_id: str, *, revision: int, now: datetime) -> tuple[dict[str, Any], ...]:
    """The rows of what comes first after `now`. Raises WrongField."""
    row = reminder.row()
    moments = first_moments(reminder, row, now=now)
    series = read_series(row)
    made = [successor({**row, "revision": revision}, reminder_id, series, moment) for moment in moments]
    unread = set() if reminder.time_zone else {"localTime"}  # an instant was asked for, and no wall clock
    return tuple({name: value for name, value in each.items() if name not in unread} for each in made)


def head_row(
    reminder: Reminder, reminder_id: str, rows: Sequence[Row], *, now: datetime, was: Head | None = None
) -> dict[str, Any]:
    """The head, of the next revision where it `was` before. That of a reminder which comes once goes with its last occurrence; where it
    was a series, only `forgotten` says so.
    """
    key = head_key(reminder_id)
    return {
        "PK": key.pk,
        "SK": key.sk,
        "entity": "reminder",
        "reminderId": reminder_id,
        "tenantId": reminder.tenant_id,
        "status": "ACTIVE",
        "revision": was.revision + 1 if was else 1,
        "channel": reminder.channel,
        "at": reminder.at.isoformat(),
        "timeZone": reminder.time_zone,
        "rule": reminder.rule,
        "fingerprint": reminder.fingerprint,
        "createdAt": was.created_at if was else due_text(now),
        "updatedAt": due_text(now),
        **tenant_index(reminder.tenant_id, reminder_id),
        **({} if reminder.rule or (was and was.rule) else ended(max(due_of(rows)))),
    }


def read_head(row: Row) -> Head:
    """Whatever the row holds: one that somebody has changed by hand hides none of a tenant's others, and can be cancelled."""

    def text(name: str) -> str:
        found = row.get(name)
        return found if isinstance(found, str) else ""

    return Head(
        reminder_id=row_key(row).pk.partition("#")[2],
        tenant_id=text("tenantId"),
        revision=revision_of(row),
        is_active=row.get("status") == "ACTIVE",
        channel=text("channel"),
        at=text("at"),
        time_zone=text("timeZone"),
        rule=text("rule"),
        fingerprint=text("fingerprint"),
        created_at=text("createdAt"),
        updated_at=text("updatedAt"),
    )


def read_occurrence(row: Row) -> Occurrence:
    """Whatever the row holds: the worker ends what it cannot read, and says why in `reason`."""
    attempts = row.get("attempts", 0)
    return Occurrence(
        due_at=row_key(row).sk.removeprefix("AT#"),
        status=str(row.get("status", "")),
        reason=str(row.get("reason", "")),
        attempts=int(attempts) if isinstance(attempts, int | Decimal) else 0,
        sent_at=str(row.get("sentAt", "")),
        revision=revision_of(row),
    )


def due_of(rows: Sequence[Row]) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(each["dueAt"]).astimezone(UTC) for each in rows)
