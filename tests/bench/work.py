"""What is done with each message, the same for all contestants: read it, tell of it as the setting asks, wait."""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
import structlog
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from tests.bench.bodies import QUEUE, Kind, bare_nonce_of, nonce_of
from tests.sqs_server.control_client import Controls

Setting = Literal["bare", "production", "recorded"]
"""bare: the number is read, nothing is recorded. production: pydantic, one log line, spans for 1 %, metrics added up before
they are recorded. recorded: pydantic, one log line, one span and one metric for each message.
"""
SPANS = 100_000
"""Spans that may wait for their export; none is dropped, in nobody's run."""
AGGREGATED = 100
"""Messages whose metrics become one, in the setting `production`."""


@dataclass(frozen=True)
class Task:
    """One run: how many messages there are, how many of them only warm up, and where the outcome is written.

    `wait` and `burn` are seconds that each handler sleeps or computes; `slots` is how many handlers of this runtime may
    run at once. With `proof` each handler tells the server that it has ended, so that an early delete is seen.
    """

    contestant: str
    url: str
    endpoint: str
    count: int
    warm: int
    setting: Setting
    kind: Kind
    wait: float
    result: str
    burn: float = 0.0
    slots: int = 200
    proof: bool = False

    @property
    def ids(self) -> Path:
        """Where the loader writes which message carries which number."""
        return Path(f"{self.result}.ids")

    @classmethod
    def given(cls) -> "Task":
        return cls(**json.loads(os.environ["BENCH_TASK"]))

    def written(self) -> str:
        return json.dumps(asdict(self))


class Work:
    """Counts what was handled and writes, with the last message, what it cost from the end of the warm-up on."""

    def __init__(self, task: Task, *, tells: bool = True) -> None:
        """`tells` is False for a contestant that has log, spans and metrics of its own."""
        self.task = task
        self.done = threading.Event()
        self._count = 0
        self._sum = 0
        self._started = (0.0, 0.0)
        self._lock = threading.Lock()
        self._ids: dict[str, str] = json.loads(task.ids.read_text()) if task.proof else {}
        self._tell: Callable[[Callable[[], int]], int] = {
            "bare": self._bare,
            "production": self._record,
            "recorded": self._record,
        }[task.setting]
        if tells and task.setting != "bare":
            telemetry(task.setting)
            self._log = structlog.get_logger()
            self._tracer = trace.get_tracer("bench")
            meter = metrics.get_meter("bench")
            self._consumed = meter.create_counter("messaging.client.consumed.messages")
            self._duration = meter.create_histogram("messaging.process.duration", unit="s")
            self._pending, self._seconds = 0, 0.0

    def handle(self, text: str) -> None:
        """For those who handle one message after the other, or in threads."""
        self._tell(lambda: self._effect(text, sleep=True))

    async def handle_async(self, text: str) -> None:
        """For those with a loop."""
        self._tell(lambda: self._effect(text, sleep=False))
        if self.task.wait:
            await asyncio.sleep(self.task.wait)

    async def handle_lean(self, text: str) -> None:
        """One parse and one line, in the setting `production`: what a loop cannot leave out and still be seen to work."""
        nonce = self._effect(text, sleep=False)
        self._log.info("message_done", worker="bench", queue=QUEUE, nonce=nonce)

    def read(self, text: str) -> int:
        return (bare_nonce_of if self.task.setting == "bare" else nonce_of)(self.task.kind, text)

    def effect(self, nonce: int) -> None:
        """The work itself, which leaves a trace in a sum."""
        if self.task.burn:
            ends = time.thread_time() + self.task.burn
            while time.thread_time() < ends:
                pass
        if self.task.proof:
            control = Controls(int(os.environ["SQS_CONTROL_URL"].rpartition(":")[2]))
            control.ask("POST", "/effect", {"message_id": self._ids[str(nonce)], "phase": "ended"})
        with self._lock:
            self._count += 1
            self._sum += nonce
            if self._count == self.task.warm:
                self._started = (time.process_time(), time.perf_counter())
            if self._count == self.task.count:
                self._write()

    def _effect(self, text: str, *, sleep: bool) -> int:
        nonce = self.read(text)
        if sleep and self.task.wait:
            time.sleep(self.task.wait)
        self.effect(nonce)
        return nonce

    def _bare(self, effect: Callable[[], int]) -> int:
        return effect()

    def _record(self, effect: Callable[[], int]) -> int:
        started = time.perf_counter()
        about = {
            "messaging.system": "aws_sqs",
            "messaging.operation.name": "process",
            "messaging.destination.name": QUEUE,
        }
        with self._tracer.start_as_current_span(f"process {QUEUE}", kind=SpanKind.CONSUMER, attributes=about):
            nonce = effect()
            seconds = time.perf_counter() - started
            self._log.info(
                "message_done", worker="bench", queue=QUEUE, nonce=nonce, duration_ms=round(seconds * 1000, 2)
            )
        if self.task.setting == "recorded":
            self._consumed.add(1, about)
            self._duration.record(seconds, about)
            return nonce
        self._pending, self._seconds = self._pending + 1, self._seconds + seconds
        if self._pending >= AGGREGATED:
            self._consumed.add(self._pending, about)
            self._duration.record(self._seconds / self._pending, about)
            self._pending, self._seconds = 0, 0.0
        return nonce

    def _write(self) -> None:
        cpu, wall = self._started
        outcome = {
            "count": self._count,
            "sum": self._sum,
            "cpu": time.process_time() - cpu,
            "wall": time.perf_counter() - wall,
            "memory": peak_memory(),
        }
        place = Path(self.task.result)
        place.with_suffix(".part").write_text(json.dumps(outcome))
        place.with_suffix(".part").rename(place)
        self.done.set()


def peak_memory() -> int:
    """KiB; getrusage would tell of the parent too, whose memory a child begins with."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


def nowhere() -> Any:
    """An exporter that throws spans away."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415  # measured processes import what they use

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    return Nowhere()


def keep_metrics() -> None:
    """The SDK's metrics, read by nobody."""
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  # measured processes import what they use
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415  # measured processes import what they use

    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def telemetry(setting: Setting) -> None:
    """The SDK as an application sets it up, with an exporter that throws away; lines of the fast path to stdout."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # measured processes import what they use
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # measured processes import what they use
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415  # measured processes import what they use

    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(1.0 if setting == "recorded" else 0.01)))
    provider.add_span_processor(BatchSpanProcessor(nowhere(), max_queue_size=SPANS))
    trace.set_tracer_provider(provider)
    keep_metrics()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=lambda event, **_options: orjson.dumps(event)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
