"""Verbs on virtual networks; blocking, see `domain`."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import libvirt
from drover.api.network import ON_HOST, VirtualNetworkSpec
from drover.errors import Busy
from drover.hypervisor.errors import found, host_trouble
from drover.hypervisor.leases import Leases, give_back
from drover.state.host import NetworkFacts, Reservation
from drover.translation import network as translation


def ensure(connection: libvirt.virConnect, network: str, spec: VirtualNetworkSpec, directory: Path) -> NetworkFacts:
    """Make the network active as the spec says, its DHCP and DNS server running."""
    leases, ours = Leases(network, directory), spec.type not in ON_HOST
    if ours:
        leases.prepare()
    document = translation.document(network, spec, PurePosixPath(directory))
    known = found(connection.networkLookupByName, translation.name(network))
    if known is not None and not _same(known, document):
        _take_down(known, network)
        known = None
    if known is None:
        known = connection.networkDefineXML(document)
    if not known.isActive():
        with host_trouble("NetworkUnusable"):
            known.create()
    elif ours and not leases.alive():
        _revive(known)
    return NetworkFacts(network, translation.bridge(network), active=True)


def names(connection: libvirt.virConnect) -> tuple[str, ...]:
    """List our networks by their VirtualNetworks' names."""
    known = (translation.network(each.name()) for each in connection.listAllNetworks())
    return tuple(name for name in known if name is not None)


def remove(connection: libvirt.virConnect, network: str) -> None:
    """Take the network down and forget it."""
    known = found(connection.networkLookupByName, translation.name(network))
    if known is not None:
        _take_down(known, network)


def _same(known: libvirt.virNetwork, document: str) -> bool:
    # What is active counts: a definition that differs from it would only come into force some other day.
    return translation.fingerprint(known.XMLDesc()) == translation.fingerprint(document)


def _take_down(known: libvirt.virNetwork, network: str) -> None:
    if known.isActive():
        if known.listAllPorts():
            raise Busy(f"guests use network {network} of this node", reason="NetworkInUse", delay=10)
        known.destroy()
    found(known.undefine)


def _revive(known: libvirt.virNetwork) -> None:
    """Start the DHCP and DNS server of an active network again."""
    section, live = libvirt.VIR_NETWORK_SECTION_DNS_TXT, libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE
    with host_trouble("NetworkUnusable"):
        for command in (libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE):
            known.update(command, section, -1, translation.REVIVAL, live)


def reserve(connection: libvirt.virConnect, network: str, directory: Path, zone: str, reservation: Reservation) -> None:
    """Give an address to a hardware address, and take it from a former guest that still has a lease of it."""
    leases = Leases(network, directory)
    leases.prepare()
    leases.reserve(reservation, zone)
    if reservation.silent:
        # Nobody asks this server for it: of an overlay that is so of every machine on another node, however many.
        return
    known = found(connection.networkLookupByName, translation.name(network))
    if known is not None and known.isActive():
        _give_back(known, lambda lease: lease["ipaddr"] == reservation.ip and lease["mac"] != reservation.mac)


def release(connection: libvirt.virConnect, network: str, directory: Path, mac: str) -> None:
    """Forget the reservation and the lease of a hardware address."""
    Leases(network, directory).release(mac)
    known = found(connection.networkLookupByName, translation.name(network))
    if known is not None and known.isActive():
        _give_back(known, lambda lease: lease["mac"] == mac)


def _give_back(known: libvirt.virNetwork, unwanted: Callable[[Mapping[str, object]], bool]) -> None:
    # DHCPv6 knows no message by which another gives a lease back.
    leases = [lease for lease in known.DHCPLeases() if unwanted(lease) and ":" not in str(lease["ipaddr"])]
    document = known.XMLDesc() if leases else ""
    for lease in leases:
        ip = str(lease["ipaddr"])
        give_back(known.bridgeName(), translation.gateway(document, ip), str(lease["mac"]), ip)
