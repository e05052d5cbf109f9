"""Counts and durations of the road; dimensions are worker, queue and outcome, never an id."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from opentelemetry import metrics

from shared.telemetry import names
from shared.telemetry.export import variables
from shared.telemetry.export.flush import Flush

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds; the conventions end at ten, which is too early for work on large uploads."""

DWELL_BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0)
"""Seconds from send to start; a message may wait for days where something was down."""
MEASURED = 50
"""Messages a second whose duration and dwell become measurements, of each worker, queue and outcome: a measurement takes more CPU
than all else that is recorded of a message. Counts are exact.
"""

_flush = Flush()
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


_counters: list[Counter] = []
"""All of this process, for Prometheus."""


class Counter:
    """A sum for each set of attributes, kept here and read when it is exported: to add takes a tenth of what the SDK's own counter
    takes, which is paid for each message. One that `goes_down`, too, is no counter in Prometheus' words.
    """

    def __init__(
        self, meter: metrics.Meter, name: str, *, unit: str = "", description: str = "", goes_down: bool = False
    ) -> None:
        self.name, self.goes_down = name, goes_down
        self._sums: dict[frozenset[tuple[str, str]], int] = {}
        create = meter.create_observable_up_down_counter if goes_down else meter.create_observable_counter
        create(name, callbacks=[self._observe], unit=unit, description=description)
        _counters.append(self)

    def add(self, count: int, about: Mapping[str, str]) -> None:
        key = frozenset(about.items())
        self._sums[key] = self._sums.get(key, 0) + count

    def observed(self) -> list[metrics.Observation]:
        """The sums so far."""
        return [metrics.Observation(count, dict(key)) for key, count in [*self._sums.items()]]

    def _observe(self, _options: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
        return self.observed()


class Instruments(NamedTuple):
    """The instruments of one process."""

    duration: metrics.Histogram
    dwell: metrics.Histogram
    consumed: metrics.ObservableCounter
    last_success: metrics.ObservableGauge
    sent: Counter
    leases_lost: Counter
    breakers: Counter
    deletes_failed: Counter
    unreadable: Counter
    claims: Counter
    dropped: Counter


@dataclass(slots=True)
class Tally:
    """The ends of one kind: how many there were, how many of this second's were measured, and when (epoch, to the second) the last
    second with any began.
    """

    about: Mapping[str, str]
    dwell: Mapping[bool, Mapping[str, str | bool]]
    count: int = 0
    second: int = 0
    measured: int = 0
    last: float = 0.0


_tallies: dict[tuple[str, str, str], Tally] = {}
_most = MEASURED


def configure(environment: Mapping[str, str], *, service: str) -> None:
    """Export metrics over OTLP when OTEL_EXPORTER_OTLP_ENDPOINT is set; otherwise stay silent and import nothing.
    TELEMETRY_DETAIL=full measures every message. Raises SettingsError.
    """
    global _most  # noqa: PLW0603  # one for the process, as the meter provider is
    _most = sys.maxsize if environment.get("TELEMETRY_DETAIL") == "full" else MEASURED
    if not variables.is_exported(environment, "METRICS"):
        return
    with variables.read_by_the_sdk(environment):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource

        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        resource = Resource.create(variables.resource(environment, service=service))
        metrics.set_meter_provider(MeterProvider([reader], resource=resource, shutdown_on_exit=False))


def flush(*, seconds: float = 0.2) -> None:
    """Send what is gathered, and wait for it no longer than `seconds`."""
    _flush(metrics.get_meter_provider(), seconds=seconds)


def processed(
    *, worker: str, queue: str, outcome: str, seconds: float, sent_at: float | None = None, is_first: bool = True
) -> None:
    """One message came to an end at this receipt: done, retry, stalled or dead. It was sent at `sent_at`, in epoch seconds, and this
    was its first receipt, or a later one.
    """
    tally = _tallies.get((worker, queue, outcome))
    if tally is None:
        about = {**_about(queue, "process"), names.WORKER: worker, names.OUTCOME: outcome}
        dwell = {
            first: {names.DESTINATION: queue, names.WORKER: worker, names.IS_FIRST: first} for first in (False, True)
        }
        tally = _tallies[worker, queue, outcome] = Tally(about, dwell)
    tally.count += 1
    if (second := int(time.monotonic())) != tally.second:
        tally.second, tally.measured, tally.last = second, 0, time.time()
    if tally.measured < _most:
        tally.measured += 1
        instruments = _instruments()
        instruments.duration.record(seconds, tally.about)
        if sent_at is not None:
            waited = max(0.0, time.time() - seconds - sent_at)
            instruments.dwell.record(waited, tally.dwell[is_first])


def sent(*, queue: str, count: int) -> None:
    """Messages put on a queue by this process."""
    _instruments().sent.add(count, _about(queue, "send"))


def lease_lost(*, queue: str, reason: str) -> None:
    """A message became visible to others while it was in hand: its work was cut and its delete forbidden."""
    _instruments().leases_lost.add(1, {names.DESTINATION: queue, "fleet.reason": reason})


def breaker(*, dependency: str, is_open: bool) -> None:
    """A dependency went down (1 is added) or came back (1 is taken away): the sum is how many containers miss it."""
    _instruments().breakers.add(1 if is_open else -1, {"fleet.dependency": dependency})


def delete_failed(*, queue: str, count: int) -> None:
    """Deletes that SQS refused, each time before they are tried again, or that were not sent because a lease had ended."""
    _instruments().deletes_failed.add(count, {names.DESTINATION: queue})


def unreadable(*, queue: str) -> None:
    """SQS named a message in a way that cannot be read, so that it cannot be settled either: it comes back by itself."""
    _instruments().unreadable.add(1, {names.DESTINATION: queue})


def claim(*, worker: str, outcome: str) -> None:
    """What came of a key in the ledger, where that was not simply one run of the handler: the work was done before
    (absorbed) or its key used for another payload (reused), the claim was taken over (lost), or its end could not be
    written down (unrecorded).
    """
    _instruments().claims.add(1, {names.WORKER: worker, names.OUTCOME: outcome})


def dropped(*, worker: str, reason: str) -> None:
    """Something was given up on purpose, and its message is done: nothing is left that would come back."""
    _instruments().dropped.add(1, {names.WORKER: worker, names.REASON: reason})


def text() -> str:
    """All counts and the times of the last success, as Prometheus reads them; no histogram, which is the collector's to have.
    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    lines = [
        *_series(names.CONSUMED, "counter", _consumed()),
        *_series(f"{names.LAST_SUCCESS}_seconds", "gauge", _last_success()),
    ]
    for each in _counters:
        lines += _series(each.name, "gauge" if each.goes_down else "counter", each.observed())
    return "".join(f"{line}\n" for line in lines)


def _series(name: str, kind: str, observed: Iterable[metrics.Observation]) -> list[str]:
    name = name.replace(".", "_") + ("_total" if kind == "counter" else "")
    values = [(_labels(each.attributes or {}), each.value) for each in observed]
    return [f"# TYPE {name} {kind}", *(f"{name}{labels} {value}" for labels, value in values)] if values else []


def _labels(attributes: Mapping[str, object]) -> str:
    escaped = {each: str(text).translate(_ESCAPED) for each, text in attributes.items()}
    return "{" + ",".join(f'{each.replace(".", "_")}="{text}"' for each, text in sorted(escaped.items())) + "}"


def _about(queue: str, operation: str) -> dict[str, str]:
    return {names.SYSTEM: names.AWS_SQS, names.OPERATION_NAME: operation, names.DESTINATION: queue}


def _consumed(_options: metrics.CallbackOptions | None = None) -> Iterable[metrics.Observation]:
    return [metrics.Observation(tally.count, tally.about) for tally in [*_tallies.values()]]


def last_success() -> float:
    """When a message was last done by this process, in epoch seconds; 0.0 where none was."""
    return max((float(each.value) for each in _last_success()), default=0.0)


def _last_success(_options: metrics.CallbackOptions | None = None) -> Iterable[metrics.Observation]:
    return [
        metrics.Observation(tally.last, {names.WORKER: worker, names.DESTINATION: queue})
        for (worker, queue, outcome), tally in [*_tallies.items()]
        if outcome == "done"
    ]


@cache
def _instruments() -> Instruments:
    meter = metrics.get_meter("sqs-worker-fleet")
    return Instruments(
        duration=meter.create_histogram(names.PROCESS_DURATION, unit="s", explicit_bucket_boundaries_advisory=BUCKETS),
        dwell=meter.create_histogram(names.DWELL, unit="s", explicit_bucket_boundaries_advisory=DWELL_BUCKETS),
        consumed=meter.create_observable_counter(names.CONSUMED, callbacks=[_consumed], unit="{message}"),
        last_success=meter.create_observable_gauge(names.LAST_SUCCESS, callbacks=[_last_success], unit="s"),
        sent=Counter(meter, names.SENT, unit="{message}"),
        leases_lost=Counter(meter, "fleet.leases.lost", unit="{lease}"),
        breakers=Counter(meter, "fleet.dependencies.down", unit="{dependency}", goes_down=True),
        deletes_failed=Counter(meter, "fleet.deletes.failed", unit="{message}"),
        unreadable=Counter(meter, "fleet.messages.unreadable", unit="{message}"),
        claims=Counter(meter, "fleet.claims", unit="{claim}"),
        dropped=Counter(meter, "fleet.dropped", unit="{event}"),
    )
