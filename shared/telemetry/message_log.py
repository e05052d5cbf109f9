"""The one log line and the metrics that each message leaves behind when its road ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Self, assert_never

import structlog

from shared.message.correlation import CORRELATION, stated
from shared.message.delivery import Attribute, Delivery
from shared.outcome import Dead, Done, Outcome, Retry, Stalled
from shared.telemetry import logging, metrics, tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = structlog.get_logger()


class Record:
    """What is logged of one message. Filled in on the road: how it ended, for how long it was hidden (seconds), and trouble
    while settling. Everything that is logged inside `with` carries the worker, the queue, the message id and the attempt, and what is said
    around it, such as Lambda's request id.

    A class and not a generator: this is entered once for each message.
    """

    __slots__ = ("_delivery", "_earlier", "_span", "_started", "_token", "_worker", "hidden", "outcome", "trouble")

    def __init__(
        self,
        worker: str,
        delivery: Delivery,
        *,
        span: AbstractContextManager[Span | None] | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._worker = worker
        self._delivery = delivery
        self._span = span
        self._earlier = seconds
        self.outcome: Outcome | None = None
        self.hidden: float | None = None
        self.trouble: Exception | None = None

    def __enter__(self) -> Self:
        span = self._span.__enter__() if self._span is not None else None
        delivery = self._delivery
        about = {
            **logging.ABOUT.get(),
            "worker": self._worker,
            "queue": delivery.queue,
            "message_id": delivery.message_id,
            "attempt": delivery.attempt,
            **tracing.ids(span),
        }
        if delivery.attributes and (found := stated(delivery.attributes)):
            about["correlation_id"] = found
        self._token = logging.ABOUT.set(about)
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.outcome is not None:
                elapsed = time.perf_counter() - self._started + self._earlier
                ended = type(self.outcome).__name__.lower()
                _tell(self, self.outcome, {"outcome": ended, "duration_ms": round(elapsed * 1000, 2)})
                metrics.processed(
                    worker=self._worker,
                    queue=self._delivery.queue,
                    outcome=ended,
                    seconds=elapsed,
                    sent_at=self._delivery.sent_at,
                    is_first=self._delivery.attempt <= 1,
                )
        finally:
            logging.ABOUT.reset(self._token)
            if self._span is not None:
                self._span.__exit__(kind, error, traceback)


class Batch:
    """What is logged of messages that were handled together: one span, and a record for each."""

    def __init__(self, worker: str, deliveries: Sequence[Delivery]) -> None:
        self._worker = worker
        self._deliveries = deliveries
        self._span = tracing.processing_batch(deliveries)

    def __enter__(self) -> Self:
        self._span.__enter__()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._span.__exit__(kind, error, traceback)

    def records(self) -> list[tuple[Delivery, Record]]:
        """To be asked for once all are handled: each message has its share of the time since then."""
        seconds = (time.perf_counter() - self._started) / len(self._deliveries)
        return [(each, Record(self._worker, each, seconds=seconds)) for each in self._deliveries]


def one(worker: str, delivery: Delivery) -> Record:
    """Tell of one message, in a span of its own."""
    return Record(worker, delivery, span=tracing.processing(delivery))


def batch(worker: str, deliveries: Sequence[Delivery]) -> Batch:
    """Tell of messages that are handled together."""
    return Batch(worker, deliveries)


def correlate(found: str) -> None:
    """What the message at hand is about in the business, as its worker reads it, unless the message stated that itself."""
    about = logging.ABOUT.get()
    if "correlation_id" not in about and found:
        logging.ABOUT.set({**about, "correlation_id": found})


def correlation_id() -> str:
    """Of the message at hand, or ""."""
    return str(logging.ABOUT.get().get("correlation_id", ""))


def correlated() -> dict[str, Attribute]:
    """The correlation id as an attribute of a message that is sent now; empty where there is none."""
    found = correlation_id()
    return {CORRELATION: Attribute("String", text=found)} if found else {}


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
        case Stalled(why=why):
            tracing.failed()
            log.warning("message_waits_for_dependency", **line, why=why, hidden_s=round(record.hidden or 0.0, 1))
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
