"""Stand-ins for what the upload handler asks of the world, and changes to feed it with."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.message.s3_events import padded_sequencer
from workers.upload_notification import rules
from workers.upload_notification.content.gate import Complete, Gate, Rejected, Verdict
from workers.upload_notification.event import (
    CLEAN,
    THREATS,
    UploadFinished,
    UploadRemoved,
    UploadScanned,
    instant,
    upload_id,
)
from workers.upload_notification.ports import BROWSER, Accepted, Refused
from workers.upload_notification.rules import Arrange, Expire, File, Move, Note, Session, TakeOver, Withdraw, Write
from workers.upload_notification.scans import Await, Record, ScanWrite, scan_mark
from workers.upload_notification.store.updates import LAPSED, image

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = 3600

UPLOAD = ("uploadKey", "size", "etag", "versionId", "sequencer", "uploadedAt", "contentType", "checksumSha256")
ANNOUNCEMENT = ("announceUntil", "announcedSequencer", "announcedTo", "announcedAs", "busySince")

Row = dict[str, Any]
"""A row of the sessions table, its values as Python has them."""


def row(session_id: str = "s1", status: str = "AWAITING_SCAN", **attributes: Any) -> Row:
    """A session that has an hour to go."""
    expires = int(NOON.timestamp()) + HOUR
    return {"sessionId": session_id, "status": status, "expiresAt": expires, **attributes}


def finished(
    sequencer: str = "05",
    *,
    session_id: str = "s1",
    name: str = "a.jpg",
    at: float = 0,
    size: int = 7,
    version: str = "",
) -> UploadFinished:
    """An upload that was complete `at` seconds after NOON."""
    return UploadFinished(
        id=upload_id("fleet-uploads-dev", f"session-uploads/{session_id}/{name}", padded_sequencer(sequencer)),
        session_id=session_id,
        bucket="fleet-uploads-dev",
        key=f"session-uploads/{session_id}/{name}",
        size=size,
        etag="e-tag",
        order=padded_sequencer(sequencer),
        occurred_at=NOON + timedelta(seconds=at),
        version=version,
    )


def removed(
    sequencer: str = "06", *, session_id: str = "s1", name: str = "a.jpg", at: float = 1, version: str = ""
) -> UploadRemoved:
    return UploadRemoved(
        id=upload_id("fleet-uploads-dev", f"session-uploads/{session_id}/{name}", padded_sequencer(sequencer)),
        session_id=session_id,
        bucket="fleet-uploads-dev",
        key=f"session-uploads/{session_id}/{name}",
        order=padded_sequencer(sequencer),
        occurred_at=NOON + timedelta(seconds=at),
        version=version,
    )


def scanned(result: str, *, version: str = "", etag: str = "e-tag", name: str = "a.jpg") -> UploadScanned:
    """The end of a malware scan of what `finished` makes."""
    return UploadScanned("s1", "fleet-uploads-dev", f"session-uploads/s1/{name}", etag, result, version)


def uploaded(upload: UploadFinished, *, announced: bool = True, lease: int = 0, **attributes: Any) -> Row:
    """The session after this upload: announced, or with `lease` more seconds of somebody's announcement."""
    announcement: Row = {"announcedSequencer": upload.order} if announced else {}
    if lease:
        announcement["announceUntil"] = int(NOON.timestamp()) + lease
    return {**row(upload.session_id, "UPLOADED"), **_of(upload), **announcement, **attributes}


