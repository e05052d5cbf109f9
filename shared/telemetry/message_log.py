"""The one log line and the metrics that each message leaves behind when its road ends."""

from __future__ import annotations

import time
from typing import Self, assert_never

import structlog

from shared.message.delivery import Delivery
from shared.outcome import Dead, Done, Outcome, Retry
from shared.telemetry import logging, metrics, tracing

log = structlog.get_logger()


class Record:
    """Tells of one message. Filled in on the road: how it ended, for how long it was hidden (seconds), and trouble while
    settling. Everything that is logged inside `with` carries the worker, the queue, the message id and the attempt.

    A class and not a generator: this is entered once for each message.
    """

    __slots__ = ("_delivery", "_earlier", "_started", "_token", "_worker", "hidden", "outcome", "trouble")

    def __init__(self, worker: str, delivery: Delivery, seconds: float) -> None:
        self._worker = worker
        self._delivery = delivery
        self._earlier = seconds
        self.outcome: Outcome | None = None
        self.hidden: float | None = None
        self.trouble: Exception | None = None

    def __enter__(self) -> Self:
        delivery = self._delivery
        about = {
            "worker": self._worker,
            "queue": delivery.queue,
            "message_id": delivery.message_id,
            "attempt": delivery.attempt,
            **tracing.ids(),
        }
        self._token = logging.ABOUT.set(about)
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: object, _error: object, _traceback: object) -> None:
        try:
            if kind is None and self.outcome is not None:
                elapsed = time.perf_counter() - self._started + self._earlier
                ended = type(self.outcome).__name__.lower()
                _tell(self, self.outcome, {"outcome": ended, "duration_ms": round(elapsed * 1000, 2)})
                metrics.processed(worker=self._worker, queue=self._delivery.queue, outcome=ended, seconds=elapsed)
        finally:
            logging.ABOUT.reset(self._token)


def told(worker: str, delivery: Delivery, *, seconds: float = 0.0) -> Record:
    """Tell of one message; `seconds` is added to the measured time, for work that was shared by a batch."""
    return Record(worker, delivery, seconds)


def _tell(record: Record, outcome: Outcome, line: dict[str, object]) -> None:
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
