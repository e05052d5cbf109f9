"""A process that traces many messages as a door would, and tells which spans were kept and what messages carried on."""

import json
import os
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.message.delivery import Attribute, Delivery
from shared.telemetry import tracing
from tests.fakes import delivery


def travelled(found: Delivery) -> dict[str, str]:
    """One message with a settle inside and a receive before; the trace context that a message sent by it carries."""
    tracing.received([found], seconds=0.1)
    with tracing.processing(found):
        with tracing.settling(found.queue, how="hide"):
            pass
        carried = tracing.carried()
        return {"traceparent": carried["traceparent"].text or "", **tracing.ids()}


def tell(count: int) -> dict[str, object]:
    exporter = InMemorySpanExporter()
    tracing.configure(os.environ, service="sample", exporter=exporter)
    made_by = {"traceparent": Attribute("String", os.environ["CREATOR"])} if os.environ.get("CREATOR") else {}
    carried = [travelled(delivery(attributes=made_by)) for _ in range(count)]
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.force_flush()
    spans = [
        {"name": span.name, "trace": f"{span.context.trace_id:032x}", "parent": bool(span.parent)}
        for span in exporter.get_finished_spans()
        if span.context is not None
    ]
    return {"carried": carried, "spans": spans}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(tell(int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ["COUNT"]))))
