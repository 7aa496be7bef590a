"""Services that select machines: the slices of endpoints that lead to them, and what is said where none can.

A machine's anchor carries its labels, so a plain selector would also lead to the anchor, where nobody listens. Labels
in `drover.dev/` are the machine's alone: a Service for machines selects by at least one of them.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from drover.planning.address import family_of
from drover.planning.conditions import Finding, find
from drover.planning.resolve import interfaces
from drover.planning.view import DomainView, MachineView, NetworkView
from drover.state.clusternode import Node
from drover.state.resource import Meta
from drover.state.service import FAMILIES, Service

LOCAL = frozenset({"NAT", "Isolated"})
"""Types of networks whose guests are reached from their own node at most."""
OF_MACHINES = "drover.dev/"
LABEL_SERVICE = "kubernetes.io/service-name"
LABEL_KEEPER = "endpointslice.kubernetes.io/managed-by"
KEEPER = "drover.dev"
SLICE = 100
"""Endpoints a slice."""


def selects(service: Service, machine: Meta) -> bool:
    """Tell whether a Service means a machine."""
    labels = dict(machine.labels)
    return bool(service.selector) and all(labels.get(name) == value for name, value in service.selector)


def finding(services: Iterable[Service], machine: MachineView, networks: Iterable[NetworkView]) -> Finding | None:
    """Find out whether the Services that mean a machine lead to it; None when none means it.

    `networks` are those on which its interfaces have addresses.
    """
    mine = sorted((each for each in services if selects(each, machine.meta)), key=lambda each: each.meta.key.name)
    if not mine:
        return None
    plain = next((each.meta.key.name for each in mine if not _of_machines(each)), None)
    if plain:
        words = f"Service {plain} selects by labels that anchors carry too; add a label such as drover.dev/app"
        return Finding("Endpoints", "False", "SelectsAnchors", words)
    found = list(networks)
    wide = [each for each in found if each.spec.type not in LOCAL]
    if found and not wide:
        words = ", ".join(f"{each.meta.key.name} is of type {each.spec.type}" for each in found)
        return Finding(
            "Endpoints", "False", "NodeLocalNetwork", f"{words}: its guests are reached from their node only"
        )
    known = {_kind(subnet.cidr) for each in wide for subnet in each.spec.subnets or ()}
    for service in mine:
        if not known.intersection(service.families):
            words = (
                f"Service {service.meta.key.name} leads to {' and '.join(service.families)}, of which it has no address"
            )
            return Finding("Endpoints", "False", "NoAddress", f"{words} that other nodes reach")
    return Finding("Endpoints", "True", "Published", f"by Service {', '.join(each.meta.key.name for each in mine)}")


def endures(machine: MachineView, domain: DomainView | None, node: Node | None) -> bool:
    """Tell whether a guest of which nothing is heard counts as ready: it was, and Kubernetes holds its node for up.

    An agent that is being replaced is no reason to send nobody to guests that run on.
    """
    now = find(machine.status.conditions, "GuestReady")
    told = find(domain.status.conditions, "GuestReady") if domain else None
    silent = now is not None and now.status == "Unknown"
    return silent and node is not None and node.ready and told is not None and told.status == "True"


def slices(
    service: Service,
    machines: Iterable[MachineView],
    networks: Mapping[str, NetworkView],
    enduring: frozenset[str] = frozenset(),
) -> list[Mapping[str, Any]]:
    """Build the slices of a Service: one for each hundred machines and family; `enduring` are uids, see `endures`.

    Machines have their specs laid over their plugins'.
    """
    meant = [each for each in machines if _of_machines(service) and selects(service, each.meta)]
    meant.sort(key=lambda each: each.meta.key.name)
    built: list[Mapping[str, Any]] = []
    for family in (each for each in FAMILIES if each in service.families):
        found = ((each, _address(each, networks, family)) for each in meant)
        endpoints = [_endpoint(each, address, enduring=each.meta.uid in enduring) for each, address in found if address]
        parts = [endpoints[first : first + SLICE] for first in range(0, len(endpoints), SLICE)]
        built += [_slice(service, family, number, part) for number, part in enumerate(parts)]
    return built


def _of_machines(service: Service) -> bool:
    return any(name.startswith(OF_MACHINES) for name, _ in service.selector)


def _kind(address: str) -> str:
    return FAMILIES[0] if family_of(address) == 4 else FAMILIES[1]


def _address(machine: MachineView, networks: Mapping[str, NetworkView], family: str) -> str:
    """Find the address of the first interface that other nodes reach and that has one; empty without one."""
    resolved = machine.status.resolved
    names = (resolved.networks if resolved else None) or {}
    addresses = {each.interface: each for each in machine.status.addresses or ()}
    for interface in interfaces(machine.spec):
        network, found = networks.get(names.get(interface.name, "")), addresses.get(interface.name)
        address = (found.ip if family == FAMILIES[0] else found.ipv6) if found else None
        if address and network and network.spec.type not in LOCAL and _is_of(address, network):
            return address
    return ""


def _is_of(address: str, network: NetworkView) -> bool:
    """Tell whether an address is of a network: until a restart it may still be of the one before."""
    return any(ip_address(address) in ip_network(subnet.cidr) for subnet in network.spec.subnets or ())


def _endpoint(machine: MachineView, address: str, *, enduring: bool) -> Mapping[str, Any]:
    served = find(machine.status.conditions, "GuestReady")
    serving = enduring or (served is not None and served.status == "True")
    going = bool(machine.meta.deleting)
    on = enduring or machine.status.phase == "Running"
    key = machine.meta.key
    target = {"kind": "VirtualMachine", "namespace": key.namespace, "name": key.name, "uid": machine.meta.uid}
    return {
        "addresses": [address],
        "conditions": {
            "ready": serving and on and not going,
            "serving": serving and (on or going),
            "terminating": going,
        },
        **({"nodeName": machine.status.node_name} if machine.status.node_name else {}),
        "targetRef": target,
    }


def _slice(service: Service, family: str, number: int, endpoints: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    key = service.meta.key
    owner = {"apiVersion": "v1", "kind": "Service", "name": key.name, "uid": service.meta.uid}
    ports = [
        {"name": port.name, "protocol": port.protocol, "port": port.target} for port in service.ports if port.target
    ]
    return {
        "metadata": {
            "name": f"{key.name}.{KEEPER}.{family.lower()}.{number}",
            "namespace": key.namespace,
            "labels": {LABEL_SERVICE: key.name, LABEL_KEEPER: KEEPER},
            "ownerReferences": [owner],
        },
        "addressType": family,
        "ports": ports,
        "endpoints": endpoints,
    }
