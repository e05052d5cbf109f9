"""What SQS bodies wrap: EventBridge events, S3 notifications, SNS notifications, DynamoDB stream records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import unquote_plus

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.message.parsing import MOST_RECORDS, parsed
from shared.outcome import Reject

Image = Mapping[str, Mapping[str, Any]]
"""A DynamoDB item in its typed JSON form ({"name": {"S": "x"}}): numbers stay strings, nothing is rounded."""


class Wire(BaseModel):
    """A body as it comes over the wire: frozen, unknown fields ignored, names as AWS spells them."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)


class BusEvent(Wire):
    """One EventBridge event (https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html)."""

    id: str
    source: str
    detail_type: str = Field(alias="detail-type")
    time: AwareDatetime
    account: str = ""
    region: str = ""
    detail: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The event's business id: `detail.id` where the producer gave one, for EventBridge's own id is new each time.

        Any text: who puts it into a table key or a header makes it fit there.
        """
        own = self.detail.get("id")
        return own if isinstance(own, str) and own else self.id


class ScheduleTick(Wire):
    """What the schedule rule sends: it names the instant it fired for, in UTC."""

    source: Literal["scheduler"]
    time: AwareDatetime

    @field_validator("time")
    @classmethod
    def _in_utc(cls, time: datetime) -> datetime:
        return time.astimezone(UTC)


class S3Change(Wire):
    """One object created or removed; `key` is the object's true key, whatever encoding it came in.

    `sequencer` is lower case and right-padded with zeros to 64 digits, so that text order is time order for one key
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html); "" where S3 gave none.
    A removal without `is_marker` takes away exactly the version `version_id`, where the bucket has versions: another one may be current.
    """

    kind: Literal["created", "removed"]
    is_marker: bool = False
    """The key was hidden by a delete marker, whose version `version_id` is."""
    bucket: str
    key: str
    size: int | None = None
    etag: str = ""
    version_id: str = ""
    sequencer: str = ""
    occurred_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class S3Changes:
    """What one body tells: its changes in the order given, and of each record that could not be read, why (no payload).

    `others` counts records of other kinds (restore, tagging, access lists). `is_test` marks the `s3:TestEvent` that S3 sends when a notification is configured.
    """

    changes: tuple[S3Change, ...] = ()
    unreadable: tuple[str, ...] = ()
    others: int = 0
    is_test: bool = False


class StreamRecord(Wire):
    """One DynamoDB stream record as a pipe or a Lambda stream mapping writes it."""

    event_id: str
    event_name: Literal["INSERT", "MODIFY", "REMOVE"]
    table: str
    keys: Image
    old: Image | None = None
    new: Image | None = None
    sequence_number: str
    created_at: AwareDatetime
    by_time_to_live: bool = False


def document(body: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON object in `body`, out of its SNS envelope if it has one; what is read already is taken as it is. Raises Reject."""
    if not isinstance(body, str):
        return body
    opened = _object(body)
    return _object(opened["Message"]) if _is_notification(opened) else opened


def unwrapped(body: str) -> str:
    """The text that `document` reads: the body, or what its SNS envelope holds. Raises Reject."""
    opened = _object(body)
    return str(opened["Message"]) if _is_notification(opened) else body


def _is_notification(opened: Mapping[str, Any]) -> bool:
    return opened.get("Type") == "Notification" and isinstance(opened.get("Message"), str)


def bus_event(body: str) -> BusEvent:
    """Raises Reject or pydantic.ValidationError."""
    return BusEvent.model_validate(document(body))


def schedule_tick(body: str | Mapping[str, Any]) -> ScheduleTick:
    """Raises Reject or pydantic.ValidationError."""
    return ScheduleTick.model_validate(document(body))


def s3_changes(body: str) -> S3Changes:
    """Every change in a classic S3 notification or an EventBridge S3 event; none in S3's own `s3:TestEvent`.

    Records of other kinds are only counted. A record that cannot be read is named beside
    the good ones, which it must not take along. Raises Reject, or pydantic.ValidationError, where nothing can be read.
    """
    opened = document(body)
    if opened.get("Event") == "s3:TestEvent":
        return S3Changes(is_test=True)
    if opened.get("source") == "aws.s3":
        change = _from_event_bridge(BusEvent.model_validate(opened))
        return S3Changes((change,)) if change else S3Changes(others=1)
    records = opened.get("Records")
    if not isinstance(records, list):
        raise Reject("body is neither an S3 notification nor an S3 event from EventBridge")
    if len(records) > MOST_RECORDS:
        raise Reject(f"an S3 notification of {len(records)} records, above {MOST_RECORDS}")
    found = [_read(record) for record in records]
    changes = tuple(each for each in found if isinstance(each, S3Change))
    faults = [(place, each) for place, each in enumerate(found) if isinstance(each, Exception)]
    if faults and not changes:
        raise faults[0][1]
    unreadable = tuple(f"record {place}: {_fault(error)}" for place, error in faults)
    return S3Changes(changes, unreadable, others=found.count(None))


