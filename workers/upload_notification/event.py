"""What a message of the uploads queue tells: files that arrived for a session or left it, read from S3's changes."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import starmap
from typing import Any, Final, Literal

from pydantic import AliasChoices, Field, ValidationError

from shared import BusEvent, Delivery, S3Change, Wire, document, padded_sequencer, s3_changes

PREFIX = "session-uploads/"

WhyIgnored = Literal[
    "test_event",
    "no_record",
    "other_kind",
    "unknown_event",
    "unknown_source",
    "other_bucket",
    "outside_prefix",
    "path_not_plain",
    "no_session_id",
    "no_name",
]


@dataclass(frozen=True, slots=True)
class UploadFinished:
    """A file is complete in the bucket. `size` in bytes; `etag` is not an MD5 for a multipart upload; `version` where the bucket has
    versions.

    `order` compares as text and says which of two changes of the same key came later; `id` is the same for every
    copy of this change, by whatever road it came ([a-z0-9_], 39 characters).
    """

    id: str
    session_id: str
    bucket: str
    key: str
    size: int
    etag: str
    order: str
    occurred_at: datetime
    version: str = ""


@dataclass(frozen=True, slots=True)
class UploadRemoved:
    """A file left the bucket, or a delete marker hides it. With `version`, only that version left: another may be the key's file."""

    id: str
    session_id: str
    bucket: str
    key: str
    order: str
    occurred_at: datetime
    version: str = ""


Change = UploadFinished | UploadRemoved

GUARDDUTY: Final = "aws.guardduty"
CLEAN: Final = "NO_THREATS_FOUND"
THREATS: Final = "THREATS_FOUND"


@dataclass(frozen=True, slots=True)
class UploadScanned:
    """A malware scan of a file has ended. `result` is CLEAN, THREATS, or a word for why nobody knows (`FAILED`, `UNSUPPORTED` ...)."""

    session_id: str
    bucket: str
    key: str
    etag: str
    result: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is none of ours; no call is made for it."""

    why: WhyIgnored


@dataclass(frozen=True, slots=True)
class UploadEvents:
    """All that one message tells; `unreadable` says of each record that could not be read, why."""

    changes: tuple[Change, ...] = ()
    scans: tuple[UploadScanned, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def session_id(self) -> str:
        """The one session that all of it is about, or ""."""
        found = {each.session_id for each in (*self.changes, *self.scans)}
        return found.pop() if len(found) == 1 else ""


def decode(delivery: Delivery, *, bucket: str) -> UploadEvents:
    """Read one message about `bucket`. Raises Reject or pydantic.ValidationError where nothing in it can be read."""
    opened = document(delivery.body)
    if opened.get("source") == GUARDDUTY:
        return _events(_scan(opened, bucket))
    parsed = s3_changes(opened)
    results = [(place, event) for place, event in parsed.foreign if event.get("source") == GUARDDUTY]
    found = _events(*(_understood(change, bucket) for change in parsed.changes), *starmap(_scan_in(bucket), results))
    left = Counter(parsed.ignored) - Counter({"unknown_source": len(results)})
    return replace(
        found,
        ignored=(*found.ignored, *map(Ignored, left.elements())),
        unreadable=(*parsed.unreadable, *found.unreadable),
    )


def session_of(key: str) -> str | Ignored:
    """The session id in `session-uploads/{sessionId}/{name}`; the name may hold further slashes."""
    if not key.startswith(PREFIX):
        return Ignored("outside_prefix")
    session_id, _, name = key.removeprefix(PREFIX).partition("/")
    segments = (session_id, *name.split("/"))
    if "." in segments or ".." in segments:
        return Ignored("path_not_plain")  # S3 takes it literally, whatever reads the file later may not
    if not session_id:
        return Ignored("no_session_id")
    if not segments[-1]:
        return Ignored("no_name")  # `.../folder/` is how consoles write an empty folder
    return session_id


def upload_id(bucket: str, key: str, mark: str) -> str:
    """What names one change of one object on the bus: `mark` is its sequencer, or else its version or its order."""
    return f"upload_{hashlib.sha256(f'{bucket}/{key}@{mark}'.encode()).hexdigest()[:32]}"


def instant(time: datetime) -> str:
    """A time as rows and messages hold it, 2026-11-21T09:00:00.000Z: fixed width, so that text order is time order."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Object(Wire):
    bucket: str = Field(alias="bucketName")
    key: str = Field(alias="objectKey", min_length=1)
    etag: str = Field(default="", validation_alias=AliasChoices("eTag", "etag"))
    version: str | None = Field(default=None, alias="versionId")


