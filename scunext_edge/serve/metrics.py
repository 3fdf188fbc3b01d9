"""Counters for Prometheus: how much, how long, what was refused. No picture, name or address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Metrics:
    """In a registry of its own, so that a process may hold two servers."""

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry()
        of: Any = {"registry": self._registry}
        ProcessCollector(**of)
        PlatformCollector(**of)
        Info("scunext_server", "The package that serves.", **of).info({"version": version})
        self.requests = Counter(
            "scunext_requests", "Requests that were answered.", ("route", "method", "status"), **of
        )
        self.seconds = Histogram(
            "scunext_request_seconds",
            "From a request's head to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            **of,
        )
        self.stages = Histogram(
            "scunext_stage_seconds",
            "What a picture took: receive, wait, decode, network, measure, encode.",
            ("stage",),
            buckets=_SECONDS,
            **of,
        )
        self.refused = Counter(
            "scunext_refused", "Requests that got no mask, by problem.", ("problem",), **of
        )
        self.gone = Counter("scunext_clients_gone", "Clients that left before the answer.", **of)
        self.losses = Counter("scunext_worker_losses", "Workers that ended unasked.", **of)

    def gauge(self, name: str, words: str, value: Callable[[], float]) -> None:
        """A number that is looked up when somebody asks."""
        Gauge(name, words, registry=self._registry).set_function(value)

    def stage_times(self, times_ms: Mapping[str, float]) -> None:
        """Of one picture."""
        for stage, ms in times_ms.items():
            if stage != "total":
                self.stages.labels(stage).observe(ms / 1e3)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request. A method is a client's word: unknown ones are one label."""
        method = method if method in METHODS else "other"
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def page(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
