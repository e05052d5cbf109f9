"""The sessions table: each of the rules' steps as one conditional update of one row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, assert_never

from shared import Image, Reject
from workers.upload_notification.event import UploadFinished, UploadRemoved, instant
from workers.upload_notification.ports import Accepted, Refused
from workers.upload_notification.rules import (
    AWAITING,
    EXPIRED,
    HOLDING,
    LEASE,
    OPEN,
    UPLOADED,
    Expire,
    Move,
    Note,
    Session,
    TakeOver,
    Withdraw,
    Write,
    mark,
    seen_as,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

LIVE = "attribute_exists(sessionId) AND (attribute_not_exists(expiresAt) OR expiresAt > :now)"
NEWER = "(attribute_not_exists(#seen) OR #seen < :order)"
CURRENT = "uploadKey = :key AND sequencer = :order"
# Of the removal of one version: the row has that one, or does not say which.
SAME_VERSION = " AND (attribute_not_exists(versionId) OR versionId IN (:none, :version))"
OTHER_VERSION = " OR (attribute_exists(versionId) AND NOT versionId IN (:none, :version))"

# An older upload under another name must not take the place of a newer one; a tie is broken by the key.
NOT_SUPERSEDED = (
    "(attribute_not_exists(uploadKey) OR attribute_not_exists(uploadedAt) OR uploadKey = :key"
    " OR uploadedAt < :at OR (uploadedAt = :at AND uploadKey < :key))"
)


@dataclass(frozen=True, slots=True)
class _Update:
    """One UpdateItem, in DynamoDB's expression language."""

    session_id: str
    change: str
    condition: str
    names: Mapping[str, str]
    values: Mapping[str, str | int]


