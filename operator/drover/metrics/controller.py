"""What the controller counts: machines by phase, how long each step of a start takes, addresses it had to free."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Counter, Histogram

from drover.metrics.registry import REGISTRY, levels

STEP_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_steps = Histogram(
    "drover_start_step_seconds",
    "Seconds from the start of a machine until it has passed a step.",
    ["step"],
    buckets=STEP_SECONDS,
    registry=REGISTRY,
)
_abandoned = Counter(
    "drover_abandoned_addresses",
    "Addresses freed because their machine was gone without having let them go.",
    registry=REGISTRY,
)


def start_step(step: str, seconds: float) -> None:
    """Count that a start has passed a step."""
    _steps.labels(step).observe(seconds)


def address_abandoned() -> None:
    """Count an address that the sweep freed."""
    _abandoned.inc()


def watch_queues(depths: Mapping[str, Callable[[], float]]) -> None:
    """Show how many keys wait in each queue."""
    levels(
        "drover_queue_depth",
        "Objects that wait for a worker.",
        "queue",
        lambda: {name: depth() for name, depth in depths.items()},
    )


def watch_phases(phases: Callable[[], Iterable[str]]) -> None:
    """Show how many machines are in each phase; `phases` gives one word a machine."""
    levels("drover_virtualmachines", "Machines in each phase.", "phase", lambda: Tally(phases()))
