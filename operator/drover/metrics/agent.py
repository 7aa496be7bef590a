"""What a node's agent counts: how long the phases of a start take, and what its guests use."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from drover.metrics.registry import REGISTRY, levels
from drover.state.host import DiskSample, GuestSample, InterfaceSample

PHASE_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
FRESH_SECONDS = 30.0
"""Figures older than this are not shown: nobody knows them any more."""
SCRAPED_SECONDS = 150.0
"""Figures are gathered as long as somebody asked for them in this time."""
GUEST = ("namespace", "name")
_phases = Histogram(
    "drover_guest_start_phase_seconds",
    "Seconds of a phase of a guest's start on its node: prepare, create, serve.",
    ["phase"],
    buckets=PHASE_SECONDS,
    registry=REGISTRY,
)


def start_phase(phase: str, seconds: float) -> None:
    """Count that a start has passed a phase."""
    _phases.labels(phase).observe(seconds)


def watch_queues(depths: Mapping[str, Callable[[], float]]) -> None:
    """Show how many objects wait in each queue."""
    levels(
        "drover_queue_depth",
        "Objects that wait for a worker.",
        "queue",
        lambda: {name: depth() for name, depth in depths.items()},
    )


def watch_node(read: Callable[[], dict[str, float]]) -> None:
    """Show figures of the node: guests it has, starts that wait, orphans."""
    levels("drover_node_guests", "Guests of the node, by what is counted.", "count", read)


@dataclass(frozen=True, slots=True)
class Meter:
    """The figures of one guest."""

    namespace: str
    name: str
    sample: GuestSample


class GuestMeters(Collector):
    """The figures of all running guests, as they were gathered last; they are not gathered when nobody asks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meters: Sequence[Meter] = ()
        self._gathered = float("-inf")
        self._asked = float("-inf")
        REGISTRY.register(self)

    @property
    def wanted(self) -> bool:
        """Whether somebody asked lately."""
        return self._clock() - self._asked < SCRAPED_SECONDS

    def show(self, meters: Sequence[Meter]) -> None:
        """Take what was gathered now."""
        self._meters = meters
        self._gathered = self._clock()

    def describe(self) -> Iterable[Metric]:
        """Promise nothing before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give the figures, unless they are too old."""
        self._asked = self._clock()
        if self._clock() - self._gathered < FRESH_SECONDS:
            yield self._counter("drover_vm_cpu_seconds", "CPU time used.", lambda each: each.cpu_seconds)
            yield self._gauge("drover_vm_memory_bytes", "Memory the guest has.", lambda each: each.memory_bytes)
            yield self._gauge("drover_vm_resident_bytes", "Memory QEMU takes.", lambda each: each.resident_bytes)
            yield from self._parts("disk", "drover_vm_disk", DISK, lambda sample: sample.disks)
            yield from self._parts("interface", "drover_vm_network", INTERFACE, lambda sample: sample.interfaces)

    def _counter(self, name: str, text: str, read: Callable[[GuestSample], float | None]) -> Metric:
        family = CounterMetricFamily(name, text, labels=GUEST)
        self._fill(family, read)
        return family

    def _gauge(self, name: str, text: str, read: Callable[[GuestSample], float | None]) -> Metric:
        family = GaugeMetricFamily(name, text, labels=GUEST)
        self._fill(family, read)
        return family

    def _fill(
        self, family: CounterMetricFamily | GaugeMetricFamily, read: Callable[[GuestSample], float | None]
    ) -> None:
        for meter in self._meters:
            value = read(meter.sample)
            if value is not None:
                family.add_metric((meter.namespace, meter.name), value)

    def _parts(
        self,
        label: str,
        prefix: str,
        figures: Sequence[str],
        parts: Callable[[GuestSample], Sequence[DiskSample | InterfaceSample]],
    ) -> Iterator[Metric]:
        for figure in figures:
            family = CounterMetricFamily(
                f"{prefix}_{figure}", f"{figure.replace('_', ' ').capitalize()} of a {label}.", labels=(*GUEST, label)
            )
            for meter in self._meters:
                for part in parts(meter.sample):
                    value = getattr(part, figure)
                    if value is not None:
                        family.add_metric((meter.namespace, meter.name, part.device), value)
            yield family


DISK = ("read_bytes", "write_bytes", "read_requests", "write_requests")
INTERFACE = ("received_bytes", "sent_bytes", "received_packets", "sent_packets")
