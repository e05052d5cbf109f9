"""Upload sessions in their table: rows read into sessions, steps carried out."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import Image, Reject, Unavailable
from workers.upload_notification.content.gate import Gate, Verdict
from workers.upload_notification.event import UploadFinished
from workers.upload_notification.ports import BROWSER, Accepted, Refused
from workers.upload_notification.rules import File, Session, Write
from workers.upload_notification.scans import Await, Record, ScanWrite
from workers.upload_notification.store.updates import (
    CURRENT,
    LAPSED,
    SAME_CONNECTION,
    Update,
    Value,
    connected,
    typed,
    update_of,
)
from workers.upload_notification.store.verdicts import announced, scan_update

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_aiobotocore_dynamodb import DynamoDBClient


class DynamoDbSessions:
    """Upload sessions in a DynamoDB table with hash key `sessionId`; see ports.SessionStore."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    async def write(self, step: Write | ScanWrite, *, now: datetime) -> Accepted | Refused:
        moment = int(now.timestamp())
        return await self._update(
            scan_update(step, moment) if isinstance(step, Await | Record) else update_of(step, moment)
        )

    async def announced(
        self, upload: UploadFinished, verdict: Verdict | None, *, connection: str = "", checksum: str = ""
    ) -> Session | None:
        update = announced(upload, verdict, connection, checksum)
        try:
            await self._write(update, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except self._client.exceptions.ConditionalCheckFailedException as refusal:
            return await self._refused(refusal, upload.session_id)
        return None

    async def release(self, session: Session, *, informed: frozenset[str], busy_since: float | None) -> None:
        known: dict[str, Value] = {"announcedTo": "+".join(sorted(informed))} if informed else {}
        if informed and session.told_as:
            known["announcedAs"] = session.told_as
        if busy_since is not None:
            known["busySince"] = int(busy_since)
        is_left = session.is_left and not informed
        if is_left:
            known["announceUntil"] = LAPSED
        sets = ", ".join(f"{name} = :{name}" for name in known)
        told = connected(session.connection_id) if BROWSER in informed else {}
        is_given_back = await self._note(
            Update(
                session.session_id,
                change=(f"SET {sets} " if sets else "") + ("" if is_left else "REMOVE announceUntil"),
                condition=f"{CURRENT} AND announceUntil = :until" + (f" AND {SAME_CONNECTION}" if told else ""),
                names={},
                values={
                    ":key": session.upload_key,
                    ":order": session.order,
                    ":until": math.ceil(session.announce_until),
                    **{f":{name}": value for name, value in known.items()},
                    **told,
                },
            )
        )
        if told and not is_given_back:
            left = replace(session, is_left=True)  # the connection before was told
            await self.release(left, informed=informed - {BROWSER}, busy_since=busy_since)

    async def disconnect(self, session_id: str, connection_id: str) -> str:
        answer = await self._update(
            Update(
                session_id,
                change="REMOVE wsConnectionId",
                condition="wsConnectionId = :id",
                names={},
                values={":id": connection_id},
            )
        )
        return answer.session.connection_id if answer.session else ""

    async def _update(self, update: Update) -> Accepted | Refused:
        try:
            written = await self._write(update, ReturnValues="ALL_NEW", ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except self._client.exceptions.ConditionalCheckFailedException as refusal:
            return Refused(await self._refused(refusal, update.session_id))
        if "Attributes" not in written:
            raise Unavailable("the table did not say what it wrote", code="OddAnswer")
        return Accepted(read_session(written["Attributes"]))

    async def _refused(self, refusal: ClientError, session_id: str) -> Session | None:
        """The row that refused a write. A missing one has no item to return, and DynamoDB Local returns none at all: only a read tells."""
        item: Any = refusal.response.get("Item") or await self._read(_key(session_id))
        return read_session(item) if item else None

    async def _note(self, update: Update) -> bool:
        """Whether an update was made of which nobody asks what it found: no row is sent back, or read again."""
        try:
            await self._write(update)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    async def _write(self, update: Update, **returned: Any) -> Any:
        names: Any = {"ExpressionAttributeNames": update.names} if update.names else {}  # an empty map is an error
        return await self._client.update_item(
            TableName=self._table,
            Key=_key(update.session_id),
            UpdateExpression=update.change,
            ConditionExpression=update.condition,
            ExpressionAttributeValues={name: typed(value) for name, value in update.values.items()},
            **names,
            **returned,
        )

    async def _read(self, key: Any) -> Any:
        return (await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)).get("Item")


def _key(session_id: str) -> Image:
    return {"sessionId": {"S": session_id}}


def read_session(item: Image) -> Session:
    """A row in DynamoDB's typed form. Raises Reject, whose text names the attribute."""
    marks = [name for name in item if "#" in name]
    return Session(
        session_id=_text(item, "sessionId"),
        status=_text(item, "status"),
        expires_at=_number(item, "expiresAt"),
        connection_id=_text(item, "wsConnectionId"),
        tenant_id=_tenant(item),
        upload_key=_text(item, "uploadKey"),
        size=None if (size := _number(item, "size")) is None else int(size),
        etag=_text(item, "etag"),
        version=_text(item, "versionId"),
        order=_text(item, "sequencer"),
        uploaded_at=_text(item, "uploadedAt"),
        announced=_text(item, "announcedSequencer"),
        announce_until=_number(item, "announceUntil") or 0,
        informed=frozenset(_text(item, "announcedTo").split("+")) - {""},
        told_as=_text(item, "announcedAs") if "announcedAs" in item else "",
        busy_since=_number(item, "busySince"),
        others=tuple(_file(each.get("M", {})) for each in item.get("otherFiles", {}).get("L", ())),
        gate=_gate(item),
        content_type=_text(item, "contentType"),
        reason=_text(item, "reason"),
        checksum=_text(item, "checksumSha256"),
        scan_required=_switch(item, "scanRequired"),
        scans={name: _text(item, name) for name in marks if name.startswith("scan#")},
        seen={name: _text(item, name) for name in marks if name.startswith("seq#")},
    )


def _file(item: Image) -> File:
    return File(
        key=_text(item, "key"),
        order=_text(item, "sequencer"),
        size=int(_number(item, "size") or 0),
        etag=_text(item, "etag"),
        version=_text(item, "versionId"),
        uploaded_at=_text(item, "uploadedAt"),
        announced=_number(item, "announced") == 1,
    )


def _gate(item: Image) -> Gate | None:
    """What the session allows, None where it says nothing."""
    if not item.keys() & {"allowedTypes", "maxBytes", "minBytes"}:
        return None
    most, least = _number(item, "maxBytes"), _number(item, "minBytes")
    return Gate(
        _types(item.get("allowedTypes")), None if most is None else int(most), None if least is None else int(least)
    )


def _types(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    texts = value.get("SS") or [each.get("S") for each in value.get("L", ())]
    if not texts or not all(isinstance(text, str) and "/" in text for text in texts):
        # A gate that nobody can read must not stand open.
        raise Reject("the session's allowedTypes is not a list or a set of types such as image/png")
    return tuple(texts)


def _text(item: Image, name: str) -> str:
    return str(item[name].get("S", "")) if name in item else ""


def _tenant(item: Image) -> str:
    if not item.get("tenantId", {"NULL": True}).keys() & {"S", "NULL"}:
        raise Reject("the session's tenantId is not a text")  # its events would have no tenant, and no webhook be sent
    return _text(item, "tenantId")


def _switch(item: Image, name: str) -> bool:
    found = item.get(name, {"BOOL": False}).get("BOOL")
    if not isinstance(found, bool):
        raise Reject(f"the session's {name} is not a boolean")
    return found


def _number(item: Image, name: str) -> float | None:
    if name not in item:
        return None
    try:
        return float(item[name]["N"])
    except KeyError as error:
        raise Reject(f"the session's {name} is not a number") from error
