"""Spans of a message's road, named by OpenTelemetry's messaging conventions, and the context that travels with it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.message.delivery import Attribute, Delivery
from shared.telemetry import names
from shared.telemetry.export import variables
from shared.telemetry.export.flush import Flush
from shared.telemetry.x_ray import made_by_x_ray

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_W3C = TraceContextTextMapPropagator()  # by name: OTEL_PROPAGATORS must not change what our messages carry
_flush = Flush()
_UNKEPT = TraceFlags(TraceFlags.DEFAULT)
_UNKEPT_RANDOM = TraceFlags(TraceFlags.RANDOM_TRACE_ID)
_kept: dict[str, Any] = {}

_UNTRACED = nullcontext(None)
_first_provider = cache(trace.get_tracer_provider)
"""While no provider is set the API reads the environment at each question, a tenth of what Lambda's door does for a record."""

SAMPLED = 0.01
"""The share of traces that are kept of those that begin here."""
SAMPLED_BELOW = round(SAMPLED * 2**64)
"""Trace ids whose lower half is below this are kept: the rule of the SDK's TraceIdRatioBased."""


def configure(environment: Mapping[str, str], *, service: str, exporter: SpanExporter | None = None) -> None:
    """Export spans, over OTLP when OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise stay silent and import nothing.
    TELEMETRY_DETAIL=full keeps every trace that begins here; OTEL_TRACES_SAMPLER decides otherwise. Raises SettingsError.
    """
    if exporter is None and not variables.is_exported(environment, "TRACES"):
        return
    with variables.read_by_the_sdk(environment):
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import DEFAULT_ON

        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter()
        # The door's flush is the last word: the SDK's own at exit would wait for a dead collector for ten seconds and more.
        # Whoever sent a message has decided whether its trace is kept; of what begins here, a share is (`_unkept`).
        theirs = bool(environment.get("OTEL_TRACES_SAMPLER"))
        provider = TracerProvider(
            sampler=None if theirs else DEFAULT_ON,
            resource=Resource.create(variables.resource(environment, service=service)),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _kept["sampled"] = None if theirs or environment.get("TELEMETRY_DETAIL") == "full" else provider


def flush(*, seconds: float = 0.2) -> None:
    """Send what is gathered, and wait for it no longer than `seconds`."""
    _flush(trace.get_tracer_provider(), seconds=seconds)


def creation_context(delivery: Delivery) -> SpanContext | None:
    """Who made this message: W3C `traceparent` first, X-Ray's AWSTraceHeader where there is none."""
    if not delivery.attributes:
        return made_by_x_ray(delivery.trace_header) if delivery.trace_header else None
    carrier = {name: text for name in ("traceparent", "tracestate") if (text := delivery.text(name))}
    found = trace.get_current_span(_W3C.extract(carrier)).get_span_context() if carrier else None
    if found is not None and found.is_valid:
        return found
    return made_by_x_ray(delivery.trace_header) if delivery.trace_header else None


def received(deliveries: Sequence[Delivery], *, seconds: float) -> None:
    """`receive <queue>`, CLIENT: a poll that has just ended and took `seconds`; one link to each message's creator.

    Told afterwards, because links are known only then, and because a poll that brought nothing is not worth a span.
    """
    provider = trace.get_tracer_provider()
    if _unkept(provider) is not None:
        return
    queue, ended = deliveries[0].queue, time.time_ns()
    span = _tracer(provider).start_span(
        f"receive {queue}",
        kind=SpanKind.CLIENT,
        links=_links(deliveries),
        attributes={**_about(queue, "receive"), names.BATCH_COUNT: len(deliveries)},
        start_time=ended - int(seconds * 1e9),
    )
    span.end(ended)


def processing(delivery: Delivery) -> AbstractContextManager[Span | None]:
    """`process <queue>`, CONSUMER. One message has one creator, so that one is its parent and its link both. Where nothing is traced
    and the message carries no context, the current span stays what it is.
    """
    made_by, provider = creation_context(delivery), trace._TRACER_PROVIDER or _first_provider()  # noqa: SLF001
    if made_by is None and isinstance(provider, trace.ProxyTracerProvider):
        return _UNTRACED
    if (unkept := _unkept(provider, made_by)) is not None:
        return _Current(unkept)
    queue = delivery.queue
    span = _tracer(provider).start_span(
        f"process {queue}",
        context=trace.set_span_in_context(NonRecordingSpan(made_by)) if made_by else None,
        kind=SpanKind.CONSUMER,
        attributes={**_about(queue, "process"), names.MESSAGE_ID: delivery.message_id},
        links=[Link(made_by)] if made_by else [],
    )
    return _Current(span)


def processing_batch(deliveries: Sequence[Delivery]) -> AbstractContextManager[Span]:
    """`process <queue>` over many messages: no parent, one link to each message's creator."""
    return _started("process", deliveries[0].queue, SpanKind.CONSUMER, deliveries, {names.BATCH_COUNT: len(deliveries)})


def settling(
    queue: str, *, how: str, error_type: str | None = None, deliveries: Sequence[Delivery] = ()
) -> AbstractContextManager[Span]:
    """`settle <queue>`, CLIENT: deleted, hidden or buried; `error_type` when it was buried.

    Settled inside `processing` it is that span's child; a batch that is settled later names its `deliveries` for links.
    """
    more: dict[str, Any] = {names.SETTLED: how}
    if error_type:
        more[names.ERROR_TYPE] = error_type
    if deliveries:
        more[names.BATCH_COUNT] = len(deliveries)
    return _started("settle", queue, SpanKind.CLIENT, deliveries, more)


def sending(queue: str, *, count: int) -> AbstractContextManager[Span]:
    """`send <queue>`: PRODUCER for one message, which carries its context; CLIENT for many, each made by `creating`."""
    if count > 1:
        return _started("send", queue, SpanKind.CLIENT, (), {names.BATCH_COUNT: count})
    return _started("send", queue, SpanKind.PRODUCER)


def creating(queue: str) -> AbstractContextManager[Span]:
    """`create <queue>`, PRODUCER: one message of a batch, which carries this context."""
    return _started("create", queue, SpanKind.PRODUCER)


def calling(name: str, attributes: Mapping[str, Any]) -> AbstractContextManager[Span]:
    """`DynamoDB.GetItem`, CLIENT: one AWS call, with its repetitions; see aws_calls.py."""
    tracer = _tracer(trace.get_tracer_provider())
    return _Current(tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes))


