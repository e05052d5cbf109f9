"""Which change of an upload may move its session, what must be announced again, and what is old news."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from workers.upload_notification.content.gate import Gate
from workers.upload_notification.event import Change, UploadFinished, UploadRemoved, instant, upload_id

AWAITING: Final = "AWAITING_SCAN"
UPLOADED: Final = "UPLOADED"
SCANNING: Final = "SCANNING"
COMPLETE: Final = "COMPLETE"
REJECTED: Final = "REJECTED"
EXPIRED: Final = "EXPIRED"
OPEN: Final = ("AWAITING_SCAN", "SCANNED", "UPLOADING", "UPLOADED", "SCANNING")
"""States in which a session still takes an upload; COMPLETE, REJECTED and EXPIRED are final."""
HOLDING: Final = ("UPLOADED", "SCANNING")
"""Open states that say a file is there, and fall back to AWAITING_SCAN when it goes."""

MOST_OTHERS: Final = 50
"""Files of one session that are remembered beside its current one, the newest of them: a row holds 400 KB, a file takes up to 1.3 KB."""

LEASE: Final = 20
"""Seconds for which an announcement belongs to the worker that began it; longer than the handler's timeout, so that whoever outlives its lease is dead, not slow."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a session that has several: `uploaded_at` is the latest of the times that S3's messages gave it."""

    key: str
    order: str
    size: int
    etag: str
    version: str
    uploaded_at: str
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """One row of the sessions table, as far as the rules need it; "" and None where the row has no such attribute.

    `expires_at` and `announce_until` in epoch seconds; `upload_key`, `order` and `uploaded_at` name the current upload with its `size`, `etag` and `version`, `announced` the order of the last one that was
    announced, `informed` who of bus and browser heard of an unfinished announcement, as which verdict `told_as`, `busy_since` (epoch seconds) since when its browser takes nothing, `is_left` (not in the row) that
    nobody knows whom an earlier try told; `seen` holds, by `mark`, the latest order of each key, and of each version that was removed; `others` are the files beside the current one. `gate` is what the session
    allows, `content_type`, `reason` (why it is REJECTED) and `checksum` (SHA-256) what was found, `scans` the results of malware scans.
    """

    session_id: str
    status: str = ""
    expires_at: float | None = None
    connection_id: str = ""
    tenant_id: str = ""
    upload_key: str = ""
    size: int | None = None
    etag: str = ""
    version: str = ""
    order: str = ""
    uploaded_at: str = ""
    announced: str = ""
    announce_until: float = 0
    informed: frozenset[str] = frozenset()
    told_as: str = ""
    busy_since: float | None = None
    is_left: bool = False
    others: tuple[File, ...] = ()
    gate: Gate | None = None
    content_type: str = ""
    reason: str = ""
    checksum: str = ""
    scan_required: bool = False
    scans: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """Make this upload the session's one file, state UPLOADED, and take the lease of its announcement."""

    upload: UploadFinished


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The session has this upload, but whoever began to announce it is gone: take the lease."""

    upload: UploadFinished


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The session's one file was removed: back to AWAITING_SCAN, without it."""

    removal: UploadRemoved


@dataclass(frozen=True, slots=True)
class Note:
    """Something else than the current upload was removed: only remember it, so that its creation, if late, is stale."""

    removal: UploadRemoved


@dataclass(frozen=True, slots=True)
class Arrange:
    """The session has or had several files: the newest of those that are left is the current one, all as computed from the row `before`, and only if the row is still that one."""

    change: Change
    before: Session
    current: File | None
    others: tuple[File, ...]

    @property
    def upload(self) -> UploadFinished | None:
        """The upload that became the current one and was not announced yet."""
        file = self.current
        if file is None or file.announced or not self.moves:
            return None
        if isinstance(self.change, UploadFinished) and (self.change.key, self.change.order) == (file.key, file.order):
            return self.change
        bucket = self.change.bucket
        return UploadFinished(
            id=upload_id(bucket, file.key, file.order),
            session_id=self.before.session_id,
            bucket=bucket,
            key=file.key,
            size=file.size,
            etag=file.etag,
            order=file.order,
            occurred_at=datetime.fromisoformat(file.uploaded_at),
            version=file.version,
        )

    @property
    def moves(self) -> bool:
        """Whether another file is the current one now, or none."""
        found = (self.current.key, self.current.order) if self.current else ("", "")
        return found != (self.before.upload_key, self.before.order)


@dataclass(frozen=True, slots=True)
class Expire:
    """The session's time is over, although the table still has it."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else is announcing this upload, for `seconds` more at most."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing is left to do, or ever was."""

    why: Literal[
        "orphaned", "expired", "duplicate", "stale", "superseded", "closed", "overwritten", "removed_after_session"
    ]


@dataclass(frozen=True, slots=True)
class Reused:
    """The session has another upload of the same key and order: its size or etag differs."""


Write = Move | TakeOver | Withdraw | Note | Arrange | Expire
"""What is asked of the table; each write carries its own condition and may be refused."""


def usual(change: Change) -> Write:
    """What to try without having read the row: nearly always right, and one write is then all it costs."""
    return Move(change) if isinstance(change, UploadFinished) else Withdraw(change)


def to_announce(step: Write) -> UploadFinished | None:
    """The upload whose announcement's lease this step takes."""
    return step.upload if isinstance(step, (Move, TakeOver, Arrange)) else None


