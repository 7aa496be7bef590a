"""Objects with their specs and statuses parsed: taken once for a decision, never kept in a cache."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar, cast

from drover.api.address import NetworkAddressSpec, NetworkAddressStatus
from drover.api.base import Model
from drover.api.domain import DomainSpec, DomainStatus
from drover.api.hypervisor import HypervisorSpec, HypervisorStatus
from drover.api.image import VirtualMachineImageSpec, VirtualMachineImageStatus
from drover.api.network import VirtualNetworkSpec, VirtualNetworkStatus
from drover.api.plugin import PluginSpec, PluginStatus
from drover.api.pool import StoragePoolSpec, StoragePoolStatus
from drover.api.securitygroup import SecurityGroupSpec, SecurityGroupStatus
from drover.api.virtualmachine import VirtualMachineSpec, VirtualMachineStatus
from drover.api.volume import StorageVolumeSpec, StorageVolumeStatus
from drover.state.resource import Meta, Resource

S = TypeVar("S", bound=Model)
T = TypeVar("T", bound=Model)


@dataclass(frozen=True, slots=True)
class View(Generic[S, T]):
    """One object, open to be read."""

    meta: Meta
    spec: S
    status: T


MachineView = View[VirtualMachineSpec, VirtualMachineStatus]
DomainView = View[DomainSpec, DomainStatus]
PluginView = View[PluginSpec, PluginStatus]
ImageView = View[VirtualMachineImageSpec, VirtualMachineImageStatus]
VolumeView = View[StorageVolumeSpec, StorageVolumeStatus]
PoolView = View[StoragePoolSpec, StoragePoolStatus]
NetworkView = View[VirtualNetworkSpec, VirtualNetworkStatus]
AddressView = View[NetworkAddressSpec, NetworkAddressStatus]
SecurityGroupView = View[SecurityGroupSpec, SecurityGroupStatus]
HypervisorView = View[HypervisorSpec, HypervisorStatus]


def view(resource: Resource[S, T]) -> View[S, T]:
    """Parse an object; what was parsed lately is not parsed again, be it for another machine that refers to it."""
    spec, status = resource.models
    return View(
        resource.meta,
        cast(S, _parsed(spec, resource.packed_spec)),
        cast(T, _parsed(status, resource.packed_status)),
    )


@lru_cache(maxsize=1024)
def _parsed(model: type[Model], packed: bytes) -> Model:
    return model.model_validate_json(packed)
