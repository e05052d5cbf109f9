"""The context that travels with a message: W3C in its attributes, and AWSTraceHeader beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from opentelemetry.trace.span import TraceState

from shared.message.delivery import Attribute
from shared.telemetry import tracing
from tests.fakes import delivery

CREATOR = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
X_RAY = "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8"
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


def creator(*, traceparent: str | None = None, header: str | None = None) -> str | None:
    attributes = {"traceparent": Attribute("String", traceparent)} if traceparent is not None else {}
    found = tracing.creation_context(delivery(attributes=attributes, trace_header=header))
    return None if found is None else f"{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"


def test_the_w3c_context_comes_before_the_x_ray_header() -> None:
    assert creator(traceparent=f"00-{CREATOR}-01", header=HEADER) == f"{CREATOR}-01"


@pytest.mark.parametrize("broken", ["", "garbage", f"00-{'0' * 32}-{'0' * 16}-01", f"ff-{CREATOR}-01", f"00-{CREATOR}"])
def test_a_broken_w3c_context_leaves_the_word_to_x_ray(broken: str) -> None:
    assert creator(traceparent=broken, header=HEADER) == f"{X_RAY}-01"


def test_a_broken_context_is_never_mistaken_for_the_current_span() -> None:
    with use_span(NonRecordingSpan(SpanContext(trace_id=7, span_id=7, is_remote=False))):
        assert creator(traceparent="garbage") is None
        assert creator(traceparent="") is None


def test_a_context_in_a_binary_attribute_is_none() -> None:
    attributes = {"traceparent": Attribute("Binary", binary=f"00-{CREATOR}-01".encode())}
    assert tracing.creation_context(delivery(attributes=attributes)) is None


def test_the_state_of_a_trace_travels_along() -> None:
    attributes = {
        "traceparent": Attribute("String", f"00-{CREATOR}-01"),
        "tracestate": Attribute("String", "vendor=value"),
    }
    found = tracing.creation_context(delivery(attributes=attributes))
    assert found is not None
    with use_span(NonRecordingSpan(found)):
        assert tracing.carried() == attributes


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (HEADER, "01"),
        ("Sampled=1;Parent=53995c3f42cd8ad8;Root=1-5759e988-bd862e3fe1be46a994272793", "01"),
        ("Root=1-5759e988-bd862e3fe1be46a994272793; Parent=53995c3f42cd8ad8; Sampled=0; Lineage=a:0", "00"),
        ("Self=1-00000000-000000000000000000000001;" + HEADER, "01"),
        ("Root=1-5759E988-BD862E3FE1BE46A994272793;Parent=53995C3F42CD8AD8;Sampled=1", "01"),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8", "01"),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?", "01"),
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;NotSampled=1;Sampled=0", "00"),
    ],
)
def test_an_x_ray_header_is_read_in_any_order(header: str, flags: str) -> None:
    assert creator(header=header) == f"{X_RAY}-{flags}"


@pytest.mark.parametrize("parent", ["", ";Parent=", ";Parent=short", ";GrandParent=53995c3f42cd8ad8"])
def test_an_x_ray_header_without_a_parent_still_names_the_trace(parent: str) -> None:
    assert creator(header=f"Root=1-5759e988-bd862e3fe1be46a994272793{parent}") == (
        "5759e988bd862e3fe1be46a994272793-bd862e3fe1be46a9-01"
    )


@pytest.mark.parametrize(
    "header", ["", "Root", "Root=2-5759e988-bd862e3fe1be46a994272793", f"Root=1-{'0' * 8}-{'0' * 24}", "Parent=1;;=;"]
)
def test_a_header_that_names_no_trace_is_none(header: str) -> None:
    assert creator(header=header) is None


@given(st.text() | st.text("Rot=1-;PaenSmpld0f", max_size=80))
def test_no_header_is_an_error(header: str) -> None:
    assert creator(header=header) is None or "Root=1-" in header


@given(
    trace=st.integers(min_value=1, max_value=2**128 - 1),
    span=st.integers(min_value=1, max_value=2**64 - 1),
    flags=st.sampled_from([0, 1]),
)
def test_a_context_comes_back_through_either_header(trace: int, span: int, flags: int) -> None:
    context = SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(flags), trace_state=TraceState())
    with use_span(NonRecordingSpan(context)):
        attributes, header = tracing.carried(), tracing.x_ray_header()
        assert (tracing.trace_id(), tracing.span_id()) == (f"{trace:032x}", f"{span:016x}")
    expected = f"{trace:032x}-{span:016x}-{flags:02x}"
    assert creator(traceparent=attributes["traceparent"].text) == expected
    assert creator(header=header) == expected


def test_without_a_trace_nothing_is_carried() -> None:
    assert (tracing.carried(), tracing.x_ray_header(), tracing.trace_id(), tracing.span_id()) == ({}, None, "", "")


def test_without_an_exporter_a_trace_still_passes_through() -> None:
    attributes = {"traceparent": Attribute("String", f"00-{CREATOR}-01")}
    with tracing.processing(delivery(attributes=attributes)):
        assert tracing.trace_id() == CREATOR[:32]
        assert tracing.carried() == attributes
