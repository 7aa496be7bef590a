"""A libvirtd of our own, with stand-ins for LVM's programs; prints what came of our verbs as JSON."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.apart import refusal
from tests.system.lvm.program import LEFT, remove

import libvirt
from drover.hypervisor.host import Host, HostOptions
from drover.state.host import Group

MIB = 1 << 20
PROGRAMS = ("lvs", "vgs", "pvs", "vgchange", "lvcreate", "lvchange", "lvremove")
EMPTY = ("/run/libvirt", "/var/lib/libvirt", "/etc/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/dev/shm")
URI = "qemu:///system"


def prepare(folder: Path) -> None:
    """Hide this machine's libvirt from ours, and put the stand-ins before the programs of LVM."""
    run("mount", "--make-rprivate", "/")
    for path in (*EMPTY, str(folder)):
        run("mount", "-t", "tmpfs", "none", path)
    for name in ("lvm", "upper", "work", "state", "files"):
        (folder / name).mkdir()
    for name in PROGRAMS:
        shutil.copy(Path(__file__).with_name("program.py"), folder / "upper" / name)
        (folder / "upper" / name).chmod(0o755)
    layers = f"lowerdir=/usr/sbin,upperdir={folder / 'upper'},workdir={folder / 'work'}"
    run("mount", "-t", "overlay", "none", "-o", layers, "/usr/sbin")
    Path("/run/libvirt/common").mkdir()
    Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')


@contextmanager
def daemon() -> Iterator[None]:
    """Run libvirtd."""
    with subprocess.Popen(["libvirtd"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield
        finally:
            child.terminate()


async def scenario(folder: Path) -> dict[str, object]:
    """Make, copy, wipe and delete volumes of a group."""
    image = folder / "image"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "4M")
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 0x41 0 1M", str(image))
    async with Host(HostOptions(URI, folder / "state", boot_id="boot", starts=1)) as host:
        await asyncio.wait_for(host.wait_connected(), 30)
        first = await host.ensure_pool("group", "/dev/shm", Group("shm"))
        found: dict[str, object] = {"capacity": first.capacity_bytes}
        found["image"] = content((await host.create_whole_volume("group", "image", 8 * MIB, image)).path)
        found["blank"] = content((await host.create_whole_volume("group", "blank", 8 * MIB, None)).path)
        found["copy"] = content((await host.copy_volume("group", "copy", 12 * MIB, ("group", "image"))).path)
        await host.wipe_volume("group", "copy")
        found["wiped"] = content("/dev/shm/drover-copy")
        await host.delete_volume("group", "copy")
        await host.ensure_pool("files", str(folder / "files"))
        await host.copy_volume("files", "file", MIB, ("group", "image"))
        found["back"] = content((await host.copy_volume("group", "back", MIB, ("files", "file"))).path)
        found["full"] = await refusal(host.create_volume("group", "big", 100 * MIB))
        found["volumes"] = await host.volumes("group")
        for uid in ("image", "blank", "back"):
            await host.delete_volume("group", uid)
        await host.remove_pool("group")
        return found | {"left": devices(), "active": is_active()}


def content(device: str) -> dict[str, object]:
    """What is in a device."""
    data = Path(device).read_bytes()
    return {"size": len(data), "begins": data[:2].decode(), "data": len(data.strip(b"\0")), "left": LEFT in data}


def devices() -> list[str]:
    """Names of the logical volumes that there are."""
    return [path.name for path in Path("/dev/shm").iterdir()]


def is_active() -> bool:
    """Whether libvirt still has the group's pool."""
    return bool(libvirt.open(URI).storagePoolLookupByName("drover-group").isActive())


def run(*words: str) -> None:
    """Run a program that must not fail."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=60)


def main(folder: Path) -> None:
    """Do it all, and let no loop device be left."""
    prepare(folder)
    try:
        with daemon():
            sys.stdout.write(json.dumps(asyncio.run(scenario(folder))))
    finally:
        for path in (folder / "lvm").iterdir():
            remove(path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
