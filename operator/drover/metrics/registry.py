"""The process's registry, and what both processes count: reconciles, queues, writes, which build it is."""

import platform
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
FAILED = frozenset({"retry", "rest", "bug"})
"""Outcomes of a reconcile that count as errors."""
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
_reconciles = Histogram(
    "drover_reconcile_seconds", "Time one reconcile took.", ["kind"], buckets=SECONDS, registry=REGISTRY
)
_errors = Counter(
    "drover_reconcile_errors",
    "Reconciles that did not succeed: retry, rest (only a change helps) or bug.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
_writes = Counter("drover_writes", "Mutating calls to the API server.", ["kind", "verb"], registry=REGISTRY)
_build = Gauge("drover_build_info", "1, with what was built as labels.", ["version", "python"], registry=REGISTRY)

Levels = Callable[[], Mapping[str, float]]
"""Present values by label."""


def reconcile_finished(kind: str, seconds: float, outcome: str) -> None:
    """Count a reconcile; a `Finished` of the runtime's reconcilers."""
    _reconciles.labels(kind).observe(seconds)
    if outcome in FAILED:
        _errors.labels(kind, outcome).inc()


def wrote(kind: str, verb: str) -> None:
    """Count a mutating call."""
    _writes.labels(kind, verb).inc()


def build(version: str) -> None:
    """Tell which build this is."""
    _build.labels(version, platform.python_version()).set(1)


def levels(name: str, help_: str, label: str, read: Levels) -> None:
    """Have gauges read when somebody asks: nothing is kept up to date in between."""
    REGISTRY.register(_Levels(name, help_, label, read))


def render() -> bytes:
    """Write everything in Prometheus' text format."""
    return generate_latest(REGISTRY)


class _Levels(Collector):
    def __init__(self, name: str, help_: str, label: str, read: Levels) -> None:
        self._about = (name, help_, label)
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        name, help_, label = self._about
        family = GaugeMetricFamily(name, help_, labels=[label])
        for value, level in sorted(self._read().items()):
            family.add_metric([value], level)
        yield family
