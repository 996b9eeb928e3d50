"""Sends metrics and traces to a collector: OTLP over HTTP, by the SDK of OpenTelemetry."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from duologue.errors import NotInstalledError
from duologue.telemetry import names
from duologue.telemetry.config import TelemetryConfig
from duologue.telemetry.metrics import Attributes, Metrics, Snapshot
from duologue.telemetry.names import METRICS, Metric
from duologue.telemetry.sampling import TurnSampler

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
    from opentelemetry.trace import Tracer

__all__ = ["OtlpExport"]

EXPORT_TIMEOUT_S: Final = 5.0
"""Seconds that one request to the collector may take, with its repetitions."""
CLOSE_TIMEOUT_S: Final = 3.0
"""Seconds that what is left has to be sent when the server ends."""
SNAPSHOT_TIMEOUT_S: Final = 2.0
"""Seconds that the event loop has to tell its numbers; after that those before are sent again."""
MAX_SPANS: Final = 4096
"""Spans that wait to be sent; more are dropped."""


class OtlpExport:
    """Exports what `metrics` counts, and spans, until it is closed. Used on the event loop's thread.

    Raises NotInstalledError without the extra `telemetry`.
    """

    def __init__(self, config: TelemetryConfig, metrics: Metrics) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ALWAYS_ON
        except ImportError as missing:
            raise NotInstalledError(
                "The packages of OpenTelemetry are not installed.", hint="Run `pip install 'duologue[telemetry]'`."
            ) from missing
        self._loop = asyncio.get_running_loop()
        self._metrics = metrics
        self._snapshot: Snapshot = {}
        self._taken_at = float("-inf")
        base = config.otlp_endpoint.rstrip("/")
        resource = Resource.create(
            {
                "service.name": config.service_name,
                "service.version": importlib.metadata.version("duologue"),
                "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
            }
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=f"{base}/v1/metrics" if base else None, timeout=EXPORT_TIMEOUT_S),
            export_interval_millis=1000 * config.export_interval,
            export_timeout_millis=1000 * EXPORT_TIMEOUT_S,
        )
        self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        self._histograms = _instruments(self._meters.get_meter(names.SERVICE), self._observe)
        self._attributes: dict[tuple[str, Attributes], dict[str, str]] = {}
        metrics.on_record = self._record
        self.tracer: Tracer | None = None
        """None if no traces are wanted."""
        self._tracers: TracerProvider | None = None
        self.sampler: TurnSampler | None = None
        if config.traces:
            exporter = OTLPSpanExporter(endpoint=f"{base}/v1/traces" if base else None, timeout=EXPORT_TIMEOUT_S)
            # The provider takes anything with the methods of a processor; a subclass would need the SDK at import.
            self.sampler = TurnSampler(config.sample, BatchSpanProcessor(exporter, max_queue_size=MAX_SPANS))
            self._tracers = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
            self._tracers.add_span_processor(self.sampler)  # type: ignore[arg-type]
            self.tracer = self._tracers.get_tracer(names.SERVICE)

    async def aclose(self) -> None:
        """Send what is left, for at most CLOSE_TIMEOUT_S, and stop."""
        self._metrics.on_record = None
        closing = threading.Thread(target=self._close, name="duologue-telemetry", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_TIMEOUT_S)

    def _close(self) -> None:
        with suppress(Exception):  # a collector that is gone must not keep the server from ending
            self._meters.shutdown(1000 * CLOSE_TIMEOUT_S)
        if self._tracers is not None:
            with suppress(Exception):
                self._tracers.shutdown()

    def _record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        key = (metric.name, attributes)
        known = self._attributes.get(key)
        if known is None:
            known = self._attributes[key] = dict(zip(metric.attributes, attributes, strict=False))
        self._histograms[metric.name].record(value, known)

    def _observe(self, metric: Metric) -> Iterable[tuple[float, dict[str, str]]]:
        """The series of one metric; called on the exporter's thread for one metric after the other."""
        if self._loop.time() - self._taken_at > 0.5 * SNAPSHOT_TIMEOUT_S:
            taking = asyncio.run_coroutine_threadsafe(self._take(), self._loop) if self._loop.is_running() else None
            if taking is not None:
                with suppress(NoAnswerError):
                    self._snapshot = taking.result(SNAPSHOT_TIMEOUT_S)
                taking.cancel()
            self._taken_at = self._loop.time()
        for attributes, value in self._snapshot.get(metric.name, {}).items():
            assert not isinstance(value, list)
            yield value, dict(zip(metric.attributes, attributes, strict=False))

    async def _take(self) -> Snapshot:
        return self._metrics.snapshot()


def _instruments(
    meter: Meter, observe: Callable[[Metric], Iterable[tuple[float, dict[str, str]]]]
) -> dict[str, Histogram]:
    """Make all instruments: histograms are recorded, the others are read when metrics are exported."""
    from opentelemetry.metrics import Observation

    def reader(metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(value, attributes) for value, attributes in observe(metric)]

    histograms: dict[str, Any] = {}
    for metric in METRICS.values():
        about = {"unit": metric.unit, "description": metric.description}
        match metric.kind:
            case "histogram":
                histograms[metric.name] = meter.create_histogram(
                    metric.name, **about, explicit_bucket_boundaries_advisory=metric.buckets
                )
            case "counter":
                meter.create_observable_counter(metric.name, [reader(metric)], **about)
            case "gauge":
                meter.create_observable_gauge(metric.name, [reader(metric)], **about)
    return histograms
