"""Network interfaces of a machine: what they are plugged into, and how."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from drover.api.base import HardwareAddress, IPv4, Label, Model, Quantity, ShortName, between, rule, rules

AddressMode = Literal["DHCP", "Static", "Unmanaged"]
InterfaceModel = Literal["VirtIO", "E1000E", "RTL8139"]
LinkState = Literal["Up", "Down"]


class InterfaceLimits(Model):
    """Bounds of an interface's traffic: what exceeds them is dropped by the node."""

    bytes_per_second: (
        Annotated[Quantity, Field(json_schema_extra=between("limits.bytesPerSecond", "8k", "100G"))] | None
    ) = None
    """Bytes a second, in each direction by itself, such as 10M; absent: without bound."""


SecurityGroups = Annotated[list[Label], Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"})]


class Interface(Model):
    """One network interface."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.address) || !has(self.addressMode) || self.addressMode != 'Unmanaged'",
                "'interface ' + self.name + ': address ' + self.address + ' is not reserved with addressMode Unmanaged'",
                dynamic=True,
                path=".address",
            )
        )
    )

    name: ShortName
    """Name of the interface within the machine, a DNS label of at most 20 characters."""
    network: ShortName | None = None
    """VirtualNetwork it is plugged into; default the one marked as default when the machine was made, where it stays with its address. A change applies at the next start."""
    address: IPv4 | None = None
    """IPv4 address to reserve, inside the network's subnet; default the lowest free one. Kept for the machine's life."""
    mac_address: HardwareAddress | None = None
    """Hardware address, lower case and locally administered (such as 02:00:00:00:00:01); default derived from the machine's uid. A change applies at the next start."""
    address_mode: AddressMode | None = None
    """How the guest learns its address: DHCP (default) from the gateway; Static: reserved all the same, and set by the guest itself; Unmanaged: none is reserved, and the guest may use any. A change applies at the next start."""
    model: InterfaceModel | None = None
    """Kind of network card: VirtIO (default), E1000E or RTL8139 for guests without VirtIO drivers. A change applies at the next start."""
    link: LinkState | None = None
    """Up (default) or Down: an unplugged cable. Live."""
    limits: InterfaceLimits | None = None
    """Bounds of its traffic. Live."""
    security_groups: SecurityGroups | None = None
    """SecurityGroups of this namespace. None: all may reach the machine; one or more: only what their rules allow. Live."""
