"""The reminders table: what is due in a minute, one row read, one row moved by condition, one row added once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from workers.reminder_dispatch.schedule.occurrence import Move, Row
from workers.reminder_dispatch.table.attributes import typed, untyped
from workers.reminder_dispatch.table.expression import has_made, is_signed, moved_row, update_of
from workers.reminder_dispatch.table.gone import Gone
from workers.reminder_dispatch.table.keys import (
    MARK,
    Key,
    bucket,
    minute_text,
    read_minute,
)
from workers.reminder_dispatch.table.patience import patiently

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

INDEX_NAME = "GSI1"
PAGE = 500
"""Rows of one page of the due index: five batches of messages per shard and second stay small in memory."""

_CURSOR = Key("TICK", "CURSOR")
_MAY_BE_WAITING = (
    "(#e = :occurrence OR begins_with(PK, :reminder) OR begins_with(GSI1PK, :due))"
    " AND SK <> :head AND NOT (#s = :sent OR #s = :failed OR #s = :unknown)"
)
_WORDS = {
    ":occurrence": "occurrence",
    ":reminder": "REMINDER#",
    ":due": "DUE#",
    ":head": "HEAD",
    ":sent": "SENT",
    ":failed": "FAILED",
    ":unknown": "UNKNOWN",
}
_SEEN_BY_A_TICK = {
    "#p": "PK",
    "#k": "SK",
    "#s": "status",
    "#c": "claimedUntil",
    "#n": "notBefore",
    "#t": "tenantId",
    "#h": "priority",
}


class Reminders(Protocol):
    """The table as the handlers see it."""

    async def cursor(self) -> datetime | None:
        """The first minute that is not wholly queued; None before the first tick, or if it cannot be read."""

    async def advance(self, minute: datetime) -> None:
        """Move the cursor forward; a cursor that is further already stays."""

    def pages(self, minute: datetime, shard: int) -> AsyncIterator[Sequence[Row]]:
        """Keys, status, claimedUntil, notBefore, tenantId and priority of what the due index holds under one minute and shard."""

    def waiting(self) -> AsyncIterator[Sequence[Row]]:
        """Whole rows of all that `may_be_waiting`, whenever they are due and whatever the due index has of them; in no order."""

    async def marks(self, first: datetime, last: datetime) -> Mapping[tuple[datetime, int], Collection[str]]:
        """What was queued of these minutes (both included), by minute and shard."""

    async def mark(self, minute: datetime, shard: int, queued: Sequence[str], *, forget_at: int) -> None:
        """Note a page of what was queued of one minute and shard."""

    async def dead(self, recipients: Collection[Key]) -> Collection[Key]:
        """Those of these (`device_key`, `address_key`) that are known to be dead. What cannot be answered now is not among them."""

    async def entomb(self, recipient: Key, *, why: str, at: datetime, forget_at: int) -> None:
        """Note that a push token or an e-mail address is dead; `at`: when that was sent of which it was found."""

    async def revive(self, recipient: Key, *, at: datetime, forget_at: int) -> bool:
        """Whether a push token or an e-mail address was noted as dead. It is no more, whatever is found of what was sent until `at`."""

    async def load(self, key: Key) -> Row | None:
        """The whole row, read consistently."""

    async def move(self, key: Key, move: Move) -> bool:
        """Whether the row existed, was as the move expects, and has been changed."""

    async def record(self, key: Key, move: Move, *, within: float) -> bool:
        """`move`, for so many seconds again where the table does not take it: what was sent and stands nowhere goes out again."""

    async def replace(self, key: Key, move: Move, row: Row) -> bool:
        """`move`, and write the row in its place, but where one of its key was sent or has ended: both or neither. Whether it was moved."""

    async def add(self, row: Row) -> bool:
        """Whether there was no such row and it has been written."""


class DynamoReminders:
    """Reminders in DynamoDB. Raises botocore's errors, but for lost conditions, which are answers."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table
        self._gone = Gone(client, table=table)

    async def cursor(self) -> datetime | None:
        found = await self.load(_CURSOR)
        return read_minute(found.get("minute")) if found else None

    async def advance(self, minute: datetime) -> None:
        try:
            await self._client.update_item(
                TableName=self._table,
                Key=typed({"PK": _CURSOR.pk, "SK": _CURSOR.sk}),
                UpdateExpression="SET #m = :m, #e = :e",
                ConditionExpression="attribute_not_exists(#m) OR #m < :m",
                ExpressionAttributeNames={"#m": "minute", "#e": "entity"},
                ExpressionAttributeValues=typed({":m": minute_text(minute), ":e": "cursor"}),
            )
        except ClientError as error:
            _unless_condition(error)

    async def pages(self, minute: datetime, shard: int) -> AsyncIterator[Sequence[Row]]:
        start: dict[str, Any] = {}
        while True:
            page = await self._client.query(
                TableName=self._table,
                IndexName=INDEX_NAME,
                KeyConditionExpression="GSI1PK = :bucket",
                ExpressionAttributeValues=typed({":bucket": bucket(minute, shard)}),
                ProjectionExpression=", ".join(_SEEN_BY_A_TICK),
                ExpressionAttributeNames=_SEEN_BY_A_TICK,
                Limit=PAGE,
                **start,
            )
            if page["Items"]:
                yield [untyped(item) for item in page["Items"]]
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def waiting(self) -> AsyncIterator[Sequence[Row]]:
        start: dict[str, Any] = {}
        while True:
            page = await self._client.scan(
                TableName=self._table,
                FilterExpression=_MAY_BE_WAITING,
                ExpressionAttributeNames={"#e": "entity", "#s": "status"},
                ExpressionAttributeValues=typed(_WORDS),
                **start,
            )
            if page["Items"]:
                yield [untyped(item) for item in page["Items"]]
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def marks(self, first: datetime, last: datetime) -> Mapping[tuple[datetime, int], Collection[str]]:
        found: dict[tuple[datetime, int], set[str]] = {}
        start: dict[str, Any] = {}
        while True:
            page = await self._client.query(
                TableName=self._table,
                KeyConditionExpression="#p = :tick AND #k BETWEEN :first AND :last",
                ExpressionAttributeNames={"#p": "PK", "#k": "SK"},
                ExpressionAttributeValues=typed(
                    {":tick": _CURSOR.pk, ":first": f"{_marks(first)}#", ":last": f"{_marks(last)}#~"}
                ),
                ConsistentRead=True,
                **start,
            )
            for item in page["Items"]:
                _, minute, shard, _ = item["SK"]["S"].split("#")
                text = item["queued"]["S"]
                if (at := read_minute(minute)) is not None:
                    marks = (text[place : place + MARK] for place in range(0, len(text), MARK))
                    found.setdefault((at, int(shard)), set()).update(marks)
            if not page.get("LastEvaluatedKey"):
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def mark(self, minute: datetime, shard: int, queued: Sequence[str], *, forget_at: int) -> None:
        place = {"PK": _CURSOR.pk, "SK": f"{_marks(minute)}#{shard:02d}#{queued[0]}"}
        noted = {"queued": "".join(queued), "TTL": forget_at, "entity": "mark"}
        await self._client.put_item(TableName=self._table, Item=typed(place | noted))

    async def dead(self, recipients: Collection[Key]) -> Collection[Key]:
        return await self._gone.among(recipients)

    async def entomb(self, recipient: Key, *, why: str, at: datetime, forget_at: int) -> None:
        await self._gone.mark(recipient, why=why, at=at, forget_at=forget_at)

    async def revive(self, recipient: Key, *, at: datetime, forget_at: int) -> bool:
        return await self._gone.register(recipient, at=at, forget_at=forget_at)

    async def load(self, key: Key) -> Row | None:
        for _ in range(2):  # a missing row ends its reminder, and an answer that was emptied on its way looks like one
            found = await self._client.get_item(
                TableName=self._table, Key=typed({"PK": key.pk, "SK": key.sk}), ConsistentRead=True
            )
            if "Item" in found:
                return untyped(found["Item"])
        return None

    async def move(self, key: Key, move: Move) -> bool:
        # An attempt whose answer was lost may have written it: the SDK's next one then meets the row as it left it.
        try:
            await self._client.update_item(
                TableName=self._table,
                **update_of(key, move),
                ReturnValuesOnConditionCheckFailure="ALL_OLD" if is_signed(move) else "NONE",
            )
        except ClientError as error:
            _unless_condition(error)
            found: Any = error.response.get("Item")
            return bool(found) and has_made(move, found)
        return True

    async def record(self, key: Key, move: Move, *, within: float) -> bool:
        return await patiently(within)(self.move, key, move)

    async def replace(self, key: Key, move: Move, row: Row) -> bool:
        both: Any = [
            {"Put": {"TableName": self._table, **moved_row(row)}},
            {"Update": {"TableName": self._table, **update_of(key, move)}},
        ]
        try:
            await self._client.transact_write_items(TransactItems=both)
        except ClientError as error:
            match [each.get("Code") for each in error.response.get("CancellationReasons", [])]:
                case ["ConditionalCheckFailed", "None"]:  # the row is there
                    return await self.move(key, move)
                case [_, "ConditionalCheckFailed" | "TransactionConflict"] | ["TransactionConflict", _]:
                    return False
            raise
        return True

    async def add(self, row: Row) -> bool:
        try:
            await self._client.put_item(
                TableName=self._table,
                Item=typed(row),
                ConditionExpression="attribute_not_exists(#pk)",
                ExpressionAttributeNames={"#pk": "PK"},
            )
        except ClientError as error:
            _unless_condition(error)
            return False
        return True


def _marks(minute: datetime) -> str:
    return f"QUEUED#{minute_text(minute)}"


def _unless_condition(error: ClientError) -> None:
    if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
        raise error
