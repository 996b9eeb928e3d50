"""What a server exports, and to where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite

from duologue.errors import ConfigError
from duologue.services import http_address

__all__ = ["TelemetryConfig"]

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")


@dataclass(frozen=True, slots=True)
class TelemetryConfig:
    """What is counted, and where metrics and traces are sent.

    Headers for the collector, which may be secret, come from the environment variable `OTEL_EXPORTER_OTLP_HEADERS`.
    """

    metrics: bool = True
    """Whether anything is counted, for `/metrics` and OTLP."""
    otlp_endpoint: str = ""
    """The address of a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`. Empty: that of the
    environment variable `OTEL_EXPORTER_OTLP_ENDPOINT`; if that is not set, nothing is sent."""
    traces: bool = True
    """Send traces to `otlp_endpoint`."""
    sample: float = 0.1
    """The share of conversations whose traces are sent, 0 to 1. Turns over their budget, and turns with an error, are
    always sent."""
    export_interval: float = 15.0
    """Seconds between two exports of metrics."""
    service_name: str = "duologue"
    """The attribute `service.name`."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.sample <= 1.0:
            raise ConfigError(f"telemetry.sample is {self.sample}, and must be between 0 and 1.")
        if not (isfinite(self.export_interval) and self.export_interval >= 0.1):
            raise ConfigError(f"telemetry.export_interval is {self.export_interval} s, and must be at least 0.1 s.")
        if self.otlp_endpoint:
            try:
                http_address(self.otlp_endpoint, "http://HOST:4318")
            except ValueError as error:
                raise ConfigError(
                    f"telemetry.otlp_endpoint {error}.", hint="Give it as http://HOST:4318, without /v1/metrics."
                ) from None

    @property
    def exports(self) -> bool:
        """Whether there is a collector to send to."""
        return bool(self.otlp_endpoint) or any(os.environ.get(name) for name in ENDPOINT_VARIABLES)