def judge(change: Change, session: Session | None, *, now: datetime) -> Write | Wait | Ignore | Reused:
    """What a change means for the session as it is now. Whatever order changes come in, the latest of a key wins."""
    moment = int(now.timestamp())
    finished = isinstance(change, UploadFinished)
    if session is None:
        return Ignore("orphaned" if finished else "removed_after_session")
    if session.status == EXPIRED or is_expired(session, moment):
        return _judge_late(change, session, moment)
    seen = session.seen.get(seen_as(change), "")
    if change.order < seen:
        return Ignore("stale")
    if isinstance(change, UploadFinished) and change.version and mark(change.key, change.version) in session.seen:
        change = _gone_already(change)
    if isinstance(change, UploadRemoved):
        return Ignore("duplicate") if change.order == seen else _judge_removal(change, session)
    return _judge_again(change, session, moment) if change.order == seen else _judge_upload(change, session)


def is_begun(session: Session) -> bool:
    """Whether its upload is being announced, or was to one of browser and bus, or to nobody knows whom by a worker that is gone."""
    return bool(session.announce_until or session.informed)


def is_about(session: Session, upload: UploadFinished) -> bool:
    """Whether the session still has this upload as its current one, and is not concluded."""
    return (session.upload_key, session.order) == (upload.key, upload.order) and session.status in HOLDING


def is_expired(session: Session, moment: int) -> bool:
    """DynamoDB deletes up to 48 hours late; a row without an expiry never ends."""
    return session.expires_at is not None and session.expires_at <= moment


def seen_as(change: Change) -> str:
    """The attribute that holds the latest order of what changed: a key, or one version of it that was removed."""
    return mark(change.key, change.version if isinstance(change, UploadRemoved) else "")


def mark(key: str, version: str = "") -> str:
    """The attribute that holds the latest order seen of a key; or of one of its versions, which is written when it was removed."""
    text = f"{len(key)}:{key}@{version}" if version else key
    return f"seq#{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _judge_late(change: Change, session: Session, moment: int) -> TakeOver | Wait | Expire | Ignore:
    """What was begun in time comes to its end: a verdict is told before it is written."""
    if session.status in OPEN and not is_begun(session):
        return Expire(session.session_id)
    if session.status in OPEN and session.announce_until > moment:
        return Wait(session.announce_until - moment)
    return TakeOver(change) if isinstance(change, UploadFinished) and is_about(session, change) else Ignore("expired")


def _gone_already(upload: UploadFinished) -> UploadRemoved:
    """The creation of a version whose removal came before it: nothing is there, and what the key had before is older."""
    return UploadRemoved(upload.id, upload.session_id, upload.bucket, upload.key, upload.order, upload.occurred_at)


def _judge_upload(upload: UploadFinished, session: Session) -> Move | Arrange | Ignore:
    if session.status not in OPEN:
        return Ignore("overwritten" if session.upload_key == upload.key else "closed")
    is_only = session.upload_key in ("", upload.key) or not session.uploaded_at
    return Move(upload) if is_only and not session.others else _arranged(upload, session)


def _judge_again(upload: UploadFinished, session: Session, moment: int) -> TakeOver | Wait | Arrange | Ignore | Reused:
    found = next((each for each in _files(session) if (each.key, each.order) == (upload.key, upload.order)), None)
    # One road gives milliseconds and another seconds: of the times of one upload the latest counts, whichever came first.
    if found and found.uploaded_at < instant(upload.occurred_at) and session.status in OPEN:
        return _arranged(upload, session)
    if (session.upload_key, session.order) != (upload.key, upload.order):
        return Ignore("superseded")
    if session.size not in {None, upload.size} or (session.etag and upload.etag and session.etag != upload.etag):
        return Reused()
    if session.announced == upload.order:
        return Ignore("duplicate")
    if session.announce_until > moment:
        return Wait(session.announce_until - moment)
    return TakeOver(upload)


def _judge_removal(removal: UploadRemoved, session: Session) -> Withdraw | Note | Arrange:
    if session.others and session.status in OPEN:
        return _arranged(removal, session)
    is_other_version = removal.version and session.version not in {"", removal.version}
    if session.upload_key == removal.key and not is_other_version and session.status in HOLDING:
        return Withdraw(removal)
    return Note(removal)


def _files(session: Session) -> tuple[File, ...]:
    if not session.uploaded_at:
        return session.others
    held = (session.upload_key, session.order, session.size or 0, session.etag, session.version, session.uploaded_at)
    return (File(*held, announced=session.announced == session.order), *session.others)


def _arranged(change: Change, session: Session) -> Arrange:
    """The newest file by time decides, by key where times are equal: sequencers of two keys do not compare."""
    left = [each for each in _files(session) if not _replaces(change, each)]
    if isinstance(change, UploadFinished):
        same = [each for each in _files(session) if (each.key, each.order) == (change.key, change.order)]
        times = [instant(change.occurred_at), *(each.uploaded_at for each in same)]
        made = same[0] if same else File(change.key, change.order, change.size, change.etag, change.version, "")
        left.append(replace(made, uploaded_at=max(times)))
    left.sort(key=lambda each: (each.uploaded_at, each.key), reverse=True)
    return Arrange(change, session, left[0] if left else None, tuple(left[1 : MOST_OTHERS + 1]))


def _replaces(change: Change, file: File) -> bool:
    is_other_version = isinstance(change, UploadRemoved) and change.version and file.version not in {"", change.version}
    return file.key == change.key and not is_other_version
