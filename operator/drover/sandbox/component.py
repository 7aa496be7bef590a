"""What the supervisor keeps running: one record a component, as sent over its socket and kept on disk."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Component:
    """One process to keep running.

    ``environment`` comes on top of the supervisor's own. A component with ``node`` runs inside that node, and only
    while it is on. A ``host`` is a node itself: its command ends in a new pid namespace, and it counts as running once
    ``ready_file`` exists. ``cleanup`` is a command that runs after every end of the process. ``grace`` is how many
    seconds a polite stop may take before it becomes a kill; without any it is a kill at once.
    """

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    node: str = ""
    cgroup: str = ""
    host: bool = False
    ready_file: str = ""
    cleanup: tuple[str, ...] = ()
    grace: float = 5.0

    @property
    def contained(self) -> bool:
        """Whether the process that counts is the child, in a pid namespace of its own, of the one we start."""
        return self.host or bool(self.node)


@dataclass(frozen=True, slots=True)
class Report:
    """State of one component: ``state`` is running, starting, waiting or stopped; ``pid`` 0 unless it runs."""

    name: str
    state: str
    pid: int
    restarts: int
    node: str = ""


def encode(components: Iterable[Component]) -> list[dict[str, object]]:
    """Return components as JSON values."""
    return [asdict(component) for component in components]


def decode(values: Iterable[dict[str, object]]) -> tuple[Component, ...]:
    """Return components from JSON values."""
    return tuple(Component(**{name: _frozen(value) for name, value in record.items()}) for record in values)  # type: ignore[arg-type]


def load(path: Path) -> tuple[Component, ...]:
    """Return the components that a file lists, none if there is no file."""
    try:
        return decode(json.loads(path.read_text()))
    except FileNotFoundError:
        return ()


def save(path: Path, components: Iterable[Component]) -> None:
    """List the components in a file, replacing it as a whole."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(encode(components), indent=1))
    part.replace(path)


def _frozen(value: object) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
