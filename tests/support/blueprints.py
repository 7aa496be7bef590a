"""Guests to render, each default the plainest."""

from pathlib import PurePosixPath
from typing import Any

from drover.api.domain import DomainDisk, DomainInterface, DomainMedium, DomainSpec, MachineRef
from drover.api.hardware import DiskHardware, Machine
from drover.state.guest import Blueprint, Files, Kernel, Record
from drover.state.host import HostFacts

UUID = "6d0e2f1c-4a8b-4a53-9c61-0d2f6c6f3a11"
KERNEL = Kernel(PurePosixPath("/images/kernel"), None, "")


def make_host(**facts: Any) -> HostFacts:
    """An x86 host that emulates."""
    plain: dict[str, Any] = {
        "architecture": "x86_64",
        "emulator": "/usr/bin/qemu-system-x86_64",
        "accelerator": "TCG",
        "accelerator_detail": "",
        "machine": "pc-q35-7.2",
        "cores": 2,
        "memory_bytes": 1 << 34,
        "libvirt_version": "9.0.0",
        "qemu_version": "7.2.22",
    }
    return HostFacts(**plain | facts)


def make_record(**facts: Any) -> Record:
    """The record of a machine that never ran."""
    plain: dict[str, Any] = {"namespace": "shop", "machine": "web", "uid": UUID, "domain": "web-1", "epoch": 1}
    return Record(**plain | facts)


def make_disk(name: str, **hardware: Any) -> DomainDisk:
    """A disk of the machine."""
    plugged = DiskHardware.model_validate(hardware)
    return DomainDisk(name=name, volume=f"web.{name}", volume_uid=f"uid-{name}", pool="default", hardware=plugged)


def make_interface(name: str, network: str = "default") -> DomainInterface:
    """An interface of the machine."""
    return DomainInterface(name=name, network=network, mac="02:00:00:00:00:01", ip="10.20.0.2")


def make_blueprint(
    *,
    uuid: str = UUID,
    host: HostFacts | None = None,
    kernel: Kernel | None = KERNEL,
    disks: tuple[str | DomainDisk, ...] = (),
    media: tuple[DomainMedium, ...] = (),
    interfaces: tuple[str, ...] = (),
    **machine: Any,
) -> Blueprint:
    """A guest with disks and interfaces of these names."""
    spec = DomainSpec(
        node_name="n1",
        virtual_machine=MachineRef(name="web", uid=uuid),
        uuid=uuid,
        epoch=1,
        power_state="Running",
        restart_policy="Always",
        termination_grace_period_seconds=60,
        machine=Machine(**{"cores": 1, "memory_bytes": 96 << 20} | machine),
        disks=[make_disk(each) if isinstance(each, str) else each for each in disks],
        media=list(media),
        interfaces=[make_interface(name) for name in interfaces],
    )
    paths = tuple(PurePosixPath(f"/pool/{disk.volume_uid}.qcow2") for disk in spec.disks)
    inside = tuple(PurePosixPath("/images/iso") if medium.image else None for medium in media)
    files = Files(paths, PurePosixPath(f"/logs/{uuid}.log"), inside, kernel)
    return Blueprint("shop", spec, files, host or make_host(), make_record(uid=uuid))
