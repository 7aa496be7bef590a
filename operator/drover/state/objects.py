"""The kinds as caches hold them, by name, and how each is read from the API."""

from drover.api.address import NetworkAddressSpec, NetworkAddressStatus
from drover.api.domain import DomainSpec, DomainStatus
from drover.api.hypervisor import HypervisorSpec, HypervisorStatus
from drover.api.image import VirtualMachineImageSpec, VirtualMachineImageStatus
from drover.api.network import VirtualNetworkSpec, VirtualNetworkStatus
from drover.api.plugin import PluginSpec, PluginStatus
from drover.api.pool import StoragePoolSpec, StoragePoolStatus
from drover.api.securitygroup import SecurityGroupSpec, SecurityGroupStatus
from drover.api.virtualmachine import VirtualMachineSpec, VirtualMachineStatus
from drover.api.volume import StorageVolumeSpec, StorageVolumeStatus
from drover.state.resource import Body, Resource, read_resource

Machine = Resource[VirtualMachineSpec, VirtualMachineStatus]
Domain = Resource[DomainSpec, DomainStatus]
Plugin = Resource[PluginSpec, PluginStatus]
Image = Resource[VirtualMachineImageSpec, VirtualMachineImageStatus]
Volume = Resource[StorageVolumeSpec, StorageVolumeStatus]
Pool = Resource[StoragePoolSpec, StoragePoolStatus]
Network = Resource[VirtualNetworkSpec, VirtualNetworkStatus]
Address = Resource[NetworkAddressSpec, NetworkAddressStatus]
SecurityGroup = Resource[SecurityGroupSpec, SecurityGroupStatus]
Hypervisor = Resource[HypervisorSpec, HypervisorStatus]


def read_machine(body: Body) -> Machine:
    """Read a VirtualMachine."""
    return read_resource(body, VirtualMachineSpec, VirtualMachineStatus)


def read_domain(body: Body) -> Domain:
    """Read a Domain."""
    return read_resource(body, DomainSpec, DomainStatus)


def read_plugin(body: Body) -> Plugin:
    """Read a Plugin."""
    return read_resource(body, PluginSpec, PluginStatus)


def read_image(body: Body) -> Image:
    """Read a VirtualMachineImage."""
    return read_resource(body, VirtualMachineImageSpec, VirtualMachineImageStatus)


def read_volume(body: Body) -> Volume:
    """Read a StorageVolume."""
    return read_resource(body, StorageVolumeSpec, StorageVolumeStatus)


def read_pool(body: Body) -> Pool:
    """Read a StoragePool."""
    return read_resource(body, StoragePoolSpec, StoragePoolStatus)


def read_network(body: Body) -> Network:
    """Read a VirtualNetwork."""
    return read_resource(body, VirtualNetworkSpec, VirtualNetworkStatus)


def read_address(body: Body) -> Address:
    """Read a NetworkAddress."""
    return read_resource(body, NetworkAddressSpec, NetworkAddressStatus)


def read_securitygroup(body: Body) -> SecurityGroup:
    """Read a SecurityGroup."""
    return read_resource(body, SecurityGroupSpec, SecurityGroupStatus)


def read_hypervisor(body: Body) -> Hypervisor:
    """Read a Hypervisor."""
    return read_resource(body, HypervisorSpec, HypervisorStatus)
