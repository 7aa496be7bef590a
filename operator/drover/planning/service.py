"""Services that select machines: the slices of endpoints that lead to them, and what is said where none can.

A machine's anchor carries its labels, so a plain selector would also lead to the anchor, where nobody listens. Labels
in `drover.dev/` are the machine's alone: a Service for machines selects by at least one of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from drover.planning.conditions import Finding, find
from drover.planning.view import MachineView, NetworkView
from drover.state.resource import Meta
from drover.state.service import Service

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


def finding(services: Iterable[Service], machine: MachineView, network: NetworkView | None) -> Finding | None:
    """Find out whether the Services that mean a machine lead to it; None when none means it."""
    mine = sorted(each.meta.key.name for each in services if selects(each, machine.meta))
    plain = sorted(each.meta.key.name for each in services if selects(each, machine.meta) and not _of_machines(each))
    if not mine:
        return None
    if plain:
        words = f"Service {plain[0]} selects by labels that anchors carry too; add a label such as drover.dev/app"
        return Finding("Endpoints", "False", "SelectsAnchors", words)
    if network is not None and network.spec.type in LOCAL:
        words = (
            f"{network.meta.key.name} is of type {network.spec.type}: its guests are reached from their own node only"
        )
        return Finding("Endpoints", "False", "NodeLocalNetwork", words)
    return Finding("Endpoints", "True", "Published", f"by Service {', '.join(mine)}")


def slices(
    service: Service, machines: Iterable[MachineView], networks: Mapping[str, NetworkView]
) -> list[Mapping[str, Any]]:
    """Build the slices of a Service: one for each hundred machines and family."""
    meant = [each for each in machines if _of_machines(service) and selects(service, each.meta)]
    meant.sort(key=lambda each: each.meta.key.name)
    built: list[Mapping[str, Any]] = []
    for family in ("ip", "ipv6"):
        endpoints = [found for each in meant for found in _endpoint(each, networks, family)]
        parts = [endpoints[first : first + SLICE] for first in range(0, len(endpoints), SLICE)]
        built += [_slice(service, family, number, part) for number, part in enumerate(parts)]
    return built


def _of_machines(service: Service) -> bool:
    return any(name.startswith(OF_MACHINES) for name, _ in service.selector)


def _endpoint(machine: MachineView, networks: Mapping[str, NetworkView], family: str) -> Iterator[Mapping[str, Any]]:
    """Lead to the first interface, the one that probes go to."""
    first = next(iter(machine.status.addresses or ()), None)
    address = getattr(first, family, None)
    resolved = machine.status.resolved
    known = (resolved.networks if resolved else None) or {}
    network = networks.get(known.get(first.interface, "")) if first else None
    if not address or network is None or network.spec.type in LOCAL or machine.meta.deleting:
        return
    served = find(machine.status.conditions, "GuestReady")
    ready = machine.status.phase == "Running" and served is not None and served.status == "True"
    key = machine.meta.key
    target = {"kind": "VirtualMachine", "namespace": key.namespace, "name": key.name, "uid": machine.meta.uid}
    yield {
        "addresses": [address],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        **({"nodeName": machine.status.node_name} if machine.status.node_name else {}),
        "targetRef": target,
    }


def _slice(service: Service, family: str, number: int, endpoints: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    key = service.meta.key
    owner = {"apiVersion": "v1", "kind": "Service", "name": key.name, "uid": service.meta.uid}
    ports = [
        {"name": port.name, "protocol": port.protocol, "port": port.target} for port in service.ports if port.target
    ]
    kind = "IPv4" if family == "ip" else "IPv6"
    return {
        "metadata": {
            "name": f"{key.name}.{KEEPER}.{kind.lower()}.{number}",
            "namespace": key.namespace,
            "labels": {LABEL_SERVICE: key.name, LABEL_KEEPER: KEEPER},
            "ownerReferences": [owner],
        },
        "addressType": kind,
        "ports": ports,
        "endpoints": endpoints,
    }