def failed(error_type: str = names.OTHER_ERROR) -> None:
    """Mark the current span: what it stands for did not succeed. `error_type` is a class name, never a text."""
    _fail(trace.get_current_span(), error_type)


def carried() -> dict[str, Attribute]:
    """The current context as message attributes; empty where nothing is traced."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return {name: Attribute("String", text=text) for name, text in carrier.items()}


def x_ray_header() -> str | None:
    """The current context as X-Ray writes it, for the system attribute AWSTraceHeader; None where nothing is traced."""
    context = _current()
    if not context.is_valid:
        return None
    whole = trace.format_trace_id(context.trace_id)
    sampled = int(context.trace_flags.sampled)
    return f"Root=1-{whole[:8]}-{whole[8:]};Parent={trace.format_span_id(context.span_id)};Sampled={sampled}"


def ids(span: Span | None = None) -> dict[str, str]:
    """`trace_id` and `span_id` of this span or of the current one, for log lines; empty where nothing is traced."""
    if span is None and not otel.get_current():
        return {}
    context = span.get_span_context() if span is not None else _current()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def trace_id() -> str:
    """32 hex digits of the current trace, or ""."""
    context = _current()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def span_id() -> str:
    """16 hex digits of the current span, or ""."""
    context = _current()
    return trace.format_span_id(context.span_id) if context.is_valid else ""


def _links(deliveries: Iterable[Delivery]) -> list[Link]:
    return [Link(made_by) for each in deliveries if (made_by := creation_context(each)) is not None]


def _started(
    operation: str,
    queue: str,
    kind: SpanKind,
    deliveries: Sequence[Delivery] = (),
    more: Mapping[str, Any] | None = None,
) -> _Current:
    """A child of the current span, or the first of a trace; linked to the makers of `deliveries`."""
    provider = trace.get_tracer_provider()
    if (unkept := _unkept(provider)) is not None:
        return _Current(unkept)
    attributes = {**_about(queue, operation), **(more or {})}
    links = _links(deliveries)
    return _Current(_tracer(provider).start_span(f"{operation} {queue}", kind=kind, links=links, attributes=attributes))


def _unkept(provider: trace.TracerProvider, parent: SpanContext | None = None) -> Span | None:
    """A span that nobody will see, or None where the SDK is to be asked. It carries its identifiers and the decision on,
    as the SDK's would; to let the SDK find out takes five times as long, for 99 of 100 messages.
    """
    if _kept.get("sampled") is not provider:
        return None
    parent = parent or _current()
    if parent.is_valid:
        if parent.trace_flags & TraceFlags.SAMPLED:
            return None
        trace_id, state = parent.trace_id, parent.trace_state
        flags = _UNKEPT_RANDOM if parent.trace_flags & TraceFlags.RANDOM_TRACE_ID else _UNKEPT
    else:
        trace_id, state, flags = random.getrandbits(128) or 1, None, _UNKEPT_RANDOM
        if trace_id & (2**64 - 1) < SAMPLED_BELOW:
            return None
    return NonRecordingSpan(SpanContext(trace_id, random.getrandbits(64) or 1, False, flags, state))


def _current() -> SpanContext:
    return trace.get_current_span().get_span_context()


class _Current:
    """The current span while the block runs. An error leaves its type: its text and traceback may quote a payload.

    It does what the API's start_as_current_span does, without three generators on the way of every message.
    """

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token = otel.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        otel.detach(self._token)
        if error is not None:
            _fail(self._span, type(error).__name__)
        self._span.end()


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(StatusCode.ERROR)


def _about(queue: str, operation: str) -> dict[str, Any]:
    return {
        names.SYSTEM: names.AWS_SQS,
        names.OPERATION_NAME: operation,
        names.OPERATION_TYPE: operation,
        names.DESTINATION: queue,
    }


def _tracer(provider: trace.TracerProvider) -> trace.Tracer:
    """Kept, because to get one takes longer than a span that is not sampled; not beyond the life of its provider."""
    if _kept.get("provider") is not provider:
        _kept.update(provider=provider, tracer=provider.get_tracer("sqs-worker-fleet"))
    tracer: trace.Tracer = _kept["tracer"]
    return tracer
