"""The guest image ``tiny``: Debian's cloud kernel and an initramfs of busybox and a few scripts, made on the spot.

It boots within 3 s without hardware virtualisation, counts its boots on its first disk, answers HTTP on port 80, has a
login on the serial line (root, no password) and obeys ACPI. From a NoCloud seed it takes its host name and static
addresses, runs user data that is a script, and runs the workload of a plugin. The HTTP server knows ``/`` (``hello
from <host name>``), ``/hostname``, ``/boots``, ``/uptime``, ``/seed/<file>`` and the commands that
``data/guest-cgi.sh`` lists, below ``/cgi-bin/``.
"""

import asyncio
import io
import lzma
import shutil
from collections.abc import Iterator
from pathlib import Path

import pycdlib

from drover.errors import Unavailable, Unsupported
from drover.sandbox import cache, cpio
from drover.sandbox.command import run
from drover.sandbox.cpio import Entry
from drover.sandbox.layout import DATA, Layout

KERNEL_PACKAGE = "linux-image-cloud-amd64"
NAME = "tiny"
FILES = ("vmlinuz", "initrd.img", "disc.iso")
DISC = {"hello.txt": b"hello from a disc\n"}
"""What is on the disc that machines may have in a drive."""
ARGUMENTS = "console=ttyS0 quiet no_timer_check panic=1 cryptomgr.notests"
"""One boot in fifty fails the check of the timer under load; tests of the kernel's ciphers take a seventh of a boot."""
# In the order in which they must be loaded.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
    "failover", "net_failover", "virtio_net", "virtio_blk", "virtio_balloon", "virtio_console",
    "button", "evdev", "virtio-rng", "pvpanic", "pvpanic-mmio", "pvpanic-pci",
    "scsi_common", "scsi_mod", "sd_mod", "cdrom", "sr_mod", "isofs", "virtio_scsi", "efivarfs",
)  # fmt: skip
APPLETS = (
    "acpid", "arping", "awk", "blockdev", "cat", "dd", "devmem", "echo", "getty", "grep", "head", "hostname", "httpd",
    "insmod", "ip", "kill", "login", "ls", "mkdir", "mke2fs", "mount", "nc", "nslookup", "pidof", "ping", "poweroff",
    "printf", "ps", "reboot", "rm", "sed", "setsid", "sh", "sleep", "stty", "sync", "tail", "tr", "udhcpc", "umount",
    "wc",
)  # fmt: skip
COMMANDS = (
    "address", "deaf", "disc", "disks", "fill", "index.cgi", "lookup", "online", "panic", "pci", "ping", "pose",
    "posed", "poweroff", "reach", "read", "reboot", "show", "starve", "uptime", "write",
)  # fmt: skip
DIRECTORIES = (
    "bin", "dev", "disc", "disk", "etc", "etc/acpi", "etc/acpi/PWRF", "lib", "lib/modules", "proc", "root", "run",
    "sys", "tmp", "seed", "www", "www/cgi-bin", "www/uptime",
)  # fmt: skip
SCRIPTS = {
    "init": "guest-init.sh",
    "etc/dhcp": "guest-dhcp.sh",
    "etc/disk": "guest-disk.sh",
    "etc/down": "guest-down.sh",
    "etc/seed": "guest-seed.sh",
}
POWER_BUTTON = "etc/acpi/PWRF/00000080"


async def provide(layout: Layout) -> None:
    """Put the image into the directory that the image server serves, making it if need be."""
    made = await cache.built(cache.root() / "guest" / key(), build)
    target = layout.images / NAME
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        _link(target / name, made / name)


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() or link.readlink() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def key() -> str:
    """Return the name of the image in the cache: it changes with everything that we put into it."""
    recipe = repr((MODULES, APPLETS, COMMANDS, DIRECTORIES, SCRIPTS, DISC)).encode()
    return cache.digest(recipe, cache.contents(sorted(DATA.glob("guest-*.sh"))))


async def build(target: Path) -> None:
    """Make kernel and initramfs in a directory."""
    busybox = find_busybox()
    package = target / "package"
    package.mkdir()
    await run("dpkg-deb", "--extract", await download_kernel(package), package / "root")
    kernel = next((package / "root" / "boot").glob("vmlinuz-*"))
    shutil.copyfile(kernel, target / "vmlinuz")
    modules = await asyncio.to_thread(read_modules, package / "root")
    (target / "initrd.img").write_bytes(cpio.archive(initramfs(busybox.read_bytes(), modules)))
    shutil.rmtree(package)
    (target / "disc.iso").write_bytes(disc())


def disc() -> bytes:
    """Make an ISO 9660 image of what is on the disc."""
    image, made = pycdlib.PyCdlib(), io.BytesIO()
    image.new(rock_ridge="1.09", vol_ident="DISC")
    for number, (name, data) in enumerate(DISC.items()):
        image.add_fp(io.BytesIO(data), len(data), f"/FILE{number}.;1", rr_name=name)
    image.write_fp(made)
    image.close()
    return made.getvalue()


def find_busybox() -> Path:
    """Return the statically linked busybox of this machine."""
    found = shutil.which("busybox")
    if found is None:
        raise Unsupported("the guest image needs busybox; install the package busybox-static")
    return Path(found)


async def download_kernel(directory: Path) -> Path:
    """Download the newest cloud kernel of this Debian release and return its package file."""
    depends = await run("apt-cache", "depends", "--important", KERNEL_PACKAGE)
    names = [words[1] for line in depends.splitlines() if (words := line.split()) and words[0] == "Depends:"]
    if not names:
        raise Unavailable(f"apt knows no package {KERNEL_PACKAGE}; run `apt-get update`")
    await run("apt-get", "download", names[0], directory=directory)
    return next(directory.glob("*.deb"))


def read_modules(root: Path) -> dict[str, bytes]:
    """Return the kernel modules that the guest loads, in order; those built into this kernel are left out."""
    found = {path.name.split(".")[0]: path for path in sorted(root.rglob("*.ko*"))}
    return {name: _module(found[name]) for name in MODULES if name in found}


def _module(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def initramfs(busybox: bytes, modules: dict[str, bytes]) -> Iterator[Entry]:
    """Yield the guest's root file system."""
    yield from map(cpio.directory, DIRECTORIES)
    yield cpio.file("bin/busybox", busybox, executable=True)
    for applet in APPLETS:
        yield cpio.link(f"bin/{applet}", "busybox")
    for name, content in modules.items():
        yield cpio.file(f"lib/modules/{name}.ko", content)
    yield cpio.file("lib/modules/order", "".join(f"{name}\n" for name in modules).encode())
    for path, source in SCRIPTS.items():
        yield cpio.file(path, (DATA / source).read_bytes(), executable=True)
    yield from _web()
    yield cpio.file("etc/passwd", b"root::0:0:root:/root:/bin/sh\n")
    yield cpio.file("etc/group", b"root:x:0:\n")
    yield cpio.file(POWER_BUTTON, b"#!/bin/sh\n/etc/down\npoweroff -f\n", executable=True)


def _web() -> Iterator[Entry]:
    yield cpio.file("www/index.html", b"hello from tiny\n")
    yield cpio.file("www/hostname", b"tiny\n")
    yield cpio.file("www/boots", b"0\n")
    yield cpio.link("www/seed", "/seed")
    yield cpio.file("www/cgi-bin/command", (DATA / "guest-cgi.sh").read_bytes(), executable=True)
    for command in COMMANDS:
        yield cpio.link(f"www/cgi-bin/{command}", "command")
