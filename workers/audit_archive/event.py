"""What the audit queue carries: a row that changed, or the schedule's wish for a digest."""

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


AuditEvent = RowChanged | DigestDue

EVENT_ID = re.compile(r"[\x21-\x7e]{1,256}")
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")  # DynamoDB's own rule; it makes the name safe in an object's key
_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z0-9-]{1,32}")
SEQUENCE = re.compile(r"[0-9]{1,40}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_NEEDED = {"INSERT": ("new",), "MODIFY": ("old", "new"), "REMOVE": ("old",)}
_DEEPEST = 64  # DynamoDB nests 32 levels


def decode(delivery: Delivery) -> AuditEvent:
    """Read one message. Raises Reject or pydantic.ValidationError; neither quotes the item."""
    opened = document(delivery.body)
    if opened.get("source") == "scheduler":
        return DigestDue(schedule_tick(opened).time)
    record = stream_record(opened)
    if not EVENT_ID.fullmatch(record.event_id):
        raise Reject("the record's eventID is not a plain identifier")
    if not TABLE.fullmatch(record.table):
        raise Reject("the record's eventSourceARN names no DynamoDB table")
    if not _ACCOUNT.fullmatch(record.account) or not _REGION.fullmatch(record.region):
        raise Reject("the record's eventSourceARN names no account and region")
    if not SEQUENCE.fullmatch(record.sequence_number):
        raise Reject("the record's SequenceNumber is not a decimal number")
    if not record.keys:
        raise Reject("the record has no keys")
    if any(getattr(record, image) is None for image in _NEEDED[record.event_name]):
        raise Reject(f"{record.event_name} without its image: the stream's view type must be NEW_AND_OLD_IMAGES")
    for image in (record.keys, record.old, record.new):
        check_image(image or {})
    return RowChanged(record)


def check_image(image: Image, depth: int = 0) -> None:
    """Raises Reject where a value is not typed DynamoDB JSON; without quoting it."""
    for value in image.values():
        _check_value(value, depth)


def _check_value(value: Any, depth: int) -> None:
    """The shape of one typed value: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html"""
    if depth > _DEEPEST:
        raise Reject("an image is nested deeper than DynamoDB allows")
    if not isinstance(value, Mapping) or len(value) != 1:
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
