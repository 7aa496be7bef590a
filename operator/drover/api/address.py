"""NetworkAddress: one allocation of a network; its name is the lock, so creating it is atomic."""

from typing import Annotated

from pydantic import ConfigDict, Field

from drover.api.base import HardwareAddress, Label, Model, ShortName, rule, rules, same


class AddressOwner(Model):
    """The machine an address belongs to."""

    namespace: Label
    """Its namespace."""
    name: Label
    """Its name."""
    uid: Annotated[str, Field(max_length=64)]
    """Its uid."""


_SAME = " && ".join(
    [
        *(f"self.{name} == oldSelf.{name}" for name in ("network", "macAddress", "interface")),
        same("address"),
        *(f"self.virtualMachine.{name} == oldSelf.virtualMachine.{name}" for name in ("__namespace__", "name")),
    ]
)


class NetworkAddressSpec(Model):
    """One allocation: the object's name is the lock, so it never changes; only a machine applied anew inherits it."""

    model_config = ConfigDict(
        json_schema_extra=rules(rule(_SAME, "an allocation is immutable but for the uid of a machine that inherits it"))
    )

    network: ShortName
    """VirtualNetwork it belongs to."""
    address: Annotated[str, Field(max_length=39)] | None = None
    """The address; absent when only a hardware address is reserved."""
    mac_address: HardwareAddress
    """Hardware address of the interface."""
    virtual_machine: AddressOwner
    """Whose it is, for the machine's life."""
    interface: ShortName
    """Name of the machine's interface."""


class NetworkAddressStatus(Model):
    """Nothing is observed of an allocation: it exists or it does not."""
