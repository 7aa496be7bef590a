"""A libvirtd of our own, with stand-ins for the programs of ZFS; prints what came of our verbs as JSON."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

from tests.system.apart import refusal
from tests.system.lvm.inside import EMPTY, MIB, URI, content, daemon, run
from tests.system.zfs.program import DEVICES, remove

from drover.hypervisor.host import Host, HostOptions
from drover.state.host import Dataset

NODES = ("null", "zero", "full", "random", "urandom", "tty", "loop-control")
LOOPS = 64
TANK = Dataset("tank")


def prepare(folder: Path) -> None:
    """Hide this machine's libvirt and devices from ours, and put the stand-ins where it looks for programs."""
    run("mount", "--make-rprivate", "/")
    for path in (*(path for path in EMPTY if path != "/dev/shm"), str(folder)):
        run("mount", "-t", "tmpfs", "none", path)
    for name in ("zfs", "bin", "dev", "files"):
        (folder / name).mkdir()
    for name in ("zfs", "zpool"):
        shutil.copy(Path(__file__).with_name("program.py"), folder / "bin" / name)
        (folder / "bin" / name).chmod(0o755)
    devices(folder / "dev")
    Path("/run/libvirt/common").mkdir()
    Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')
    os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"


def devices(folder: Path) -> None:
    """Have devices of our own, in which a folder of zvols can be."""
    run("mount", "-t", "tmpfs", "none", str(folder))
    for name in NODES:
        run("cp", "--archive", f"/dev/{name}", str(folder))
    for number in range(LOOPS):
        run("mknod", str(folder / f"loop{number}"), "b", "7", str(number))
    for name in ("shm", "pts", "zvol"):
        (folder / name).mkdir()
    run("mount", "--move", str(folder), "/dev")


async def scenario(folder: Path) -> dict[str, object]:
    """Make, copy, wipe and delete volumes of a pool that comes and goes."""
    there, image = folder / "zfs.there", folder / "image"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "4M")
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 0x41 0 1M", str(image))
    async with Host(HostOptions(URI, folder / "state", boot_id="boot", starts=1)) as host:
        await asyncio.wait_for(host.wait_connected(), 30)
        found: dict[str, object] = {"absent": await refusal(host.ensure_pool("tank", str(DEVICES), TANK))}
        there.touch()
        found["capacity"] = (await host.ensure_pool("tank", str(DEVICES), TANK)).capacity_bytes
        found |= await volumes(host, image, folder / "files")
        there.unlink()
        found["gone"] = [await refusal(verb) for verb in (host.volumes("tank"), host.delete_volume("tank", "blank"))]
        there.touch()
        found["volumes"] = await host.volumes("tank")
        for uid in ("image", "blank", "back"):
            await host.delete_volume("tank", uid)
        await host.remove_pool("tank")
        return found | {"left": [path.name for path in DEVICES.iterdir()]}


async def volumes(host: Host, image: Path, files: Path) -> dict[str, object]:
    """What is in volumes that are made, copied and wiped."""
    found: dict[str, object] = {}
    found["image"] = content((await host.create_whole_volume("tank", "image", 8 * MIB, image)).path)
    blank = await host.create_whole_volume("tank", "blank", 8 * MIB, None)
    found["copy"] = content((await host.copy_volume("tank", "copy", 12 * MIB, ("tank", "image"))).path)
    found["blank"] = content(blank.path)
    await host.wipe_volume("tank", "copy")
    found["wiped"] = content(str(DEVICES / "drover-copy"))
    await host.delete_volume("tank", "copy")
    await host.ensure_pool("files", str(files))
    await host.copy_volume("files", "file", MIB, ("tank", "image"))
    found["back"] = content((await host.copy_volume("tank", "back", MIB, ("files", "file"))).path)
    return found | {"full": await refusal(host.create_volume("tank", "big", 100 * MIB))}


def main(folder: Path) -> None:
    """Do it all, and let no loop device be left."""
    prepare(folder)
    try:
        with daemon():
            sys.stdout.write(json.dumps(asyncio.run(scenario(folder))))
    finally:
        for path in (folder / "zfs").iterdir():
            remove(path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
