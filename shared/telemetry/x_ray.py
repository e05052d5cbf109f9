"""The trace context in X-Ray's own header, which SQS carries as the system attribute AWSTraceHeader."""

from __future__ import annotations

import re

from opentelemetry.trace import SpanContext, TraceFlags

_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})", re.IGNORECASE)
_PARENT = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)


def made_by_x_ray(header: str) -> SpanContext | None:
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader, in any order."""
    fields = dict(part.strip().partition("=")[::2] for part in header.split(";"))
    root, parent = _ROOT.fullmatch(fields.get("Root", "")), _PARENT.fullmatch(fields.get("Parent", ""))
    if root is None:
        return None
    # Without a decision (no Sampled, or `?`) it is ours to make; only 0 says that nobody wants to see this trace.
    unwanted = fields.get("Sampled") == "0"
    context = SpanContext(
        trace_id=int(root[1] + root[2], 16),
        # A header without a parent (a service made it, no segment did) still names the trace.
        span_id=int(parent[0] if parent else root[2][:16], 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.DEFAULT if unwanted else TraceFlags.SAMPLED),
    )
    return context if context.is_valid else None
