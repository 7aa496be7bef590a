"""Devices of nodes, as far as a machine without an IOMMU goes: nothing is given away, and everybody is told why."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.world import Tenant, World, eventually, told

RESOURCE = "nvidia.com/GA102"
DEVICES = Path("/sys/bus/pci/devices")


NOBODYS = {"vendor": "ffff", "product": "ffff"}


def _model() -> dict[str, str]:
    """Find a device of this machine that could be offered if it had an IOMMU; on other machines, what nobody has."""
    for path in sorted(DEVICES.glob("*")):
        found = [(path / name).read_text().strip().removeprefix("0x") for name in ("vendor", "device", "class")]
        if not found[2].startswith("06") and not (path / "iommu_group").exists():
            return dict(zip(("vendor", "product"), found, strict=False))
    return NOBODYS


MODEL = _model()
TOLD, REFUSAL = (
    (("", ""), ("DeviceUnavailable", f"no {RESOURCE} is offered here"))
    if MODEL == NOBODYS
    else (("Unusable", "NoIOMMU"), ("Unsupported", "this node has no IOMMU"))
)
"""What a node tells of the device, and why it starts no guest that asks for it."""


@pytest.fixture
def offering(world: World) -> Iterator[World]:
    """The sandbox, with a device of this machine offered on its nodes, which all show the same ones."""
    words = ("up", "--kubelet", "Kwok", "--nodes", "2", "--no-quickstart")
    world.sandbox(*words, *told(f"DROVER_HOST_DEVICES={json.dumps([{'resource': RESOURCE, 'selector': MODEL}])}"))
    yield world
    _count(world, None)
    world.sandbox(*words, *told())


def _count(world: World, count: str | None) -> None:
    """Say by hand how many devices the first node has."""
    status = {part: {RESOURCE: count} for part in ("capacity", "allocatable")}
    world.kubectl("patch", "node", "n1", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def _says(world: World) -> tuple[str, str]:
    """What the first node tells of its devices: states, and reason of the condition."""
    status = (world.get("hypervisor", "n1") or {}).get("status", {})
    reasons = [each["reason"] for each in status.get("conditions", []) if each["type"] == "DevicesUsable"]
    return " ".join({each["state"] for each in status.get("devices", [])}), " ".join(reasons)


@pytest.mark.long
def test_without_an_iommu_no_device_is_given_away_and_everybody_is_told(offering: World, tenant: Tenant) -> None:
    eventually("the node to tell", lambda: _says(offering) == TOLD)
    tenant.example("devices")
    machine = tenant.machine("rendering")
    eventually("Unschedulable", lambda: f"Insufficient {RESOURCE}" in machine.condition("Scheduled").get("message", ""))

    # Somebody counts what is not there: the node itself still refuses.
    _count(offering, "1")
    eventually("the refusal", lambda: machine.condition("Running").get("reason") == REFUSAL[0])
    assert REFUSAL[1] in machine.condition("Running")["message"]
    tenant.kubectl("delete", "vm", "rendering")
