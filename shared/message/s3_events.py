"""What S3 says of its objects, in a notification or through EventBridge, and what of it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote_plus

from pydantic import AliasChoices, AwareDatetime, Field, ValidationError

from shared.message.envelope import BusEvent, Wire, document
from shared.message.parsing import MOST_RECORDS
from shared.outcome import Reject


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


def padded_sequencer(sequencer: str) -> str:
    """Fold case and right-pad, so that comparing as text is comparing as S3 means it."""
    return sequencer.lower().ljust(64, "0") if sequencer else ""


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
