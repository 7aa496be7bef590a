"""Captured images that are sealed: what made the guest one of its kind is not in them, asked of a guest."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.mischief import served, whole
from tests.system.test_capture import ready
from tests.system.test_volumes import ON
from tests.system.world import BOOT, Machine, Tenant, World, eventually, make_object

FOLDER = "/usr/local/sbin"
"""Where a stand-in for the program is put, seen by one node alone."""
STAND_IN = """#!/bin/sh -e
for last; do :; done
qemu-img convert -f qcow2 -O raw -- "$last" "$TMPDIR/raw"
debugfs -w -R 'rm /etc/machine-id' "$TMPDIR/raw"
qemu-img convert -f raw -O qcow2 -- "$TMPDIR/raw" "$last"
"""
FILES = {
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/os-release": 'ID=debian\nVERSION_ID="12"\nNAME="Debian GNU/Linux"\n',
    "etc/debian_version": "12.0\n",
    "etc/fstab": "LABEL=root / ext4 defaults 0 1\n",
    "etc/hostname": "seedling\n",
    "bin/true": "",
}
"""As much of a distribution as it takes to be known for one."""


@pytest.fixture
def seedling(tmp_path: Path) -> bytes:
    """A disk with a distribution, whose machine-id the tiny guest takes for its own text."""
    root, disk = tmp_path / "root", tmp_path / "disk"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "text").symlink_to("etc/machine-id")
    words = (
        "mke2fs",
        "-q",
        "-F",
        "-t",
        "ext4",
        "-L",
        "root",
        "-E",
        "root_owner=0:0",
        "-d",
        str(root),
        str(disk),
        "16M",
    )
    subprocess.run(words, check=True)
    return disk.read_bytes()


@pytest.fixture
def bare(world: World) -> Iterator[str]:
    """A node with a folder for programs in which there is none yet."""
    world.node("n1", "mount", "-t", "tmpfs", "none", FOLDER)
    yield FOLDER
    world.node("n1", "umount", "-l", FOLDER)


@pytest.fixture
def origin(tenant: Tenant, world: World, seedling: bytes) -> Iterator[Machine]:
    """A machine with that disk, off, of which a sealed image is to be captured."""
    with served(world, seedling, whole) as server:
        source = {"type": "HTTP", "http": {"url": server.url}}
        tenant.apply(make_object("VirtualMachineImage", "seedling", {"type": "Disk", "source": source}))
        disks = [{"name": "root", "image": "seedling", "size": "64Mi"}]
        machine = tenant.start("origin", disks=disks, nodeSelector=ON["n1"])
        assert text(machine) == FILES["etc/machine-id"]
        machine.patch(powerState="Stopped")
        yield machine


def text(machine: Machine) -> str | None:
    """Ask the guest what its machine-id is."""
    return machine.ask("/cgi-bin/read?disk=vda")


def has_another_identity(tenant: Tenant, origin: Machine) -> None:
    """Ask a machine that starts from the image, and the one that it was captured from, which goes on as it was."""
    copy = tenant.machine("copy").ready(2 * BOOT)
    assert (copy.boots(), (text(copy) or "").strip()) == (2, "")
    origin.patch(powerState="Running")
    assert text(origin.ready()) == FILES["etc/machine-id"]


@pytest.mark.long
def test_an_image_waits_for_the_program_that_seals_it(bare: str, origin: Machine, tenant: Tenant, world: World) -> None:
    tenant.example("image-sealed")
    eventually("SealUnsupported", lambda: ready(tenant)["reason"] == "SealUnsupported", BOOT)
    assert "guestfs-tools" in ready(tenant)["message"]

    world.node("n1", "sh", "-c", 'printf %s "$1" >"$0" && chmod 755 "$0"', f"{bare}/virt-sysprep", STAND_IN)

    eventually("the capture", lambda: ready(tenant)["reason"] == "Held", BOOT)
    has_another_identity(tenant, origin)
