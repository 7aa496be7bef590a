"""A cloud image of Debian, made on the spot: one partition that fills its disk, cloud-init, no boot loader.

It is booted by its own kernel, which lies beside it. Made once a machine, in three quarters of a minute.
"""

import asyncio
import shutil
import struct
from pathlib import Path

from drover.sandbox import cache
from drover.sandbox.command import run

SUITE = "bookworm"
PACKAGES = (
    "systemd-sysv", "dbus", "udev", "linux-image-cloud-amd64", "cloud-init", "cloud-guest-utils", "openssh-server",
    "iproute2", "ifupdown", "isc-dhcp-client", "netbase", "ca-certificates", "sudo", "e2fsprogs", "fdisk",
    "busybox-static",
)  # fmt: skip
OPTIONS = (
    "--variant=minbase",
    '--aptopt=Acquire::Languages "none"',
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")),
    '--customize-hook=rm -f "$1"/var/cache/apt/archives/*.deb; echo debian >"$1"/etc/hostname',
    '--customize-hook=echo "LABEL=root / ext4 errors=remount-ro 0 1" >"$1"/etc/fstab',
    '--customize-hook=echo "datasource_list: [ NoCloud, None ]" >"$1"/etc/cloud/cloud.cfg.d/90.cfg',
)
FILES = ("disk.qcow2", "vmlinuz", "initrd.img")
ARGUMENTS = "root=LABEL=root ro console=ttyS0 net.ifnames=0 quiet no_timer_check panic=1"
SECTOR = 512
START = 2048
"""First sector of the partition."""
SECTORS = 1200 << 11
"""Size of the partition in sectors."""


def provide(folder: Path) -> None:
    """Put the image's files into a folder, making them if need be."""
    recipe = cache.digest(repr((SUITE, PACKAGES, OPTIONS, START, SECTORS)).encode())
    made = asyncio.run(cache.built(cache.root() / "debian" / recipe, build))
    folder.mkdir(exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(made / name)


async def build(target: Path) -> None:
    """Make the disk, kernel and initial RAM disk in a directory."""
    root, raw = target / "root", target / "disk.raw"
    await run("mmdebstrap", *OPTIONS, f"--include={','.join(PACKAGES)}", SUITE, root)
    for name, found in (("vmlinuz", "vmlinuz-*"), ("initrd.img", "initrd.img-*")):
        shutil.copyfile(next((root / "boot").glob(found)), target / name)
    raw.write_bytes(partition_table())
    offset = f"offset={START * SECTOR}"
    features = ("-O", "^64bit,^has_journal", "-L", "root", "-E", f"{offset},root_owner=0:0")
    await run("mke2fs", "-q", "-F", "-t", "ext4", *features, "-d", root, raw, f"{SECTORS // 2}k")
    await run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, target / "disk.qcow2")
    shutil.rmtree(root)
    raw.unlink()


def partition_table() -> bytes:
    """Write a master boot record with one Linux partition."""
    entry = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", START, SECTORS)
    return b"\0" * 440 + b"drov" + b"\0\0" + entry + b"\0" * 48 + b"\x55\xaa"
