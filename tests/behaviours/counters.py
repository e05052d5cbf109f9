"""The counters of this process, read as an exporter reads them; a meter provider is global and for good."""

from typing import Any

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint


class Counters:
    """Made once for a process."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([self._reader], shutdown_on_exit=False))

    def of(self, name: str, *, queue: str) -> int:
        """What a counter stands at for this queue: over all that the process has done."""
        return int(sum(point.value for point in self._points(name) if queue in (point.attributes or {}).values()))

    def _points(self, name: str) -> list[NumberDataPoint]:
        data: Any = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
