"""What operators see of each request: Prometheus metrics and one access line, without payloads and names of series."""

import json
import logging
import time
import uuid
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACCESS_LOG = logging.getLogger("nightcast.access")
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
QUIET_PATHS = ("/health", "/ready", "/metrics")


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("route", "status")
        self.requests = Counter("nightcast_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Histogram(
            "nightcast_request_seconds", "Time to the answer.", ("route",), registry=self.registry, buckets=BUCKETS_S
        )
        self.observations = Counter(
            "nightcast_observations", "Observations taken.", ("outcome",), registry=self.registry
        )
        self.forecasts = Counter("nightcast_forecasts", "Series forecast.", registry=self.registry)
        self.reloads = Counter("nightcast_reloads", "Attempts to load a champion.", ("result",), registry=self.registry)
        self.series = Gauge("nightcast_series", "Series with a kept state.", registry=self.registry)
        self.state_bytes = Gauge("nightcast_state_bytes", "Bytes of the kept states.", registry=self.registry)
        self.waiting = Gauge("nightcast_waiting_requests", "Requests that wait for inference.", registry=self.registry)
        self.model = Gauge("nightcast_model", "The model that serves.", ("name", "version"), registry=self.registry)

    def answered(self) -> int:
        """Return the number of requests that were answered."""
        samples = (sample for metric in self.requests.collect() for sample in metric.samples)
        return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


class Telemetry:
    """An ASGI app that counts, times and logs every request of the app within."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status, request_id = time.perf_counter(), 500, uuid.uuid4().hex

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            seconds, route = time.perf_counter() - begin, _route(scope)
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(seconds)
            if scope["path"] not in QUIET_PATHS or status >= 500:
                _log_access({"request_id": request_id, "method": scope["method"], "route": route, "status": status,
                             "ms": round(1000 * seconds, 2), "client": (scope.get("client") or ("",))[0]})  # fmt: skip


def _route(scope: Scope) -> str:
    """Return the pattern of the route, such as /v1/series/{unique_id}: no names in metrics and logs."""
    route = scope.get("route")
    return str(getattr(route, "path", "unknown"))


def _log_access(entry: dict[str, Any]) -> None:
    ACCESS_LOG.info(json.dumps(entry))