def stream_record(body: str | Mapping[str, Any]) -> StreamRecord:
    """Raises Reject or pydantic.ValidationError."""
    opened = document(body)
    change = opened.get("dynamodb")
    if not isinstance(change, dict):
        raise Reject("body is not a DynamoDB stream record: it has no `dynamodb`")
    identity = found if isinstance(found := opened.get("userIdentity"), dict) else {}
    return StreamRecord.model_validate(
        {
            "event_id": opened.get("eventID"),
            "event_name": opened.get("eventName"),
            "table": _table_of(opened.get("eventSourceARN")),
            "keys": change.get("Keys"),
            "old": change.get("OldImage"),
            "new": change.get("NewImage"),
            "sequence_number": change.get("SequenceNumber"),
            "created_at": change.get("ApproximateCreationDateTime"),
            # Pipes and Lambda spell these in lower case, the SDK in upper case.
            "by_time_to_live": "dynamodb.amazonaws.com" in (identity.get("principalId"), identity.get("PrincipalId")),
        }
    )


def padded_sequencer(sequencer: str) -> str:
    """Fold case and right-pad, so that comparing as text is comparing as S3 means it."""
    return sequencer.lower().ljust(64, "0") if sequencer else ""


def _object(body: str) -> dict[str, Any]:
    opened = parsed(body)
    if not isinstance(opened, dict):
        raise Reject("body is JSON but not an object")
    return opened


class _S3Bucket(Wire):
    name: str = Field(min_length=1)


class _S3Object(Wire):
    """Spelt in camel case by notifications, with hyphens by EventBridge; fields that do not apply are left out or null."""

    key: str = Field(min_length=1)
    size: int | None = Field(default=None, ge=0)
    etag: str | None = Field(default=None, validation_alias=AliasChoices("eTag", "etag"))
    version_id: str | None = Field(default=None, validation_alias=AliasChoices("versionId", "version-id"))
    sequencer: str | None = None


class _S3Place(Wire):
    bucket: _S3Bucket
    object: _S3Object
    deletion_type: str = Field(default="", alias="deletion-type")
    """EventBridge's alone: a notification says it in the event's name."""


def _read(record: Any) -> S3Change | Reject | ValidationError | None:
    """The change in a record, None for a record of another kind, or what is wrong with it."""
    try:
        return _from_notification(record)
    except (Reject, ValidationError) as error:
        return error


def _from_notification(record: Any) -> S3Change | None:
    if not isinstance(record, dict):
        raise Reject("a record of the S3 notification is not an object")
    # Minor versions only add fields; a new major may mean anything.
    if not str(record.get("eventVersion", "2.0")).startswith("2."):
        raise Reject(f"S3 notification of unknown version {str(record.get('eventVersion'))[:8]}")
    name = str(record.get("eventName", "")).removeprefix("s3:")
    kind = _kind(name, ("ObjectCreated:",), ("ObjectRemoved:", "LifecycleExpiration:"))
    if kind is None:
        return None
    place = _S3Place.model_validate(record.get("s3"))
    try:
        # Form-style encoding: a plus is a blank. Decoded exactly once.
        key = unquote_plus(place.object.key, errors="strict")
    except UnicodeDecodeError as error:
        raise Reject("the key of an S3 notification is not UTF-8") from error
    is_marker = name.endswith(":DeleteMarkerCreated")
    return _change(kind, place, key=key, is_marker=is_marker, occurred_at=record.get("eventTime"))


def _from_event_bridge(event: BusEvent) -> S3Change | None:
    kind = _kind(event.detail_type, ("Object Created",), ("Object Deleted",))
    if kind is None:
        return None
    place = _S3Place.model_validate(event.detail)
    # EventBridge does not encode keys.
    is_marker = place.deletion_type == "Delete Marker Created"
    return _change(kind, place, key=place.object.key, is_marker=is_marker, occurred_at=event.time)


def _change(
    kind: Literal["created", "removed"], place: _S3Place, *, key: str, is_marker: bool, occurred_at: Any
) -> S3Change:
    return S3Change(
        kind=kind,
        is_marker=is_marker,
        bucket=place.bucket.name,
        key=key,
        size=place.object.size,
        etag=place.object.etag or "",
        version_id=place.object.version_id or "",
        sequencer=padded_sequencer(place.object.sequencer or ""),
        occurred_at=occurred_at,
    )


def _kind(name: str, created: tuple[str, ...], removed: tuple[str, ...]) -> Literal["created", "removed"] | None:
    if name.startswith(created):
        return "created"
    return "removed" if name.startswith(removed) else None


def _fault(error: Reject | ValidationError) -> str:
    """Pydantic's own text would quote the input; places and kinds of faults do not."""
    if isinstance(error, Reject):
        return error.why
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'record'}: {fault['type']}" for fault in faults)


def _table_of(arn: Any) -> str | None:
    found = re.search(r":table/([^/]+)", arn) if isinstance(arn, str) else None
    return found[1] if found else None
