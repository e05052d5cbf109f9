"""What a session's row tells whoever may read it: never a secret, a connection or another's lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workers.upload_notification import rules

FINAL: Final = (rules.COMPLETE, rules.REJECTED, rules.EXPIRED)

_TOLD: Final = (
    "sessionId", "tenantId", "status", "reason", "createdAt", "allowedTypes", "uploadKey", "etag", "versionId",
    "contentType", "checksumSha256", "sequencer", "uploadedAt",
)  # fmt: skip
_NUMBERS: Final = ("createdAt", "expiresAt", "maxBytes", "minBytes", "size")
"""`createdAt` is a text where this client opened the session, and a number where a producer writes it as one."""


@dataclass(frozen=True, slots=True)
class State:
    """A session as its row shows it; `document` by the row's own names, with `status` EXPIRED once its time is over and nobody announces its file."""

    session_id: str
    status: str
    expires_at: int
    document: Mapping[str, Any]
    is_connected: bool
    has_secret: bool
    is_told: bool
    """Whether browser and bus were told of its current file."""
    is_over: bool
    """Whether its time is over: it takes no file any more, although one that came in time may still get its verdict."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


def state_of(item: Mapping[str, Any], *, at: float) -> State:
    """`at`: now, in epoch seconds. What a row holds in another type than it should is left out."""
    plain = {name: value for name in _TOLD if (value := _plain(item.get(name, {}))) not in (None, "")}
    numbers = {name: _whole(item[name]["N"]) for name in _NUMBERS if "N" in item.get(name, {})}
    expires = int(numbers.get("expiresAt", 0))
    status = str(plain.get("status", ""))
    is_over = 0 < expires <= at
    is_begun = "announceUntil" in item or "announcedTo" in item
    if is_over and status in rules.OPEN and not is_begun:
        status = rules.EXPIRED
    return State(
        session_id=str(plain.get("sessionId", "")),
        status=status,
        expires_at=expires,
        document={**plain, **numbers, "status": status},
        is_connected="wsConnectionId" in item,
        has_secret="secretHash" in item,
        is_told=bool(plain.get("sequencer")) and item.get("announcedSequencer", {}).get("S") == plain["sequencer"],
        is_over=is_over,
    )


def _plain(value: Mapping[str, Any]) -> Any:
    if "L" in value:
        return [each.get("S", "") for each in value["L"]]
    return sorted(value["SS"]) if "SS" in value else value.get("S")


def _whole(number: str) -> int:
    return int(float(number))