class FakeSessions:
    """The sessions table in memory. Each write is one step of the loop, as each conditional update is atomic there."""

    def __init__(self, *rows: Row) -> None:
        self.rows: dict[str, Row] = {each["sessionId"]: each for each in rows}
        self.moves = 0
        self.calls = self.forgotten = 0

    async def write(self, step: Write | ScanWrite, *, now: datetime) -> Accepted | Refused:
        await self._called()
        found = self.rows.get(_session_id(step))
        if found is None:
            return Refused(None)
        if not _holds(step, session(found), now):
            return Refused(session(found))
        until = int(now.timestamp()) + rules.LEASE
        match step:
            case Move(upload):
                self.moves += 1
                _without(found, *ANNOUNCEMENT, "contentType", "checksumSha256")
                found |= {"status": "UPLOADED", "announceUntil": until, **_of(upload)}
            case TakeOver():
                found["announceUntil"] = until
            case Withdraw(removal):
                _without(found, *UPLOAD, *ANNOUNCEMENT)
                found |= {"status": "AWAITING_SCAN", rules.seen_as(removal): removal.order}
            case Arrange(change):
                self.moves += step.upload is not None
                found[rules.seen_as(change)] = change.order
                _arrange(found, step, until)
            case Note(removal):
                found[rules.seen_as(removal)] = removal.order
            case Await() | Record():
                _wait_for_scan(found, step)
            case Expire():
                found["status"] = "EXPIRED"
        return Accepted(session(found))

    async def announced(
        self, upload: UploadFinished, verdict: Verdict | None, *, connection: str = "", checksum: str = ""
    ) -> Session | None:
        await self._called()
        found = self.rows.get(upload.session_id, {})
        is_current = (found.get("uploadKey"), found.get("sequencer")) == (upload.key, upload.order)
        is_threat = isinstance(verdict, Complete) and found.get(scan_mark(upload)) == THREATS
        is_told = found.get("wsConnectionId", "") in {"", connection}
        if is_current and is_told and not is_threat and (verdict is None or found["status"] in rules.HOLDING):
            _without(found, *ANNOUNCEMENT)
            found |= {"announcedSequencer": upload.order, **_judged(verdict)}
            found |= {"checksumSha256": checksum} if checksum else {}
            return None
        return session(found) if found else None

    async def release(self, session: Session, *, informed: frozenset[str], busy_since: float | None) -> None:
        await self._called()
        found = self.rows.get(session.session_id, {})
        held = (session.upload_key, session.order, session.announce_until)
        if (found.get("uploadKey"), found.get("sequencer"), found.get("announceUntil")) == held:
            del found["announceUntil"]
            is_told = found.get("wsConnectionId", "") in {"", session.connection_id}
            is_left = session.is_left or (BROWSER in informed and not is_told)
            informed = informed if is_told else informed - {BROWSER}
            found |= {"announceUntil": LAPSED} if is_left and not informed else {}
            found |= {"announcedTo": "+".join(sorted(informed))} if informed else {}
            found |= {"announcedAs": session.told_as} if informed and session.told_as else {}
            found |= {"busySince": int(busy_since)} if busy_since is not None else {}

    async def disconnect(self, session_id: str, connection_id: str) -> str:
        self.forgotten += 1
        await self._called()
        found = self.rows.get(session_id, {})
        if found.get("wsConnectionId") == connection_id:
            del found["wsConnectionId"]
        return str(found.get("wsConnectionId", ""))

    async def _called(self) -> None:
        self.calls += 1
        await asyncio.sleep(0)  # others may come first, as over a network


def session(found: Row) -> Session:
    return Session(
        session_id=found["sessionId"],
        status=found.get("status", ""),
        expires_at=found.get("expiresAt"),
        connection_id=found.get("wsConnectionId", ""),
        tenant_id=found.get("tenantId", ""),
        upload_key=found.get("uploadKey", ""),
        size=None if (size := found.get("size")) is None else int(size),
        etag=found.get("etag", ""),
        version=found.get("versionId", ""),
        order=found.get("sequencer", ""),
        uploaded_at=found.get("uploadedAt", ""),
        announced=found.get("announcedSequencer", ""),
        announce_until=found.get("announceUntil", 0),
        informed=frozenset(found.get("announcedTo", "").split("+")) - {""},
        told_as=found.get("announcedAs", ""),
        busy_since=found.get("busySince"),
        others=tuple(_file(each) for each in found.get("otherFiles", ())),
        gate=_gate(found),
        content_type=found.get("contentType", ""),
        reason=found.get("reason", ""),
        checksum=found.get("checksumSha256", ""),
        scan_required=found.get("scanRequired", False),
        scans={name: value for name, value in found.items() if name.startswith("scan#")},
        seen={name: value for name, value in found.items() if name.startswith("seq#")},
    )


