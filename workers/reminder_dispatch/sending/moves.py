"""The conditional writes that end an occurrence, or put it off."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from workers.reminder_dispatch.schedule.occurrence import INDEX, LEASE, Move, Row, Status
from workers.reminder_dispatch.sending.decision import SERIES_ENDS, Attempt, Close, Follow
from workers.reminder_dispatch.table.keys import index_keys

KEPT = timedelta(days=30)
"""How long an ended occurrence stays in its table."""


def closed(row: Row, status: Status, reason: str, now: datetime, follow: Follow = SERIES_ENDS) -> Close:
    """It ends without being sent (again)."""
    put = {"status": status, "reason": reason, **ended(now)} if reason else {"status": status, **ended(now)}
    return Close(status, reason, Move(expect=seen(row), put=put, drop=(*LEASE, "notBefore", *INDEX)), follow)


def withdrawn(row: Row, *, now: datetime, why: str = "cancelled") -> Move:
    """End an occurrence that its producer does not want any more. What was being sent when its worker died may have been accepted."""
    return closed(row, withdrawn_status(row), why, now).move


def withdrawn_status(row: Row) -> Status:
    return "UNKNOWN" if row.get("status") == "SENDING" else "FAILED"


def may_be_withdrawn(row: Row) -> bool:
    """Whether only its reminder's head says if an occurrence still counts: the claim of a reminder that comes once, and was never
    claimed before, finds out by its own condition.
    """
    return "revision" in row and bool(row.get("rule") or row.get("attempts"))


def spoiled(row: Row, why: str, *, now: datetime) -> Move:
    """Take a row that can never be sent out of the due index, with the reason on it. A tick knows its keys and its status alone."""
    return replace(closed(row, "FAILED", why, now).move, expect={"status": row.get("status")})


def postponed(attempt: Attempt, why: str, *, until: int) -> Move:
    """Put an occurrence off that was not claimed, because its channel takes nothing; `until` in epoch seconds."""
    kept = {name: attempt.claim.put[name] for name in ("unknowns", "missedUntil") if name in attempt.claim.put}
    put = {"status": "PENDING", **kept, "reason": why, "notBefore": until}
    return Move(expect=attempt.claim.expect, put=put, drop=LEASE)


def held(attempt: Attempt, *, until: datetime) -> Move:
    """Put an occurrence off until quiet hours end: it stands in the due index as if it were due then, where a tick finds it."""
    move = postponed(attempt, "quiet hours", until=int(until.timestamp()))
    return replace(move, put={**move.put, **index_keys(attempt.event.reminder_id, until)})


def ended(now: datetime) -> dict[str, Any]:
    """What every ended row carries: when DynamoDB may delete it."""
    return {"TTL": int((now + KEPT).timestamp())}


def seen(row: Row) -> dict[str, Any]:
    """What a row must still be for a decision about it to count: `attempts` tells one PENDING from the next, `revision` what its
    producer changed.
    """
    revision = {"revision": row["revision"]} if "revision" in row else {}
    return {"status": row.get("status"), "attempts": row.get("attempts"), **revision}


def revision_of(row: Row) -> int:
    """Which revision of its reminder an occurrence belongs to; 0, the oldest, where it does not say."""
    found = row.get("revision")
    return int(found) if isinstance(found, int | Decimal) else 0
