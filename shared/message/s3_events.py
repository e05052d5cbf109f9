"""What S3 says of its objects, in a notification or through EventBridge, and what of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import unquote_plus

from pydantic import AliasChoices, AwareDatetime, Field, ValidationError

from shared.message.envelope import BusEvent, Wire, document
from shared.message.parsing import MOST_RECORDS
from shared.outcome import Reject
from shared.settings import in_words

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""Times that no object has would overflow when they are told in UTC, and take the records beside theirs along."""


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
    occurred_at: AwareDatetime = Field(ge=_EARLIEST, lt=_LATEST)


WhyIgnored = Literal["test_event", "other_kind", "unknown_event", "unknown_source", "no_record"]
"""Why a record tells no change: S3's `s3:TestEvent`, sent when a notification is configured; an event of S3 that neither makes nor removes an object; no event of S3's by name; not S3's at all;
or an envelope with nothing in it.
"""


@dataclass(frozen=True, slots=True)
class S3Changes:
    """What one body tells: its changes in the order given, and of each record that could not be read, why (no payload).

    `ignored` says of each record that tells no change, why; `foreign` are those events of other services on a bus (`unknown_source`) with their
    places, for whoever reads them too.
    """

    changes: tuple[S3Change, ...] = ()
    unreadable: tuple[str, ...] = ()
    ignored: tuple[WhyIgnored, ...] = ()
    foreign: tuple[tuple[int, Mapping[str, Any]], ...] = ()


DEEPEST: Final = 4
"""Envelopes in each other that are opened: SNS to SQS to a Lambda's own queue are three."""


def s3_changes(body: str | Mapping[str, Any]) -> S3Changes:
    """Every change in a classic S3 notification or an EventBridge S3 event.

    Either may lie in an SNS notification, and in the records by which SQS or SNS hands messages to a function. A record that tells
    no change is ignored with the reason. One that cannot be read is named, counted from 1, beside
    the good ones, which it must not take along. Raises Reject, or pydantic.ValidationError, where nothing can be read.
    """
    records = _records(document(body))
    found = [_read(record) for record in records]
    changes = tuple(each for each in found if isinstance(each, S3Change))
    ignored = tuple(each for each in found if isinstance(each, str))
    faults = [(place, each) for place, each in enumerate(found, start=1) if isinstance(each, Exception)]
    if len(faults) == len(found) and faults:
        raise faults[0][1]
    told = zip(records, found, strict=True)
    return S3Changes(
        changes,
        tuple(f"record {place}: {_fault(error)}" for place, error in faults),
        ignored or _empty(found),
        tuple(
            (place, record)
            for place, (record, each) in enumerate(told, start=1)
            if each == "unknown_source" and "detail-type" in record
        ),
    )


def _empty(found: list[Any]) -> tuple[WhyIgnored, ...]:
    return () if found else ("no_record",)


def _records(opened: Mapping[str, Any], depth: int = 1) -> list[Any]:
    """The records inside of all envelopes, in their order. Raises Reject where there can be none, and above MOST_RECORDS."""
    records = opened.get("Records")
    if opened.get("Type") == "Notification" and isinstance(again := opened.get("Message"), str) and depth < DEEPEST:
        return _records(document(again), depth + 1)  # one topic's message in another's
    if not isinstance(records, list):
        if opened.get("Event") == "s3:TestEvent" or opened.keys() >= {"source", "detail-type"}:
            return [opened]
        raise Reject("body is neither an S3 notification nor an S3 event from EventBridge")
    inner: list[Any] = []
    for record in records:
        body = _wrapped(record) if depth < DEEPEST else None
        inner += [record] if body is None else _opened(body, depth)
        if len(inner) > MOST_RECORDS:
            raise Reject(f"an S3 notification of more than {MOST_RECORDS} records")
    return inner


def _wrapped(record: Any) -> str | None:
    """The message in a record by which SQS (`body`) or SNS (`Sns.Message`) hands it to a function."""
    if not isinstance(record, dict):
        return None
    if record.get("eventSource") == "aws:sqs":
        return text if isinstance(text := record.get("body"), str) else None
    sns = record.get("Sns") if record.get("EventSource") == "aws:sns" else None
    return text if isinstance(sns, dict) and isinstance(text := sns.get("Message"), str) else None


def _opened(body: str, depth: int) -> list[Any]:
    """One broken message must not take those beside it along: it stands as the record that cannot be read."""
    try:
        return _records(document(body), depth + 1)
    except Reject as error:
        return [error]


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


def _read(record: Any) -> S3Change | WhyIgnored | Reject | ValidationError:
    """The change in a record, why there is none, or what is wrong with it."""
    try:
        if not isinstance(record, dict):
            return record if isinstance(record, Reject) else Reject("a record of the S3 notification is not an object")
        return _from_event_bridge(record) if "detail-type" in record else _from_notification(record)
    except (Reject, ValidationError) as error:
        return error


def _from_notification(record: Mapping[str, Any]) -> S3Change | WhyIgnored:
    # Compatible stores say `minio:s3`, or nothing; whoever is not S3 at all has other names for its events.
    if not str(record.get("eventSource", ":s3")).endswith(":s3"):
        return "unknown_source"
    if record.get("Event") == "s3:TestEvent":
        return "test_event"
    # Minor versions only add fields; a new major may mean anything.
    if not str(record.get("eventVersion", "2.0")).startswith("2."):
        raise Reject(f"S3 notification of unknown version {str(record.get('eventVersion'))[:8]}")
    name = str(record.get("eventName") or "").removeprefix("s3:")
    if ":" not in name:
        return "unknown_event"
    kind = _kind(name, ("ObjectCreated:",), ("ObjectRemoved:", "LifecycleExpiration:"))
    if kind is None:
        return "other_kind"
    place = _S3Place.model_validate(record.get("s3"))
    try:
        # Form-style encoding: a plus is a blank. Decoded exactly once.
        key = unquote_plus(place.object.key, errors="strict")
    except UnicodeDecodeError as error:
        raise Reject("the key of an S3 notification is not UTF-8") from error
    is_marker = name.endswith(":DeleteMarkerCreated")
    return _change(kind, place, key=key, is_marker=is_marker, occurred_at=record.get("eventTime"))


def _from_event_bridge(record: Mapping[str, Any]) -> S3Change | WhyIgnored:
    if record.get("source") != "aws.s3":
        return "unknown_source"
    event = BusEvent.model_validate(record)
    kind = _kind(event.detail_type, ("Object Created",), ("Object Deleted",))
    if kind is None:
        return "other_kind"
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
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'record'}: {in_words(fault)}" for fault in faults)
