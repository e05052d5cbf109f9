"""How an upload is announced: to its browser, and to everybody on the bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from shared import BusEntry
from workers.upload_notification import rules
from workers.upload_notification.event import UploadFinished, instant
from workers.upload_notification.rules import Session

COMPLETED = "upload.completed"
REJECTED = "upload.rejected"
SOURCE = "fleet.uploads"

VERSION = 1
"""Of the browser's message: a field more does not change it, a field less, or of another meaning, does."""

LARGEST_MESSAGE = 131_072
"""Bytes of one post to a connection (https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html)."""
LARGEST_POINTER = 1024
"""Bytes of the message that only says where to look."""

_WHERE_FOUND: Final = ("versionId", "contentType", "reason", "checksumSha256")


def message(upload: UploadFinished, session: Session) -> bytes:
    """The browser's message; a pointer where it would be longer than a connection takes."""
    data = orjson.dumps({"type": _type(session), "version": VERSION, **_told(upload, session)})
    return data if len(data) <= LARGEST_MESSAGE else pointer(upload, session)


def pointer(upload: UploadFinished, session: Session) -> bytes:
    """At most 1 KB: the browser reads the rest from its session."""
    fields = {"type": _type(session), "version": VERSION, "status": session.status}
    fields |= {"occurredAt": _time(upload, session), "sequencer": upload.order}
    data = orjson.dumps({**fields, "sessionId": upload.session_id})
    # Only an absurd session id is that long, and a browser knows its own.
    return data if len(data) <= LARGEST_POINTER else orjson.dumps(fields)


def again(row: Mapping[str, Any]) -> bytes:
    """The message of the row's file once more, from the row alone, its values as plain ones: what a browser that was away has missed.

    A session that was told of and ended without a verdict was told of as UPLOADED, and its `reason` is of its end.
    """
    if row["status"] == rules.EXPIRED:
        row = {**row, "status": rules.UPLOADED, "reason": ""}
    fields = {
        "type": REJECTED if row["status"] == rules.REJECTED else COMPLETED,
        "version": VERSION,
        "sessionId": row["sessionId"],
        "key": row["uploadKey"],
        "size": row["size"],
        "etag": row.get("etag", ""),
        "sequencer": row["sequencer"],
        "status": row["status"],
        "occurredAt": row["uploadedAt"],
    }
    return orjson.dumps(fields | {name: row[name] for name in _WHERE_FOUND if row.get(name)})


def entry(upload: UploadFinished, session: Session) -> BusEntry:
    """The bus event, of the time at which the upload happened."""
    return BusEntry(SOURCE, _type(session), orjson.dumps(detail(upload, session)).decode(), time=upload.occurred_at)


def _type(session: Session) -> str:
    return REJECTED if session.status == rules.REJECTED else COMPLETED


def _time(upload: UploadFinished, session: Session) -> str:
    """As the row has it: the roads differ in precision, and what is told twice must be told alike."""
    return session.uploaded_at or instant(upload.occurred_at)


def detail(upload: UploadFinished, session: Session) -> Mapping[str, Any]:
    """The detail of the bus event; its `id` is the same however often the upload is announced."""
    fields = {"id": upload.id, "correlationId": upload.session_id, "bucket": upload.bucket, **_told(upload, session)}
    return {**fields, "tenantId": session.tenant_id} if session.tenant_id else fields


def _told(upload: UploadFinished, session: Session) -> Mapping[str, Any]:
    """What browser and bus are told alike; _WHERE_FOUND only where there is one."""
    fields = {
        "sessionId": upload.session_id,
        "key": upload.key,
        "size": upload.size,
        "etag": upload.etag,
        "sequencer": upload.order,
        "status": session.status,
        "occurredAt": _time(upload, session),
    }
    found = (upload.version, session.content_type, session.reason, session.checksum)
    return fields | {name: value for name, value in zip(_WHERE_FOUND, found, strict=True) if value}
