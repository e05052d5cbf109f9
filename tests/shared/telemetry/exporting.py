"""A process that traces and measures one message as a door would, and tells what it loaded and how long it waited."""

import json
import os
import sys
import time

from shared.telemetry import metrics, tracing
from tests.fakes import delivery


def tell() -> dict[str, object]:
    tracing.configure(os.environ, service="sample")
    metrics.configure(os.environ, service="sample")
    with tracing.processing(delivery("canary-7f3a")):
        metrics.processed(worker="sample", queue="uploads", outcome="done", seconds=0.25)
    started = time.monotonic()
    tracing.flush(seconds=float(os.environ["FLUSH_SECONDS"]))
    metrics.flush(seconds=float(os.environ["FLUSH_SECONDS"]))
    waited = time.monotonic() - started
    heavy = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
    return {"waited": waited, "heavy": sorted(heavy)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(tell()))
