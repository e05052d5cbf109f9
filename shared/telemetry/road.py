"""The one log line and the metrics that each message leaves behind when its road ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

import structlog

from shared.delivery import Delivery
from shared.outcome import Dead, Done, Outcome, Retry
from shared.telemetry import metrics, tracing

log = structlog.get_logger()


@dataclass(slots=True)
class Record:
    """Filled in on the road: how it ended, for how long it was hidden (seconds), and trouble while settling."""

    outcome: Outcome | None = None
    hidden: float | None = None
    trouble: Exception | None = None


@contextmanager
def told(worker: str, delivery: Delivery, *, seconds: float = 0.0) -> Iterator[Record]:
    """Tell of one message; `seconds` is added to the measured time, for work that was shared by a batch.

    Everything that is logged meanwhile carries the worker, the queue, the message id and the attempt.
    """
    record = Record()
    started = time.perf_counter()
    about: dict[str, object] = {
        "worker": worker,
        "queue": delivery.queue,
        "message_id": delivery.message_id,
        "attempt": delivery.attempt,
        **tracing.ids(),
    }
    bound = structlog.contextvars.bind_contextvars(**about)
    try:
        yield record
        elapsed = time.perf_counter() - started + seconds
        if record.outcome is not None:
            _tell(record, record.outcome, elapsed)
            metrics.processed(worker=worker, queue=delivery.queue, outcome=_name(record.outcome), seconds=elapsed)
    finally:
        structlog.contextvars.reset_contextvars(**bound)


def _tell(record: Record, outcome: Outcome, elapsed: float) -> None:
    line: dict[str, object] = {"outcome": _name(outcome), "duration_ms": round(elapsed * 1000, 2)}
    if record.trouble is not None:
        line["settle_error"] = type(record.trouble).__name__
    match outcome:
        case Done():
            log.info("message_done", **line)
        case Retry(why=why, after=after):  # expected: no traceback, no alarm
            if after is None:
                tracing.failed()
            log.info("message_hidden", **line, why=why, hidden_s=round(record.hidden or 0.0, 1))
        case Dead() as failure:
            tracing.failed(failure.error_type)
            log.error(
                "message_buried" if record.trouble is None else "burial_failed",
                **line,
                error_type=failure.error_type,
                why=failure.message,
                fingerprint=failure.fingerprint,
                failed_at=failure.stack,
            )
        case other:
            assert_never(other)


def _name(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()