class _Result(Wire):
    status: str | None = Field(default=None, alias="scanResultStatus")


class _Scan(Wire):
    """https://docs.aws.amazon.com/guardduty/latest/ug/monitor-with-eventbridge-s3-malware-protection.html"""

    status: str = Field(default="", alias="scanStatus")
    object: _Object = Field(alias="s3ObjectDetails")
    result: _Result | None = Field(default=None, alias="scanResultDetails")


def _events(*found: Change | UploadScanned | Ignored | str) -> UploadEvents:
    return UploadEvents(
        changes=tuple(each for each in found if isinstance(each, UploadFinished | UploadRemoved)),
        scans=tuple(each for each in found if isinstance(each, UploadScanned)),
        ignored=tuple(each for each in found if isinstance(each, Ignored)),
        unreadable=tuple(each for each in found if isinstance(each, str)),
    )


def _scan_in(bucket: str) -> Callable[[int, Mapping[str, Any]], UploadScanned | Ignored | str]:
    """Reads the result among the records of an envelope; what is wrong with one must not take the others along."""

    def read(place: int, event: Mapping[str, Any]) -> UploadScanned | Ignored | str:
        try:
            return _scan(event, bucket)
        except ValidationError:
            return f"record {place}: the result of a malware scan that cannot be read"

    return read


def _scan(opened: Mapping[str, Any], bucket: str) -> UploadScanned | Ignored:
    event = BusEvent.model_validate(opened)
    if event.detail_type != "GuardDuty Malware Protection Object Scan Result":
        return Ignored("other_kind")
    scan = _Scan.model_validate(event.detail)
    if scan.object.bucket != bucket:
        return Ignored("other_bucket")
    session_id = session_of(scan.object.key)  # EventBridge does not encode keys
    if isinstance(session_id, Ignored):
        return session_id
    said = (scan.result.status if scan.result else None) or scan.status
    return UploadScanned(
        session_id=session_id,
        bucket=bucket,
        key=scan.object.key,
        etag=scan.object.etag.strip('"'),
        # It stands in the row and in messages, and decides: a word, or none.
        result=said if re.fullmatch("[A-Z_]{1,40}", said) else "UNKNOWN",
        version="" if scan.object.version in {None, "null"} else scan.object.version or "",
    )


def _understood(change: S3Change, bucket: str) -> Change | Ignored:
    if change.bucket != bucket:
        return Ignored("other_bucket")
    session_id = session_of(change.key)
    if isinstance(session_id, Ignored):
        return session_id
    order = change.sequencer or _order_by_time(change.occurred_at)
    # So S3 calls what was stored without a version: each content takes the place of the one before.
    version = "" if change.version_id == "null" else change.version_id
    id_ = upload_id(change.bucket, change.key, change.sequencer or version or order)
    if change.kind == "removed":
        return UploadRemoved(
            id=id_,
            session_id=session_id,
            bucket=change.bucket,
            key=change.key,
            order=order,
            occurred_at=change.occurred_at,
            version="" if change.is_marker else version,
        )
    return UploadFinished(
        id=id_,
        session_id=session_id,
        bucket=change.bucket,
        key=change.key,
        size=change.size or 0,  # S3 always states it; some compatible stores leave a zero out
        etag=change.etag,
        order=order,
        occurred_at=change.occurred_at,
        version=version,
    )


def _order_by_time(time: datetime) -> str:
    """Stands in for a missing sequencer: seconds and microseconds in hex.

    S3's own begin like this too, so that even a mixture most likely compares well; nothing relies on it.
    """
    moment = time.astimezone(UTC)
    return padded_sequencer(f"{int(moment.timestamp()):08x}{moment.microsecond:05x}")
