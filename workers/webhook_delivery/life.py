"""How long an endpoint has been failing, what follows from that, and what is told of it: pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

DISABLE_AFTER: Final = 5 * 86_400.0
"""Seconds of failures without one success after which an endpoint is disabled."""
STEPS: Final = (50, 70, 90, 100)
"""Per cent of that time at which it is told."""
_LOOKS: Final = 20
"""So many times in that time a failure is noted at most: most failures write nothing."""

FAILING, RECOVERED, DISABLED = "webhook.failing", "webhook.recovered", "webhook.disabled"
KINDS: Final = frozenset({FAILING, RECOVERED, DISABLED})


@dataclass(frozen=True, slots=True)
class Owed:
    """An event that is still to be put on the bus; `detail` is its JSON text, the same whenever it is put."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Life:
    """`failing_since`: the first failure since the last success, None where there was none; `failed_at`: a failure that was noted lately;
    `warned`: the step that was told; `owed`: what is still to be told, in order.
    """

    failing_since: datetime | None = None
    failed_at: datetime | None = None
    warned: int = 0
    owed: tuple[Owed, ...] = ()


WELL: Final = Life()


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written over `before`; `disable`: why the endpoint gets nothing any more, "" where it does."""

    before: Life
    after: Life
    disable: str = ""


def after_failure(
    life: Life, *, tenant_id: str, endpoint_id: str, now: datetime, disable_after: float, begins: bool
) -> Change | None:
    """None where nothing is to be written: a failure that is not one to begin with (a first attempt, whose retry mostly succeeds) is noted
    where others were before. Failures that lie further apart than the whole time begin anew.
    """
    window = timedelta(seconds=disable_after)
    if life.failing_since is None or life.failed_at is None or now - life.failed_at > window:
        return Change(life, Life(now, now, owed=life.owed)) if begins else None
    percent = (now - life.failing_since) / window * 100
    step = max((each for each in STEPS if each <= percent), default=0)
    if step <= life.warned:
        noted = Life(life.failing_since, now, life.warned, life.owed)
        return Change(life, noted) if now - life.failed_at > window / _LOOKS else None
    since = _text(life.failing_since)
    about = {"tenantId": tenant_id, "endpointId": endpoint_id, "failingSince": since}
    owed = (*life.owed, _owed(FAILING, about | {"percent": step}))
    reason = ""
    if step == STEPS[-1]:
        reason = f"failing since {since}"
        owed = (*owed, _owed(DISABLED, {"tenantId": tenant_id, "endpointId": endpoint_id, "reason": reason}))
    return Change(life, Life(life.failing_since, now, step, owed), disable=reason)


def after_success(life: Life, *, tenant_id: str, endpoint_id: str) -> Change | None:
    """None where it was well before. A failure that was not told of ends untold."""
    if life.failing_since is None:
        return None
    about = {"tenantId": tenant_id, "endpointId": endpoint_id, "failingSince": _text(life.failing_since)}
    news = (_owed(RECOVERED, about),) if life.warned else ()
    return Change(life, Life(owed=(*life.owed, *news)))


def gone(*, tenant_id: str, endpoint_id: str, event_id: str) -> Owed:
    """What is told of a 410."""
    about = {"tenantId": tenant_id, "endpointId": endpoint_id, "reason": "410 Gone", "eventId": event_id}
    return _owed(DISABLED, about)


def _owed(kind: str, about: Mapping[str, str | int]) -> Owed:
    """Its id is of all that it says, so that it is one event however often it is put."""
    digest = hashlib.sha256(json.dumps([kind, *about.items()]).encode()).hexdigest()
    return Owed(kind, json.dumps({"id": f"{kind.partition('.')[2]}_{digest[:32]}", **about}, separators=(",", ":")))


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
