"""What the audit queue carries: a row that changed, a pointer to such rows in their stream, or the schedule's wish for a digest."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import Delivery, Image, Reject, StreamRecord, document, schedule_tick, stream_record


@dataclass(frozen=True, slots=True)
class RowChanged:
    """One record of a table's stream; its images are whole and of known types."""

    record: StreamRecord


@dataclass(frozen=True, slots=True)
class DigestDue:
    """The schedule fired at `at`: the objects written since the last digest want a new one."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """Records of one shard by sequence number; both ends belong to it."""

    stream: str
    shard: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class RowsPointedTo:
    """What a pipe or a stream mapping leaves of records that it could not deliver. `at` is when it wrote that, in its own words."""

    span: Span
    at: datetime | None


AuditEvent = RowChanged | RowsPointedTo | DigestDue

EVENT_ID = re.compile(r"[\x21-\x7e]{1,256}")
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")  # DynamoDB's own rule; it makes the name safe in an object's key
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z0-9-]{1,32}")
STREAM = re.compile(
    r"arn:[a-z-]+:dynamodb:([a-z0-9-]{1,32}):([0-9]{12}):table/([A-Za-z0-9_.-]{3,255})/stream/[^/\s]{1,64}"
)
_SHARD = re.compile(r"[A-Za-z0-9-]{1,65}")
SEQUENCE = re.compile(r"[0-9]{1,40}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_NEEDED = {"INSERT": ("new",), "MODIFY": ("old", "new"), "REMOVE": ("old",)}
_DEEPEST = 64  # DynamoDB nests 32 levels


def decode(delivery: Delivery) -> AuditEvent:
    """Read one message. Raises Reject or pydantic.ValidationError; neither quotes the item."""
    opened = document(delivery.body)
    if opened.get("source") == "scheduler":
        return DigestDue(schedule_tick(opened).time)
    if isinstance(batch := opened.get("DDBStreamBatchInfo"), dict):
        return _pointer(opened, batch)
    record = stream_record(opened)
    _check_names(record)
    if not is_datable(record.created_at):
        raise Reject("the record's ApproximateCreationDateTime is no time of a change")
    if not record.keys:
        raise Reject("the record has no keys")
    if any(getattr(record, image) is None for image in _NEEDED[record.event_name]):
        raise Reject(f"{record.event_name} without its image: the stream's view type must be NEW_AND_OLD_IMAGES")
    for image in (record.keys, record.old, record.new):
        check_image(image or {})
    return RowChanged(record)


def _check_names(record: StreamRecord) -> None:
    """Raises Reject: of these the archive's own names are made."""
    if not EVENT_ID.fullmatch(record.event_id):
        raise Reject("the record's eventID is not a plain identifier")
    if not TABLE.fullmatch(record.table):
        raise Reject("the record's eventSourceARN names no DynamoDB table")
    if not _ACCOUNT.fullmatch(record.account) or not _REGION.fullmatch(record.region):
        raise Reject("the record's eventSourceARN names no account and region")
    if not SEQUENCE.fullmatch(record.sequence_number):
        raise Reject("the record's SequenceNumber is not a decimal number")


def _pointer(opened: Mapping[str, Any], batch: Mapping[str, Any]) -> RowsPointedTo:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html, and the same of a pipe."""
    names = ("streamArn", "shardId", "startSequenceNumber", "endSequenceNumber")
    stream, shard, first, last = (str(batch.get(name)) for name in names)
    if not STREAM.fullmatch(stream) or not _SHARD.fullmatch(shard):
        raise Reject("the pointer names no stream of a table, or no shard")
    if not SEQUENCE.fullmatch(first) or not SEQUENCE.fullmatch(last) or int(first) > int(last):
        raise Reject("the pointer names no range of sequence numbers")
    written = opened.get("timestamp")
    try:
        at = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        at = None
    return RowsPointedTo(
        Span(stream, shard, first, last), at if at is not None and at.tzinfo and is_datable(at) else None
    )


def is_datable(at: datetime) -> bool:
    """True where the days before and behind it can be told, in any zone: the first and the last year are nobody's time."""
    return 1 < at.year < 9999


def check_image(image: Image, depth: int = 0) -> None:
    """Raises Reject where a value is not typed DynamoDB JSON; without quoting it."""
    for value in image.values():
        if not (isinstance(value, dict) and len(value) == 1 and isinstance(value.get("S"), str)):  # most are texts
            _check_value(value, depth)


def _check_value(value: Any, depth: int) -> None:
    """The shape of one typed value: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html"""
    if depth > _DEEPEST:
        raise Reject("an image is nested deeper than DynamoDB allows")
    if not isinstance(value, (dict, Mapping)) or len(value) != 1:  # to ask for a dict costs less
        raise Reject("an image holds a value that is not typed DynamoDB JSON")
    ((kind, content),) = value.items()
    match kind, content:
        case ("SS" | "NS" | "BS", [_, *_]):
            for member in content:
                _check_value({kind[0]: member}, depth + 1)
        case ("L", list()):
            for member in content:
                _check_value(member, depth + 1)
        case ("M", dict()):
            check_image(content, depth + 1)
        case _ if not _is_scalar(kind, content):
            raise Reject("an image holds a value of no DynamoDB type")


def _is_scalar(kind: str, content: Any) -> bool:
    match kind, content:
        case ("S", str()) | ("BOOL" | "NULL", bool()):
            return True
        case ("N", str()):
            return _NUMBER.fullmatch(content) is not None
        case ("B", str()):
            return _is_base64(content)
        case _:
            return False


def _is_base64(text: str) -> bool:
    try:
        b64decode(text, validate=True)
    except ValueError:
        return False
    return True