def _of(upload: UploadFinished) -> Row:
    return {
        "uploadKey": upload.key,
        "size": upload.size,
        "etag": upload.etag,
        "versionId": upload.version,
        "sequencer": upload.order,
        "uploadedAt": instant(upload.occurred_at),
        rules.mark(upload.key): upload.order,
    }


def _wait_for_scan(found: Row, step: ScanWrite) -> None:
    if isinstance(step, Record):
        found[scan_mark(step.scan)] = step.scan.result
        return
    found.pop("announceUntil", None)
    found |= {"status": "SCANNING"} | ({"contentType": step.content_type} if step.content_type else {})


def _judged(verdict: Verdict | None) -> Row:
    if verdict is None:
        return {}
    found = {"contentType": verdict.type, "reason": getattr(verdict, "reason", "")}
    status = "REJECTED" if isinstance(verdict, Rejected) else "COMPLETE"
    return {"status": status} | {name: value for name, value in found.items() if value}


def _arrange(found: Row, step: Arrange, until: int) -> None:
    found.pop("otherFiles", None)
    if step.others:
        found["otherFiles"] = [image(each) for each in step.others]
    file = step.current
    if step.moves:
        _without(found, *UPLOAD, *ANNOUNCEMENT)
    if file is None:
        found["status"] = "AWAITING_SCAN"
        return
    found |= {name: value for name, value in image(file).items() if name not in {"key", "announced"}}
    found["uploadKey"] = file.key
    if step.moves:
        found["status"] = "UPLOADED"
        found |= {"announcedSequencer": file.order} if file.announced else {"announceUntil": until}


def _file(found: Row) -> File:
    named = {"order": "sequencer", "version": "versionId", "uploaded_at": "uploadedAt"}
    texts = {name: found[named.get(name, name)] for name in ("key", "order", "etag", "version", "uploaded_at")}
    return File(**texts, size=int(found["size"]), announced=bool(found["announced"]))


def _gate(found: Row) -> Gate | None:
    if not {"allowedTypes", "maxBytes", "minBytes"} & found.keys():
        return None
    most, least = (None if (size := found.get(name)) is None else int(size) for name in ("maxBytes", "minBytes"))
    return Gate(tuple(found.get("allowedTypes", ())), most, least)


def _without(found: Row, *names: str) -> None:
    for name in names:
        found.pop(name, None)


def _session_id(step: Write | ScanWrite) -> str:
    match step:
        case Move(change) | TakeOver(change):
            return change.session_id
        case Withdraw(removal) | Note(removal):
            return removal.session_id
        case Arrange(change) | Await(change) | Record(change):
            return change.session_id
        case Expire(session_id):
            return session_id


def _holds(step: Write | ScanWrite, found: Session, now: datetime) -> bool:
    """Whether the step's condition holds: it is what the rules ask for, looking at this row."""
    if isinstance(step, Expire):
        is_late = rules.is_expired(found, int(now.timestamp()))
        return is_late and found.status in rules.OPEN and not rules.is_begun(found)
    if isinstance(step, Await):
        return rules.is_about(found, step.upload) and scan_mark(step.upload) not in found.scans
    if isinstance(step, Record):
        is_late = rules.is_expired(found, int(now.timestamp())) and not rules.is_begun(found)
        is_over = found.status == "EXPIRED" or is_late
        known = {THREATS} if step.scan.result in {CLEAN, THREATS} else {CLEAN, THREATS}
        return not is_over and found.scan_required and found.scans.get(scan_mark(step.scan)) not in known
    if isinstance(step, Arrange):
        change = step.change
    else:
        change = step.upload if isinstance(step, (Move, TakeOver)) else step.removal
    return rules.judge(change, found, now=now) == step
