"""Letters that died of the same thing: grouped by worker and fingerprint, never by the error alone; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fleet.dead_letters.model import expiry
from fleet.dead_letters.model.shapes import is_sendable_by_hand
from fleet.dead_letters.model.view import View, instant

VERSION = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one worker and one fingerprint. Times in epoch seconds. `replayable_with_to`: beside those that a plan takes as they
    are, those for which `--to` has to name the destination.
    """

    worker: str
    error_type: str
    message: str
    fingerprint: str
    shapes: tuple[str, ...]
    reason_known: bool
    ids: tuple[str, ...]
    first_failure: datetime
    last_failure: datetime
    expires_at: float
    replayable: int
    replayable_with_to: int
    now: float


def grouped(views: Iterable[View]) -> list[Group]:
    """The largest group first; among equals the one that disappears first."""
    found: dict[tuple[str, str], list[View]] = {}
    for each in views:
        found.setdefault((each.worker, each.fingerprint), []).append(each)
    groups = [_group(members) for members in found.values()]
    return sorted(groups, key=lambda group: (-len(group.ids), group.expires_at, group.fingerprint))


def document(group: Group) -> dict[str, Any]:
    """One line of `fleet dlq groups --json` (schema dlq-group, version 1)."""
    left = group.expires_at - group.now
    return {
        "version": VERSION,
        "worker": group.worker or None,
        "error_type": group.error_type or None,
        "message": group.message or None,
        "fingerprint": group.fingerprint,
        "shapes": list(group.shapes),
        "reason_known": group.reason_known,
        "count": len(group.ids),
        "first_failure": _text(group.first_failure),
        "last_failure": _text(group.last_failure),
        "expires_at": instant(group.expires_at),
        "expires_in_s": round(left),
        "expires_soon": expiry.is_soon(left),
        "replayable": group.replayable,
        "replayable_with_to": group.replayable_with_to,
        "ids": list(group.ids),
    }


def _group(members: Sequence[View]) -> Group:
    one = members[0]
    times = [each.failed_at for each in members]
    alone = [each for each in members if each.standing.replayable and each.standing.destination]
    able = [each for each in members if is_sendable_by_hand(each.standing)]
    return Group(
        worker=one.worker,
        error_type=one.error_type,
        message=one.message,
        fingerprint=one.fingerprint,
        shapes=tuple(sorted({each.standing.shape for each in members})),
        reason_known=one.reason_known,
        ids=tuple(sorted(each.id for each in members)),
        first_failure=min(times),
        last_failure=max(times),
        expires_at=min(each.expires_at for each in members),
        replayable=len(alone),
        replayable_with_to=len(able) - len(alone),
        now=one.now,
    )


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds")
