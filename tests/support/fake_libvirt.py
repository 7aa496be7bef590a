"""A stand-in for libvirt's networks and its probe guest, for what its test driver cannot do."""

from collections.abc import Callable
from dataclasses import dataclass, field

import libvirt
from drover.translation.xml import attribute, parse, text


def make_error(code: int, domain: int = libvirt.VIR_FROM_QEMU) -> libvirt.libvirtError:
    """An error as the library raises it."""
    error = libvirt.libvirtError("")
    error.err = (code, domain, "what happened", libvirt.VIR_ERR_ERROR, "", "", "", 0, 0)
    return error


@dataclass
class FakeNetwork:
    """A network that remembers what was done to it."""

    document: str
    active: bool = False
    ports: list[str] = field(default_factory=list)
    leases: list[dict[str, str]] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    undefined: bool = False

    def isActive(self) -> bool:  # noqa: N802
        return self.active

    def name(self) -> str:
        return text(parse(self.document), "name")

    def XMLDesc(self) -> str:  # noqa: N802
        return self.document

    def bridgeName(self) -> str:  # noqa: N802
        return attribute(parse(self.document), "bridge", "name")

    def listAllPorts(self) -> list[str]:  # noqa: N802
        return self.ports

    def DHCPLeases(self) -> list[dict[str, str]]:  # noqa: N802
        return self.leases

    def create(self) -> None:
        self.active = True

    def destroy(self) -> None:
        self.active = False

    def undefine(self) -> None:
        self.undefined = True

    def update(self, command: int, *_rest: object) -> None:
        self.updates.append(command)


@dataclass
class FakeLibvirt:
    """A connection that knows networks and runs one probe guest."""

    networks: dict[str, FakeNetwork] = field(default_factory=dict)
    capabilities: str = ""
    able: str = ""
    """What it tells of one kind of guest; empty: nothing."""
    probe: Callable[[str], None] = lambda _document: None
    probes: int = 0

    def networkLookupByName(self, name: str) -> FakeNetwork:  # noqa: N802
        found = self.networks.get(name)
        if found is None or found.undefined:
            raise make_error(libvirt.VIR_ERR_NO_NETWORK)
        return found

    def listAllNetworks(self) -> list[FakeNetwork]:  # noqa: N802
        return [*self.networks.values(), FakeNetwork("<network><name>default</name></network>")]

    def networkDefineXML(self, document: str) -> FakeNetwork:  # noqa: N802
        made = FakeNetwork(document)
        self.networks[text(parse(document), "name")] = made
        return made

    def getCapabilities(self) -> str:  # noqa: N802
        return self.capabilities

    def getDomainCapabilities(self, *_about: str) -> str:  # noqa: N802
        if not self.able:
            raise make_error(libvirt.VIR_ERR_NO_SUPPORT)
        return self.able

    def getInfo(self) -> list[int]:  # noqa: N802
        return [0, 1024, 4]

    def getLibVersion(self) -> int:  # noqa: N802
        return 9_000_000

    def getVersion(self) -> int:  # noqa: N802
        return 7_002_022

    def lookupByName(self, _name: str) -> None:  # noqa: N802
        raise make_error(libvirt.VIR_ERR_NO_DOMAIN)

    def createXML(self, document: str, _flags: int) -> None:  # noqa: N802
        self.probes += 1
        self.probe(document)
