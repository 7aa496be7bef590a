"""What a machine takes from its plugin besides the values of its spec."""

from dataclasses import dataclass

from drover.api.domain import DomainPlugin
from drover.api.plugin import Workload
from drover.planning.conditions import Finding


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The revision that a machine is made of."""

    plugin: str
    """namespace/name of the plugin."""
    revision: str
    """Name of the revision; empty when there is none that it may use."""
    workload: Workload | None = None
    problem: Finding | None = None
    """Why the machine cannot be made."""

    @property
    def pin(self) -> DomainPlugin | None:
        """What its Domain says of it."""
        return DomainPlugin(name=self.plugin, revision=self.revision) if self.revision else None