class DynamoDbSessions:
    """Upload sessions in a DynamoDB table with hash key `sessionId`; see ports.SessionStore."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def write(self, step: Write, *, now: datetime) -> Accepted | Refused:
        return await self._update(_update(step, int(now.timestamp())))

    async def announced(self, upload: UploadFinished) -> None:
        await self._update(
            _Update(
                upload.session_id,
                change="SET announcedSequencer = :order REMOVE announceUntil",
                condition=CURRENT,
                names={},
                values={":key": upload.key, ":order": upload.order},
            )
        )

    async def release(self, session: Session) -> None:
        await self._update(
            _Update(
                session.session_id,
                change="REMOVE announceUntil",
                condition=f"{CURRENT} AND announceUntil = :until",
                names={},
                values={
                    ":key": session.upload_key,
                    ":order": session.order,
                    ":until": math.ceil(session.announce_until),
                },
            )
        )

    async def disconnect(self, session_id: str, connection_id: str) -> str:
        answer = await self._update(
            _Update(
                session_id,
                change="REMOVE wsConnectionId",
                condition="wsConnectionId = :id",
                names={},
                values={":id": connection_id},
            )
        )
        return answer.session.connection_id if answer.session else ""

    async def _update(self, update: _Update) -> Accepted | Refused:
        key = {"sessionId": {"S": update.session_id}}
        names: Any = {"ExpressionAttributeNames": update.names} if update.names else {}  # an empty map is an error
        try:
            written = await self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression=update.change,
                ConditionExpression=update.condition,
                ExpressionAttributeValues={name: _typed(value) for name, value in update.values.items()},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **names,
            )
        except self._client.exceptions.ConditionalCheckFailedException as refusal:
            # A missing row has no item to return, and DynamoDB Local returns none at all: only a read tells.
            item: Any = refusal.response.get("Item") or await self._read(key)
            return Refused(_session(item) if item else None)
        return Accepted(_session(written["Attributes"]))

    async def _read(self, key: Any) -> Any:
        return (await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)).get("Item")


def _update(step: Write, now: int) -> _Update:
    match step:
        case Move(upload):
            opened, states = _one_of(OPEN)
            gone = {"#gone": mark(upload.key, upload.version)} if upload.version else {}
            return _Update(
                upload.session_id,
                change="SET #status = :uploaded, uploadKey = :key, #size = :size, etag = :etag, versionId = :version,"
                " sequencer = :order, uploadedAt = :at, announceUntil = :until, #seen = :order REMOVE announcedSequencer",
                condition=f"{LIVE} AND {opened} AND {NEWER} AND {NOT_SUPERSEDED}{' AND attribute_not_exists(#gone)' if gone else ''}",
                names={"#status": "status", "#size": "size", "#seen": seen_as(upload), **gone},
                values={
                    ":uploaded": UPLOADED,
                    ":key": upload.key,
                    ":size": upload.size,
                    ":etag": upload.etag,
                    ":version": upload.version,
                    ":order": upload.order,
                    ":at": instant(upload.occurred_at),
                    ":until": now + LEASE,
                    ":now": now,
                    **states,
                },
            )
        case TakeOver(upload):
            return _Update(
                upload.session_id,
                change="SET announceUntil = :until",
                condition=f"{LIVE} AND #status <> :expired AND {CURRENT}"
                " AND (attribute_not_exists(announcedSequencer) OR announcedSequencer <> :order)"
                " AND (attribute_not_exists(announceUntil) OR announceUntil <= :now)",
                names={"#status": "status"},
                values={
                    ":expired": EXPIRED,
                    ":key": upload.key,
                    ":order": upload.order,
                    ":until": now + LEASE,
                    ":now": now,
                },
            )
        case Withdraw(removal):
            holding, states = _one_of(HOLDING)
            return _Update(
                removal.session_id,
                change="SET #status = :awaiting, #seen = :order"
                " REMOVE uploadKey, #size, etag, versionId, sequencer, uploadedAt, announceUntil, announcedSequencer",
                condition=f"{LIVE} AND {NEWER} AND uploadKey = :key{SAME_VERSION if removal.version else ''} AND {holding}",
                names={"#status": "status", "#size": "size", "#seen": seen_as(removal)},
                values={":awaiting": AWAITING, **_of(removal), ":now": now, **states},
            )
        case Note(removal):
            holding, states = _one_of(HOLDING)
            return _Update(
                removal.session_id,
                change="SET #seen = :order",
                # Never for the current upload: if it became that a moment ago, it is to be withdrawn.
                condition=f"{LIVE} AND #status <> :expired AND {NEWER}"
                f" AND (attribute_not_exists(uploadKey) OR uploadKey <> :key{OTHER_VERSION if removal.version else ''} OR NOT {holding})",
                names={"#status": "status", "#seen": seen_as(removal)},
                values={":expired": EXPIRED, **_of(removal), ":now": now, **states},
            )
        case Expire(session_id):
            opened, states = _one_of(OPEN)
            return _Update(
                session_id,
                change="SET #status = :expired",
                condition=f"expiresAt <= :now AND {opened}",
                names={"#status": "status"},
                values={":expired": EXPIRED, ":now": now, **states},
            )
        case never:
            assert_never(never)


def _of(removal: UploadRemoved) -> dict[str, str | int]:
    version: dict[str, str | int] = {":version": removal.version, ":none": ""} if removal.version else {}
    return {":key": removal.key, ":order": removal.order, **version}


def _one_of(states: tuple[str, ...]) -> tuple[str, dict[str, str | int]]:
    """The condition that the row is in one of these states, and the values it speaks of."""
    values: dict[str, str | int] = {f":state{place}": state for place, state in enumerate(states)}
    return f"(#status IN ({', '.join(values)}))", values


def _typed(value: str | int) -> Any:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _session(item: Image) -> Session:
    return Session(
        session_id=_text(item, "sessionId"),
        status=_text(item, "status"),
        expires_at=_number(item, "expiresAt"),
        connection_id=_text(item, "wsConnectionId"),
        tenant_id=_text(item, "tenantId"),
        upload_key=_text(item, "uploadKey"),
        size=None if (size := _number(item, "size")) is None else int(size),
        etag=_text(item, "etag"),
        version=_text(item, "versionId"),
        order=_text(item, "sequencer"),
        uploaded_at=_text(item, "uploadedAt"),
        announced=_text(item, "announcedSequencer"),
        announce_until=_number(item, "announceUntil") or 0,
        seen={name: _text(item, name) for name in item if name.startswith("seq#")},
    )


def _text(item: Image, name: str) -> str:
    found = item.get(name, {}).get("S", "")
    return str(found)


def _number(item: Image, name: str) -> float | None:
    if name not in item:
        return None
    try:
        return float(item[name]["N"])
    except KeyError as error:
        raise Reject(f"the session's {name} is not a number") from error
