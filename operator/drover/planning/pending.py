"""Pending changes: where the machine in flight differs from what it would be started as now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drover.api.domain import DomainSpec, LiveMachine
from drover.api.virtualmachine import PendingChange
from drover.planning import quantity, seed
from drover.planning.conditions import Finding
from drover.planning.record import live_machine


@dataclass(frozen=True, slots=True)
class Rotation:
    """What is known of the Secrets that a machine's seed names."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """What each has now, by its name, empty for one that is gone; only of those that were looked at."""
    told: Sequence[PendingChange] = ()
    """What was said last: of one that was not looked at it still stands."""


def changes(
    present: LiveMachine | None, spec: DomainSpec | None, secrets: Rotation = Rotation()
) -> list[PendingChange]:
    """List the differences that wait for a restart; none while the machine is off or its spec cannot be resolved."""
    if present is None or spec is None:
        return []
    return [
        PendingChange(path=path, live=has or "none", desired=gets or "none", effect="Restart")
        for path, has, gets in (*_pairs(present, live_machine(spec)), *_rotated(present, spec, secrets))
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
    yield "spec.disks", _disks(present), _disks(next_)
    yield "spec.interfaces", ", ".join(present.interfaces), ", ".join(next_.interfaces)
    yield "spec.kernel", present.kernel, next_.kernel
    yield "spec.cloudInit", present.seed, next_.seed
    yield "spec.plugin", present.plugin, next_.plugin


def _rotated(present: LiveMachine, spec: DomainSpec, secrets: Rotation) -> Iterator[tuple[str, str, str]]:
    """Find texts of the seed whose Secret was written to since the guest was told."""
    if spec.seed is None or seed.digest(spec.seed) != present.seed:
        return
    told = dict(each.split(" ", 1) for each in present.secrets)
    before = {(each.path, each.live): each.desired for each in secrets.told}
    for part, text in seed.texts(spec.seed):
        if text.secret is not None:
            name, path = text.secret.name, f"spec.cloudInit.{part}SecretRef"
            has = _version(name, told.get(name, "unknown"))
            known = name in secrets.versions
            yield path, has, _version(name, secrets.versions[name]) if known else before.get((path, has), has)


def _version(name: str, version: str) -> str:
    return f"Secret {name}, version {version}" if version else f"Secret {name}, which is gone"


def _disks(machine: LiveMachine) -> str:
    """Name the disks and their volumes; sizes do not wait for a restart."""
    return ", ".join(" ".join(text.split()[:2]) for text in machine.disks)
