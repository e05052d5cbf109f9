"""A process that measures the ends of a hundred messages and tells its metrics: a meter provider is global and for good."""

import json
import sys
import time
from typing import Any

from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from shared.outcome import Dead, Done, Outcome, Retry
from shared.telemetry import drops, metrics
from shared.telemetry.message_log import Record
from tests.fakes import delivery

CANARY = "canary-7f3a"
WAITED = 40.0
"""Seconds for which each message waited in its queue."""


def one(outcome: Outcome, number: int = 0, *, attempt: int = 1) -> None:
    name, sent_at = f"{CANARY}-{number}", time.time() - WAITED
    given = delivery(name, message_id=name, group=CANARY, attempt=attempt, sent_at=sent_at)
    with Record("sample", given) as record:
        record.outcome = outcome


def tell() -> dict[str, Any]:
    reader = InMemoryMetricReader()
    api.set_meter_provider(MeterProvider([reader]))
    metrics.configure({"TELEMETRY_DETAIL": "full"}, service="sample")
    for number in range(100):
        one(Done(), number)
    one(Retry("endpoint is slow", after=60))
    one(Retry("ValueError"), attempt=2)
    one(Dead("KeyError", "no such session", "0" * 16))
    metrics.sent(queue="uploads", count=12)
    metrics.lease_lost(queue="uploads", reason="silent")
    metrics.delete_failed(queue="uploads", count=3)
    metrics.unreadable(queue="uploads")
    metrics.breaker(dependency="dynamodb", is_open=True)
    metrics.claim(worker="sample", outcome="absorbed")
    drops.dropped("sample", "nobody_takes_it", event_id=f"{CANARY}-1")
    data = reader.get_metrics_data()
    assert data is not None
    found = json.loads(data.to_json())
    told: dict[str, Any] = {"prometheus": metrics.text()}
    return told | {
        metric["name"]: {
            "unit": metric["unit"],
            "points": [{**point, "bounds": point.get("explicit_bounds")} for point in metric["data"]["data_points"]],
        }
        for resource in found["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(tell()))
