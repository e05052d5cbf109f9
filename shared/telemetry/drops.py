"""What a worker gives up on purpose: counted by its reason, and logged with the ids of what it was."""

from __future__ import annotations

import structlog

from shared.telemetry import metrics

log = structlog.get_logger()


def dropped(worker: str, reason: str, **ids: str) -> None:
    """`reason` is one of few words, since it becomes a dimension of a metric; `ids` hold no payload and no secret."""
    metrics.dropped(worker=worker, reason=reason)
    log.info("event_dropped", worker=worker, reason=reason, **ids)
