"""Services and the slices of their endpoints, as far as machines are concerned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drover.state.resource import Body, Meta, pack, read_meta

FAMILIES = ("IPv4", "IPv6")
"""As Kubernetes names them."""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service and where it leads."""

    name: str
    protocol: str
    target: int | None
    """Number of the port of whoever serves; None when it has only a name, which means nothing to a machine."""


@dataclass(frozen=True, slots=True)
class Service:
    """Whom a Service selects, and its ports."""

    meta: Meta
    selector: tuple[tuple[str, str], ...]
    ports: tuple[ServicePort, ...]
    families: tuple[str, ...] = FAMILIES
    """Families of the addresses that it leads to."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of endpoints that we made."""

    meta: Meta
    content: bytes
    """Its ports and endpoints, packed."""


def read_service(body: Body) -> Service:
    """Read a Service."""
    spec: Mapping[str, Any] = body.get("spec") or {}
    selector = spec.get("selector") or {}
    ports = tuple(map(_port, spec.get("ports") or ()))
    return Service(read_meta(body), tuple(sorted(selector.items())), ports, tuple(spec.get("ipFamilies") or FAMILIES))


def _port(port: Mapping[str, Any]) -> ServicePort:
    target = port.get("targetPort", port.get("port"))
    return ServicePort(port.get("name") or "", port.get("protocol", "TCP"), target if isinstance(target, int) else None)


def read_slice(body: Body) -> Slice:
    """Read an EndpointSlice."""
    return Slice(read_meta(body), pack({"ports": body.get("ports"), "endpoints": body.get("endpoints")}))
