"""Devices of a node that a guest is given whole: the words for them, as asked for and as they are there."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from drover.api.base import Model, Prose, ShortName, Word, rule, rules

RESOURCE = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
ADDRESS = r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}[.][0-7]$"
MOST = 8
"""Devices of one machine."""


def _named_resource() -> dict[str, JsonValue]:
    """CEL: a resource that may be counted beside those that Kubernetes itself knows."""
    sound = "!format.qualifiedName().validate(self).hasValue() && self.contains('/')"
    foreign = "!self.contains('kubernetes.io/') && !self.startsWith('requests.')"
    allowed = "'must be the name of an extended resource such as nvidia.com/GA102; not ' + self"
    return rules(rule(f"{sound} && {foreign}", allowed, dynamic=True))


ResourceName = Annotated[str, Field(max_length=128, pattern=RESOURCE, json_schema_extra=_named_resource())]
"""Name of a resource that nodes have some of, as Kubernetes counts it."""
DeviceAddress = Annotated[str, Field(max_length=16, pattern=ADDRESS)]
"""Where a device is on its node's PCI bus: domain, bus, slot and function."""


class Device(Model):
    """One device that the guest has for itself."""

    name: ShortName
    """Name of the device within the machine."""
    resource: ResourceName
    """What it is, by the name under which an administrator offers it, such as nvidia.com/GA102."""


class DeviceNode(Model):
    """A device of the node that an administrator offers, with all that shares its IOMMU group."""

    address: Word
    """Where it is on the node's PCI bus, such as 0000:01:00.0."""
    resource: Word
    """What it is offered as."""
    group: int | None = None
    """Its IOMMU group; absent where the node has no IOMMU."""
    members: Annotated[list[Word], Field(max_length=32)] = []
    """Addresses of all that a guest gets with it, itself among them."""
    state: Literal["Free", "InUse", "Unusable"]
    """Free; InUse: a machine has it; Unusable: no machine can have it."""
    in_use_by: Prose = ""
    """namespace/name of the machine that has it; empty while nobody does."""
    message: Prose = ""
    """Why no machine can have it, for people."""
