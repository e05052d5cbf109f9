"""OpenTelemetry's own variables mean here what they mean everywhere, and what cannot be done is said at the start."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.settings import SettingsError
from shared.telemetry import tracing
from shared.telemetry.export.variables import Signal, is_exported, resource

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
BOTH: tuple[Signal, Signal] = ("TRACES", "METRICS")


@pytest.mark.parametrize("signal", BOTH)
def test_an_endpoint_is_all_that_is_needed(signal: Signal) -> None:
    assert is_exported(ENDPOINT, signal)
    assert not is_exported({}, signal)
    assert is_exported({f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": "http://127.0.0.1:4318/v1"}, signal)


def test_an_endpoint_of_one_signal_is_none_of_the_other() -> None:
    only = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}
    assert [is_exported(only, signal) for signal in BOTH] == [True, False]


def test_each_signal_can_be_turned_off_and_both_at_once() -> None:
    assert [is_exported({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, signal) for signal in BOTH] == [False, True]
    assert [is_exported({**ENDPOINT, "OTEL_METRICS_EXPORTER": "none"}, signal) for signal in BOTH] == [True, False]
    assert [is_exported({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, signal) for signal in BOTH] == [False, False]


@pytest.mark.parametrize(
    ("name", "given", "use"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_TRACES_EXPORTER", "otlp,console", "otlp or none"),
    ],
)
def test_what_is_not_installed_is_refused_by_the_name_of_its_variable(name: str, given: str, use: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        is_exported({**ENDPOINT, name: given}, "TRACES")
    assert str(refused.value).endswith(f"use {use}")
    assert given not in str(refused.value).replace(use, "")


def test_the_protocol_of_a_signal_comes_before_that_of_all() -> None:
    given = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
    assert is_exported({**ENDPOINT, **given}, "TRACES")


def test_a_service_is_named_after_its_worker_unless_a_variable_names_it() -> None:
    assert resource({}, service="audit-archive") == {"service.name": "audit-archive"}
    assert resource({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod"}, service="a") == {
        "service.name": "a"
    }
    assert resource({"OTEL_SERVICE_NAME": "mine"}, service="audit-archive") == {}
    assert resource({"OTEL_RESOURCE_ATTRIBUTES": "x=1, service.name=mine"}, service="audit-archive") == {}


@pytest.mark.parametrize(
    ("name", "given"), [("OTEL_BSP_MAX_QUEUE_SIZE", "5"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-7")]
)
def test_what_the_sdk_takes_for_impossible_is_refused_by_the_names_that_are_set(
    name: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ValueError ended the worker with 1 and no name."""
    monkeypatch.setenv(name, given)
    environment = {**ENDPOINT, name: given, "AWS_REGION": "us-east-1"}
    with pytest.raises(SettingsError, match=f"{name}, OTEL_EXPORTER_OTLP_ENDPOINT: ") as refused:
        tracing.configure(environment, service="nop", exporter=InMemorySpanExporter())
    assert "AWS_REGION" not in str(refused.value)
