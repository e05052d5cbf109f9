"""One letter as commands tell of it: who failed, why, until when it lasts and where it could go; pure."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fleet.dead_letters.model import expiry, redaction
from fleet.dead_letters.model.letter import (
    UNREADABLE,
    DeadLetter,
    Reason,
    has_unverified_mark,
    lineage_of,
    names_of,
    reason_of,
)
from fleet.dead_letters.model.plan import outgoing
from fleet.dead_letters.model.shapes import Origin, Standing, arn_name, standing

VERSION = 1


@dataclass(frozen=True, slots=True)
class View:
    """A letter judged. `message` is the gist of its reason; times in epoch seconds; `letter` is None once its payload was dropped to
    save memory. `unverified_mark`: it says that it was replayed, and that counts for nothing. `earlier`: the ids that it had before it was
    archived and restored. `markable`: what a replay sends of it has room for the replay's mark.
    """

    id: str
    standing: Standing
    worker: str
    error_type: str
    fingerprint: str
    digest: str
    key: str
    sent_at: float
    expires_at: float
    failed_at: datetime
    now: float
    message: str = ""
    attempts: int | None = None
    plan_id: str = ""
    times_replayed: int = 0
    unverified_mark: bool = False
    markable: bool = True
    moved_by_sqs: bool = False
    sequence: str = ""
    earlier: tuple[str, ...] = ()
    letter: DeadLetter | None = field(default=None, repr=False)

    @property
    def reason_known(self) -> bool:
        return bool(self.error_type)

    @property
    def expires_in(self) -> float:
        """Seconds."""
        return self.expires_at - self.now

    def without_payload(self) -> View:
        return replace(self, letter=None)


def view(letter: DeadLetter, *, retention: float, origin: Origin, now: float) -> View:
    """Judge a letter at `now`; `retention` in seconds is that of the dead-letter queue. One that cannot be read is listed as
    such: it stands in nobody's way.
    """
    try:
        return _judged(letter, retention=retention, origin=origin, now=now)
    except UNREADABLE as error:
        why = f"what is written on it cannot be read ({type(error).__name__})"
        bare = Standing("unknown", replayable=False, why_not=why, unreadable=True)
        return View(
            id=letter.id,
            standing=bare,
            worker="",
            error_type="",
            fingerprint=_fingerprint("unknown", "", ""),
            digest=letter.digest,
            key="",
            sent_at=letter.sent_at,
            expires_at=expiry.expires_at(letter.sent_at, retention=retention),
            failed_at=datetime.fromtimestamp(letter.sent_at, UTC),
            now=now,
            moved_by_sqs=bool(letter.moved_from),
            letter=letter,
        )


def _judged(letter: DeadLetter, *, retention: float, origin: Origin, now: float) -> View:
    reason = None if letter.moved_from else reason_of(letter)  # SQS says nothing: whatever is on it was there before
    judged = standing(letter, now=datetime.fromtimestamp(now, UTC), origin=origin)
    if fault := outgoing.fault(letter, shape=judged.shape):
        judged = replace(judged, replayable=False, destination="", why_not=fault, unreadable=True)
    worker = _worker(letter, reason)
    error_type = reason.error_type if reason is not None else judged.error_code
    lineage = lineage_of(letter)
    times = lineage.get("times_replayed")
    return View(
        id=letter.id,
        standing=judged,
        worker=worker,
        error_type=error_type,
        fingerprint=(reason.fingerprint if reason else "") or _fingerprint(judged.shape, worker, error_type),
        digest=letter.digest,
        key=letter.key,
        sent_at=letter.sent_at,
        expires_at=expiry.expires_at(letter.sent_at, retention=retention),
        failed_at=_failed_at(letter, reason),
        now=now,
        message=redaction.gist(reason.message) if reason is not None and reason.message != error_type else "",
        attempts=reason.attempts if reason is not None else None,
        plan_id=str(lineage.get("plan_id") or ""),
        times_replayed=times if isinstance(times, int) else 0,
        unverified_mark=has_unverified_mark(letter),
        markable=judged.unreadable or outgoing.has_room(letter, shape=judged.shape),
        moved_by_sqs=bool(letter.moved_from),
        sequence=letter.sequence,
        earlier=names_of(letter, origin.queue_arn)[:-1],
        letter=letter,
    )


def document(each: View) -> dict[str, Any]:
    """One line of `fleet dlq list --json` (schema dlq-letter, version 1)."""
    judgement = each.standing
    goes_alone = judgement.replayable and bool(judgement.destination)
    return {
        "version": VERSION,
        "id": each.id,
        "shape": judgement.shape,
        "worker": each.worker or None,
        "error_type": each.error_type or None,
        "message": each.message or None,
        "fingerprint": each.fingerprint,
        "attempts": each.attempts,
        "reason_known": each.reason_known,
        "sent_at": instant(each.sent_at),
        "failed_at": each.failed_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "expires_at": instant(each.expires_at),
        "expires_in_s": round(each.expires_in),
        "expires_soon": expiry.is_soon(each.expires_in),
        "replayable": judgement.replayable,
        "why_not": judgement.why_not if not goes_alone else None,
        "note": judgement.why_not if judgement.replayable and judgement.why_not else None,
        "destination": judgement.destination or None,
        "pointer": asdict(judgement.pointer) if judgement.pointer is not None else None,
        "idempotency_key": each.key,
        "times_replayed": each.times_replayed,
        "unverified_mark": each.unverified_mark,
        "plan_id": each.plan_id or None,
    }


def instant(seconds: float) -> str:
    """Epoch seconds in ISO 8601, UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _worker(letter: DeadLetter, reason: Reason | None) -> str:
    """Who failed: a worker of the fleet, the target that AWS could not reach, or the queue that SQS moved it from."""
    if reason is not None:
        return reason.worker
    return arn_name(letter.text("TARGET_ARN") or letter.moved_from)


def _fingerprint(shape: str, worker: str, error_type: str) -> str:
    """Letters without an envelope are told apart by shape, worker and error code."""
    return hashlib.sha256(f"{shape}|{worker}|{error_type}".encode()).hexdigest()[:16]


def _failed_at(letter: DeadLetter, reason: Reason | None) -> datetime:
    """When it died last; where nobody wrote that down, when it was sent."""
    try:
        found = datetime.fromisoformat(reason.last_failure) if reason is not None else None
        known = found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        known = None
    return known or datetime.fromtimestamp(letter.sent_at, UTC)
