"""The node's kernel in memory: filters, links of overlays, and what interfaces the node has."""

from dataclasses import dataclass, field

from drover.errors import OperatorError
from drover.state.firewall import Port
from drover.state.host import Overlay


@dataclass
class FakeWires:
    """One node's kernel."""

    ports: dict[str, Port] = field(default_factory=dict)
    overlays: dict[str, Overlay] = field(default_factory=dict)
    bridges: dict[str, bool] = field(default_factory=dict)
    """By name, whether they filter VLANs."""
    devices: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    fails: dict[str, OperatorError] = field(default_factory=dict)

    def _call(self, verb: str) -> None:
        self.calls.append(verb)
        if verb in self.fails:
            raise self.fails.pop(verb)

    async def guard(self, interface: str, port: Port) -> None:
        self._call("guard")
        self.ports[interface] = port

    async def unguard(self, interface: str) -> None:
        self._call("unguard")
        self.ports.pop(interface, None)

    async def guarded(self) -> frozenset[str]:
        return frozenset({*self.ports, *self.overlays})

    async def connect(self, overlay: Overlay) -> None:
        self._call("connect")
        self.overlays[overlay.trunk] = overlay

    async def disconnect(self, trunk: str) -> None:
        self._call("disconnect")
        self.overlays.pop(trunk, None)

    def has_bridge(self, name: str) -> bool:
        return name in self.bridges

    def has_device(self, name: str) -> bool:
        return name in self.devices

    def filters_vlans(self, bridge: str) -> bool:
        return self.bridges.get(bridge, False)
