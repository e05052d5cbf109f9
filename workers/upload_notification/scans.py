"""What the result of a malware scan means for a session that waits for one, whichever of upload and result comes first."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workers.upload_notification.content.gate import Complete, Rejected, Verdict
from workers.upload_notification.event import CLEAN, THREATS, UploadFinished, UploadScanned, upload_id
from workers.upload_notification.rules import (
    COMPLETE,
    EXPIRED,
    OPEN,
    SCANNING,
    Expire,
    Session,
    TakeOver,
    is_about,
    is_begun,
    is_expired,
)


@dataclass(frozen=True, slots=True)
class Await:
    """The file passed the gate, and nobody knows its scan's result: state SCANNING, the lease given back."""

    upload: UploadFinished
    content_type: str


@dataclass(frozen=True, slots=True)
class Record:
    """Remember a scan's result for its file. What was found once stays found: nothing takes THREATS back, and only they take CLEAN back."""

    scan: UploadScanned


ScanWrite = Await | Record
ScanPolicy = Literal["reject", "complete"]


def scan_mark(about: UploadFinished | UploadScanned) -> str:
    """The attribute that holds the result for one version of a key, or for one content of it where there are no versions."""
    text = f"{len(about.key)}:{about.key}@{about.version or about.etag}"
    return f"scan#{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def judge_scan(result: str, checked: Complete, *, unknown: ScanPolicy) -> Verdict:
    """Threats are never COMPLETE, whatever the policy says about results that tell nothing."""
    if result == THREATS:
        return Rejected("threats_found", checked.type)
    return checked if result == CLEAN or unknown == "complete" else Rejected("scan_failed", checked.type)


def has_threats(session: Session, upload: UploadFinished) -> bool:
    """Whether the session still waits for its verdict about this upload, and threats were found in it."""
    return is_about(session, upload) and session.scans.get(scan_mark(upload)) == THREATS


def after(scan: UploadScanned, session: Session | None, *, now: datetime) -> TakeOver | Expire | str:
    """What follows from a recorded result: the upload that waited for it is to be concluded, or why there is none."""
    if session is None:
        return "orphaned"
    upload = current_upload(session, scan.bucket)
    is_current = scan_mark(upload) == scan_mark(scan)
    if is_current and session.scan_required and session.status == COMPLETE and scan.result == THREATS:
        return "threats_too_late"
    is_late = session.status == EXPIRED or is_expired(session, int(now.timestamp()))
    if is_late and not (session.status in OPEN and is_begun(session)):
        return Expire(session.session_id) if session.status in OPEN else "expired"
    if not session.scan_required:
        return "scan_not_asked"
    if session.status != SCANNING or not is_current:
        return "expired" if is_late and not is_current else "scan_noted"
    return TakeOver(upload)


def current_upload(session: Session, bucket: str) -> UploadFinished:
    """The session's current upload, as its row has it."""
    return UploadFinished(
        id=upload_id(bucket, session.upload_key, session.order),
        session_id=session.session_id,
        bucket=bucket,
        key=session.upload_key,
        size=session.size or 0,
        etag=session.etag,
        order=session.order,
        occurred_at=datetime.fromisoformat(session.uploaded_at or "1970-01-01T00:00:00+00:00"),
        version=session.version,
    )
