"""Spans and metrics reach a collector where one is named; where none is, nothing is even loaded."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shared.telemetry.export.flush import Flush
from tests.shared.telemetry.alone import report_of


@dataclass
class Collector:
    """An OTLP collector on a loopback port: `got` holds paths and bodies; while `silent` it answers nobody."""

    url: str = ""
    got: list[tuple[str, bytes]] = field(default_factory=list)
    silent: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def bodies(self, path: str) -> list[bytes]:
        return [body for found, body in self.got if found == path]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collecting = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collecting.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            if collecting.silent:
                collecting.over.wait(30)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collecting.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collecting
        collecting.over.set()
        server.shutdown()


@pytest.mark.parametrize("environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}])
def test_without_an_endpoint_no_sdk_and_no_exporter_is_loaded(environment: dict[str, str]) -> None:
    report = report_of("exporting", FLUSH_SECONDS="10", **environment)
    assert report["heavy"] == []
    assert report["waited"] < 1


def test_with_an_endpoint_spans_and_metrics_reach_it_under_the_name_of_the_service(collector: Collector) -> None:
    report_of("exporting", FLUSH_SECONDS="10", TELEMETRY_DETAIL="full", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    [resource] = ExportTraceServiceRequest.FromString(collector.bodies("/v1/traces")[0]).resource_spans
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["process uploads"]
    assert "sample" in [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
    [measured] = ExportMetricsServiceRequest.FromString(collector.bodies("/v1/metrics")[0]).resource_metrics
    names = {metric.name for scope in measured.scope_metrics for metric in scope.metrics}
    assert names >= {"messaging.process.duration", "messaging.client.consumed.messages"}


def test_standard_variables_name_the_service_and_its_attributes_and_turn_a_signal_off(collector: Collector) -> None:
    report_of(
        "exporting",
        FLUSH_SECONDS="10",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_SERVICE_NAME="mine",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=prod",
        OTEL_METRICS_EXPORTER="none",
        OTEL_TRACES_SAMPLER="always_on",
    )
    [resource] = ExportTraceServiceRequest.FromString(collector.bodies("/v1/traces")[0]).resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (about["service.name"], about["deployment.environment.name"]) == ("mine", "prod")
    assert collector.bodies("/v1/metrics") == []


def test_nothing_that_leaves_holds_a_payload(collector: Collector) -> None:
    report_of("exporting", FLUSH_SECONDS="10", TELEMETRY_DETAIL="full", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert collector.got
    assert all(b"canary-7f3a" not in body for _, body in collector.got)


def test_a_collector_that_does_not_answer_holds_nobody_up(collector: Collector) -> None:
    collector.silent = True
    started = time.monotonic()
    report = report_of("exporting", FLUSH_SECONDS="0.2", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert 0.2 <= report["waited"] < 2
    assert time.monotonic() - started < 8, "the process ends, too"


def test_while_a_flush_is_still_at_it_no_second_one_is_started() -> None:
    class Provider:
        """Counts its flushes, each of which lasts until it is let go."""

        def __init__(self) -> None:
            self.flushes = 0
            self.begun, self.go = threading.Event(), threading.Event()

        def force_flush(self) -> None:
            self.flushes += 1
            self.begun.set()
            self.go.wait(30)

    provider, flush = Provider(), Flush()
    flush(provider, seconds=0.01)
    assert provider.begun.wait(10)
    flush(provider, seconds=0.01)
    assert provider.flushes == 1
    provider.go.set()
    flush(provider, seconds=10)  # waits for the first, if it is still there
    flush(provider, seconds=10)
    assert provider.flushes > 1


@pytest.mark.slow
def test_a_collector_that_is_not_there_holds_nobody_up() -> None:
    started = time.monotonic()
    report = report_of("exporting", FLUSH_SECONDS="0.2", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert report["waited"] < 5
    assert time.monotonic() - started < 30, "the process ends, too"


@pytest.mark.slow
@pytest.mark.guarantee("B32")
def test_a_report_near_the_deadline_waits_neither_for_a_silent_collector_nor_for_work_that_will_not_be_cut(
    collector: Collector,
) -> None:
    collector.silent = True
    report = report_of(
        "late_report",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        TELEMETRY_DETAIL="full",
        AWS_DEFAULT_REGION="eu-west-1",
    )
    assert report["reported"] == 20
    assert 0.25 <= report["left"] < 0.75, "half a second before the timeout, as exactly as a busy machine has it"
