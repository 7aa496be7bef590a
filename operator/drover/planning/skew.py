"""Agents of another release: how far they may be from the controller, and what is said of those beyond.

The API level grows with each change of what controller and agents expect of one another. A controller works with the
agents of its own level and of the two before it; upgrade it before the agents when the level grew. Guests that are on
under another agent stay as they are: only placing and starting waits.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drover import __version__
from drover.api.hypervisor import HypervisorStatus
from drover.planning.conditions import Finding

API_LEVEL = 2
"""Level of this release."""
OLDEST = 2
"""Level below which no controller of this release goes: such an agent makes a disk blank that is to be a copy."""
WINDOW = 2
"""Levels before its own that the controller works with."""
MINIMUM_API_LEVEL = max(OLDEST, API_LEVEL - WINDOW)


@dataclass(frozen=True, slots=True)
class Skew:
    """Nodes whose agents are beyond the window."""

    nodes: Mapping[str, Finding] = field(default_factory=dict)
    """What is said of each."""
    everywhere: bool = False
    """Whether there are no others."""

    def find(self, node: str) -> Finding | None:
        """Give what is said of a node, or of any when there are no others; ``None`` when machines may start there."""
        if not node and self.everywhere:
            return next(iter(self.nodes.values()), None)
        return self.nodes.get(node)


def judge(node: str, status: HypervisorStatus) -> Finding | None:
    """Say why machines must not be placed on a node; ``None`` when they may, or when its agent has not spoken yet."""
    if status.agent_version is None:
        return None
    level = status.api_level or 0
    if MINIMUM_API_LEVEL <= level <= API_LEVEL:
        return None
    reason, advice = ("AgentTooOld", "agents") if level < MINIMUM_API_LEVEL else ("AgentTooNew", "controller")
    window = f"{MINIMUM_API_LEVEL} to {API_LEVEL}" if MINIMUM_API_LEVEL < API_LEVEL else f"{API_LEVEL}"
    message = (
        f"the agent on {node} is of release {status.agent_version} with API level {level}; this controller, of release"
        f" {__version__}, works with {window}: upgrade the {advice}"
    )
    return Finding("Scheduled", "False", reason, message)


def summarise(beyond: Iterable[tuple[str, HypervisorStatus]], every: int) -> Skew:
    """Sum up the nodes that may be beyond the window, out of `every` one that has an agent."""
    told = {name: said for name, status in beyond if (said := judge(name, status))}
    return Skew(told, everywhere=bool(told) and len(told) == every)
