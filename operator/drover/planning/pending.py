"""Pending changes: where the machine in flight differs from what it would be started as now."""

from collections.abc import Iterator

from drover.api.domain import DomainSpec, LiveMachine
from drover.api.virtualmachine import PendingChange
from drover.planning import quantity
from drover.planning.conditions import Finding
from drover.planning.record import live_machine


def changes(present: LiveMachine | None, spec: DomainSpec | None) -> list[PendingChange]:
    """List the differences that wait for a restart; none while the machine is off or its spec cannot be resolved."""
    if present is None or spec is None:
        return []
    return [
        PendingChange(path=path, live=has or "none", desired=gets or "none", effect="Restart")
        for path, has, gets in _pairs(present, live_machine(spec))
        if has != gets
    ]


def synced(pending: list[PendingChange]) -> Finding:
    """Find out whether the machine in flight is what the spec asks for; it only informs."""
    if not pending:
        return Finding("Synced", "True", "Synced")
    words = ", ".join(f"{change.path} is {change.live}, {change.desired} after a restart" for change in pending)
    return Finding("Synced", "False", "RestartRequired", words)


def _pairs(present: LiveMachine, next_: LiveMachine) -> Iterator[tuple[str, str, str]]:
    yield "spec.cpu.cores", str(present.cores), str(next_.cores)
    yield "spec.memory.size", quantity.binary(present.memory_bytes), quantity.binary(next_.memory_bytes)
    yield "spec.disks", ", ".join(present.disks), ", ".join(next_.disks)
    yield "spec.interfaces", ", ".join(present.interfaces), ", ".join(next_.interfaces)
    yield "spec.kernel", present.kernel, next_.kernel
    yield "spec.cloudInit", present.seed, next_.seed
    yield "spec.plugin", present.plugin, next_.plugin
