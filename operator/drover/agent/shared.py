"""Pools and networks as this node last saw them: what the Hypervisor reports of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from drover.planning.hypervisor import Shared
from drover.state.host import PoolFacts


@dataclass(slots=True)
class SharedThings:
    """By name; None is what is not on this node. `changed` is called when one is seen otherwise than before."""

    changed: Callable[[], None]
    pools: dict[str, Shared | None] = field(default_factory=dict)
    networks: dict[str, Shared | None] = field(default_factory=dict)

    def saw_pool(self, name: str, *, facts: PoolFacts | None = None, trouble: str = "") -> None:
        """Note a pool."""
        self._note(self.pools, name, Shared(trouble, facts))

    def saw_network(self, name: str, *, trouble: str = "", address: str = "") -> None:
        """Note a network, and of an overlay the address at which this node takes its packets."""
        self._note(self.networks, name, Shared(trouble, address=address))

    def missed(self, things: dict[str, Shared | None], name: str) -> None:
        """Note that there is no such thing here."""
        self._note(things, name, None)

    def _note(self, things: dict[str, Shared | None], name: str, seen: Shared | None) -> None:
        if name not in things or things[name] != seen:
            things[name] = seen
            self.changed()
