"""What came of the demo, as one versioned JSON document (docs/schemas/demo.schema.json)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1
"""Of the document; a change that a reader could stumble over makes it 2."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file; `size` in bytes. `browser`: notified, nobody watching, left before, or not notified; `reason`: why its
    session is REJECTED, None for any other.
    """

    name: str
    key: str
    size: int
    session_id: str
    status: str
    reason: str | None
    browser: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One webhook endpoint and the answers it gave: `answers` counts requests by HTTP status."""

    name: str
    url: str
    enabled: bool
    delivered: int
    answers: Mapping[str, int]
    refused_signatures: int


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder; times in ISO 8601. `deliveries`: how often it arrived, None where nobody counts (email);
    `next_due_at` None for one that comes once; `note` says why it waits, or what its receipt said.
    """

    channel: str
    time_zone: str
    local_time: str
    due_at: str
    status: str
    deliveries: int | None
    next_due_at: str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """The archive after the story: `verified` says that every object and digest is what the chain says."""

    records: int
    objects: int
    digests: int
    verified: bool
    finding: str | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter and the reason written on it."""

    queue: str
    worker: str
    error_type: str
    message: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Kill:
    """The worker that was killed at work, with so many messages in hand, and the seconds until the next one was ready."""

    worker: str
    messages_in_hand: int
    ready_again_seconds: float


@dataclass(frozen=True, slots=True)
class Latency:
    """One hop's latency in milliseconds over `count` samples."""

    hop: str
    count: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """The whole story; `missing` names every effect that did not come, and is empty when all is well."""

    run: str
    endpoint: str
    started_at: str
    seconds: float
    uploads: Sequence[Upload]
    browser_messages: int
    webhooks: Sequence[Endpoint]
    reminders: Sequence[Reminder]
    audit: Audit | None
    dead_letters: Sequence[DeadLetter]
    kill: Kill | None
    latency: Sequence[Latency]
    missing: Sequence[str]

    @property
    def ok(self) -> bool:
        return not self.missing

    def document(self) -> dict[str, Any]:
        """As `fleet demo --json` prints it."""
        return {"version": VERSION, "ok": self.ok, **asdict(self)}


def summarise(latencies: Mapping[str, Sequence[float]]) -> list[Latency]:
    """Percentiles of each hop's seconds, in milliseconds."""
    return [
        Latency(hop, len(seconds), _milliseconds(seconds, 50), _milliseconds(seconds, 99))
        for hop, seconds in latencies.items()
        if seconds
    ]


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: always a value that was measured. Raises ValueError where there is none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _milliseconds(seconds: Sequence[float], percent: float) -> float:
    return round(percentile(seconds, percent) * 1000, 1)
