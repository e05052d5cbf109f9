"""A record that the archive cannot take: what of it can be named is kept in its place, so that it is not missing in silence."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from shared import Delivery, Image, Reject, StreamRecord, document, in_words
from workers.audit_archive.event import (
    EVENT_ID,
    SEQUENCE,
    STREAM,
    TABLE,
    AuditEvent,
    Span,
    check_image,
    decode,
    is_datable,
)
from workers.audit_archive.rules import SCHEMA, WRITER, Hide, Row, canonical, fingerprint, identity, partition

GAPS = "gaps"
"""The folder of all gaps, `table=gaps/`, whichever table they are of: verification finds them without reading all rows."""

_PLACE = re.compile(r"arn:[a-z-]+:dynamodb:([a-z0-9-]{0,32}):([0-9]{0,12}):table/([A-Za-z0-9_.-]{3,255})(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing, as far as it could be read: "" or None for what was not. `fingerprint` (32 hex digits) is of what came.
    `at` is the change's time, else the message's. Where event id and sequence number are there, the record's row fills it.
    """

    reason: str
    fingerprint: str
    at: datetime
    account: str = ""
    region: str = ""
    table: str = ""
    event_id: str = ""
    sequence_number: str = ""
    keys: Image | None = None
    span: Span | None = None
    told: tuple[Any, ...] = field(default=(), repr=False)
    """The images as they came, of any shape: they may name whom the row is about. They are not kept."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is a stream record and cannot be archived as one; it is buried with `error`, once its gap is kept."""

    gap: Gap
    error: Reject


def decode_or_gap(delivery: Delivery) -> AuditEvent | Refused:
    """Read one message. What is not a stream record at all leaves no gap. Raises as `decode` does."""
    try:
        return decode(delivery)
    except (Reject, ValidationError) as error:
        found = _record(delivery)
        if found is None:
            raise
        refusal = error if isinstance(error, Reject) else Reject(_explained(error))
        return Refused(_gap(found, delivery, refusal.why), refusal)


def gap_of(record: StreamRecord, reason: str, *, can_be_filled: bool = True) -> Gap:
    """Of a record that was read and could not be kept."""
    content = f"{identity(record)}#{fingerprint(record)}".encode()
    return Gap(
        reason=reason,
        fingerprint=hashlib.sha256(content).hexdigest()[:32],
        at=record.created_at,
        account=record.account,
        region=record.region,
        table=record.table,
        event_id=record.event_id,
        sequence_number=record.sequence_number if can_be_filled else "",
        keys=record.keys,
        told=(record.old, record.new),
    )


def gap_of_span(span: Span, at: datetime | None) -> Gap:
    """Of records that their stream no longer has."""
    place = STREAM.fullmatch(span.stream)
    region, account, table = place.groups() if place else ("", "", "")
    return Gap(
        reason="lost: trimmed from the stream before it was read",
        fingerprint=hashlib.sha256(canonical(asdict(span))).hexdigest()[:32],
        at=at or datetime.fromtimestamp(0, UTC),
        account=account,
        region=region,
        table=table,
        span=span,
    )


def gap_row(gap: Gap, *, hide: Hide) -> Row:
    """The gap as a row of its own folder. It comes once for the same content, as often as that comes."""
    # Of what came, and so of personal data: in clear, it would say of each guess whether it is right.
    secret: Image = {"secret": {"S": gap.fingerprint}}
    (keys, hidden), found = hide((gap.keys or None, secret), gap.table, told=gap.told)
    (name,), _ = hide((secret,), "")  # of no subject: the same however often it comes
    return _row(gap, "gap", keys, _text(hidden), name=_text(name), found=found)


def read_back_row(span: Span, at: datetime | None) -> Row:
    """That all of a range was read and archived: a later pointer to it, which finds the stream trimmed, is no loss."""
    gap = gap_of_span(span, at)
    whole = replace(gap, reason="read back from the stream")
    return _row(whole, "read back", None, gap.fingerprint, name=gap.fingerprint)


def _text(hidden: Image | None) -> str:
    return str((hidden or {})["secret"]["S"])


def _row(gap: Gap, activity: str, keys: Image | None, told: str, *, name: str, found: int = 0) -> Row:
    """`told` stands for what came, `name` for the gap."""
    line = canonical(
        {
            "schema": SCHEMA,
            "activity": activity,
            "account": gap.account,
            "region": gap.region,
            "table": gap.table,
            "event_id": gap.event_id,
            "sequence_number": gap.sequence_number,
            "keys": keys,
            "range": None if gap.span is None else asdict(gap.span),
            "reason": gap.reason,
            "fingerprint": told,
            "event_time": gap.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "archived_by": WRITER,
        }
    )
    page = f"{activity}#{name}"
    return Row(
        identity=page,
        page=page,  # the same gap may come with another time
        fingerprint=gap.fingerprint,
        partition=partition(GAPS, gap.at),
        event_time=gap.at,
        order=(gap.fingerprint.encode(), 0),
        line=line,
        found=found,
    )


def _record(delivery: Delivery) -> Mapping[str, Any] | None:
    """The message where it is a stream record, however broken."""
    try:
        opened = document(delivery.body)
    except Reject:
        return None
    return opened if isinstance(opened.get("dynamodb"), dict) else None


def _gap(opened: Mapping[str, Any], delivery: Delivery, reason: str) -> Gap:
    change = opened["dynamodb"]
    place = _PLACE.fullmatch(str(opened.get("eventSourceARN")))
    return Gap(
        reason=reason,
        fingerprint=hashlib.sha256(canonical(opened)).hexdigest()[:32],
        at=_time(change.get("ApproximateCreationDateTime"))
        or _time(delivery.sent_at)
        or datetime.fromtimestamp(0, UTC),
        account=place[2] if place else "",
        region=place[1] if place else "",
        table=place[3] if place and TABLE.fullmatch(place[3]) else "",
        event_id=_matching(EVENT_ID, opened.get("eventID")),
        sequence_number=_matching(SEQUENCE, change.get("SequenceNumber")),
        keys=_keys(change.get("Keys")),
        told=(change.get("OldImage"), change.get("NewImage")),
    )


def _matching(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _keys(found: object) -> Image | None:
    if not isinstance(found, dict):
        return None
    try:
        check_image(found)
    except Reject:
        return None
    return found


def _time(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    try:
        found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if is_datable(found) else None


def _explained(error: ValidationError) -> str:
    """Fields and kinds of faults, without a word of the payload: below the model's own fields names may be keys of it."""
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{fault['loc'][0] if fault['loc'] else 'body'}: {in_words(fault)}" for fault in faults)[:300]
