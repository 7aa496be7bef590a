"""A libvirtd and a Ceph cluster of our own, on no network; prints what came of our verbs as JSON."""

import asyncio
import base64
import json
import sys
from pathlib import Path

from tests.system.apart import refusal
from tests.system.lvm.inside import EMPTY, MIB, URI, content, daemon, run
from tests.system.services.ceph import POOL, PORT, USER, Cluster, cluster

from drover.api.cloudinit import SecretKey
from drover.hypervisor.host import Host, HostOptions
from drover.planning import cephkey
from drover.state.host import Ceph
from drover.translation import ceph

ADDRESS = "127.0.0.1"
HERE = Ceph((ADDRESS,), PORT, POOL, USER, "drover-vms")
WHERE = SecretKey(name="ceph", key="key")


def prepare(folder: Path) -> None:
    """Hide this machine's libvirt from ours."""
    run("mount", "--make-rprivate", "/")
    for path in (*(path for path in EMPTY if path != "/dev/shm"), str(folder)):
        run("mount", "-t", "tmpfs", "none", path)
    run("ip", "link", "set", "lo", "up")
    (folder / "ceph").mkdir()
    Path("/run/libvirt/common").mkdir()
    Path("/etc/libvirt/libvirtd.conf").write_text('auth_unix_rw = "none"\n')


async def scenario(folder: Path, made: Cluster) -> dict[str, object]:
    """Make, copy, grow, wipe and delete volumes of a pool, with snapshots of somebody else's in the way."""
    image = folder / "image"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "4M")
    run("qemu-io", "-f", "qcow2", "-c", "write -q -P 0x41 0 1M", str(image))
    async with Host(HostOptions(URI, folder / "state", boot_id="boot", starts=1)) as host:
        await asyncio.wait_for(host.wait_connected(), 30)
        found: dict[str, object] = {"keyless": await refusal(host.ensure_pool("vms", ceph.address(HERE), HERE))}
        host.keyring.put("vms", cephkey.read(base64.b64decode(made.key), WHERE))
        await host.keyring.lend("vms")
        found["capacity"] = (await host.ensure_pool("vms", ceph.address(HERE), HERE)).capacity_bytes
        found |= await volumes(host, folder, made, image)
        made.ask("rbd", "snap", "create", "--no-progress", f"{POOL}/drover-back@theirs")
        found["held"] = await refusal(host.delete_volume("vms", "back"))
        made.ask("rbd", "snap", "rm", "--no-progress", f"{POOL}/drover-back@theirs")
        for uid in ("image", "blank", "back"):
            await host.delete_volume("vms", uid)
        return found | {"left": made.images}


async def volumes(host: Host, folder: Path, made: Cluster, image: Path) -> dict[str, object]:
    """What is in volumes that are made, copied, grown and wiped."""

    def data(uid: str) -> dict[str, object]:
        path = folder / f"{uid}.exported"
        path.unlink(missing_ok=True)
        made.ask("rbd", "export", "--no-progress", f"{POOL}/drover-{uid}", str(path))
        return content(str(path))

    await host.create_whole_volume("vms", "image", 8 * MIB, image)
    await host.create_whole_volume("vms", "blank", 8 * MIB, None)
    await host.copy_volume("vms", "copy", 12 * MIB, ("vms", "image"))
    found: dict[str, object] = {uid: data(uid) for uid in ("image", "blank", "copy")}
    await host.wipe_volume("vms", "copy")
    found["wiped"] = data("copy")
    await host.delete_volume("vms", "copy")
    await host.ensure_pool("files", str(folder / "files"))
    await host.copy_volume("files", "file", MIB, ("vms", "image"))
    await host.copy_volume("vms", "back", MIB, ("files", "file"))
    await host.grow_volume("vms", "back", 16 * MIB)
    return found | {"back": data("back"), "volumes": await host.volumes("vms")}


def main(folder: Path) -> None:
    """Do it all."""
    prepare(folder)
    with daemon(), cluster(ADDRESS, folder / "ceph") as made:
        sys.stdout.write(json.dumps(asyncio.run(scenario(folder, made))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
