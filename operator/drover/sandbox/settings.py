"""What a sandbox is to be: chosen at ``up``, kept in its state directory, taken up again by the next ``up``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from drover.sandbox.layout import Layout

FILE = "settings.json"

Kubelet = Literal["Real", "Kwok"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Size and contents of a sandbox.

    ``nodes`` is the number of emulated hypervisor hosts, ``controllers`` that of the controller's replicas. Without
    ``drover`` there are only a control plane and nodes; without ``agents`` nobody looks after the nodes; with
    ``quickstart`` the example is applied and its guest waited for. ``environment`` is added to that of controllers
    and agents. ``kubelet`` says what the nodes are: Real runs containers, Drover among them as its chart installs it;
    Kwok only says that it does, and Drover runs as processes of the checkout. ``cpu``, ``memory`` and ``pods`` are what
    each node of Kwok declares to the scheduler; a real one declares what the machine has.
    """

    nodes: int = 1
    controllers: int = 1
    drover: bool = True
    agents: bool = True
    quickstart: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    kubelet: Kubelet = "Real"
    cpu: str = "32"
    memory: str = "64Gi"
    pods: int = 500

    @property
    def real(self) -> bool:
        """Whether the nodes run containers."""
        return self.kubelet == "Real"

    @property
    def has_guest(self) -> bool:
        """Whether the example's guest is wanted and everything that it needs is there."""
        return self.drover and self.quickstart and self.agents and bool(self.nodes and self.controllers)


def load(layout: Layout) -> Settings:
    """Return the settings of the last ``up``, the defaults if there was none."""
    return merge(layout.state, {})


def kept(layout: Layout) -> bool:
    """Tell whether there was an ``up`` before."""
    return (layout.state / FILE).exists()


def merge(state: Path, choices: Mapping[str, object]) -> Settings:
    """Return the settings kept in a state directory, with some chosen anew."""
    try:
        kept = json.loads((state / FILE).read_text())
    except FileNotFoundError:
        kept = {}
    return Settings(**{**kept, **choices})


def save(layout: Layout, settings: Settings) -> None:
    """Keep the settings for later commands."""
    (layout.state / FILE).write_text(json.dumps(asdict(settings), indent=1))
