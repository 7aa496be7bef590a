"""A disc that starts by a boot loader of its own, as discs to install from do: the tiny guest and isolinux.

Made once a machine, in a few seconds, of the guest's files and two of Debian's packages that are not installed.
"""

import asyncio
import io
import shutil
from pathlib import Path

import pycdlib
from tests.system.arm import packages

from drover.sandbox import cache, guestimage
from drover.sandbox.command import run

PACKAGES = ("isolinux", "syslinux-common")
LOADER = {
    "ISOLINUX.BIN": "usr/lib/ISOLINUX/isolinux.bin",
    "LDLINUX.C32": "usr/lib/syslinux/modules/bios/ldlinux.c32",
}
MARK = "from=disc"
"""What only the boot loader tells the kernel."""
SETTINGS = f"""\
DEFAULT tiny
LABEL tiny
 KERNEL /VMLINUZ
 INITRD /INITRD.IMG
 APPEND {guestimage.ARGUMENTS} {MARK}
"""
NAME = "installer.iso"
SECTORS = 4
"""How much of the boot loader the firmware reads: it gets the rest by itself."""


def provide(folder: Path) -> None:
    """Put the disc where the example has it, below the folder that is served, making it if need be."""
    recipe = cache.digest(repr((PACKAGES, LOADER, SETTINGS)).encode(), guestimage.key().encode())

    async def build(target: Path) -> None:
        await fill(target, folder / guestimage.NAME)

    made = asyncio.run(cache.built(cache.root() / "disc" / recipe, build))
    place = folder / "boot"
    place.mkdir(exist_ok=True)
    (place / NAME).unlink(missing_ok=True)
    (place / NAME).symlink_to(made / NAME)


async def fill(target: Path, tiny: Path) -> None:
    """Make the disc in a directory."""
    root = target / "root"
    await run("apt-get", "download", *PACKAGES, directory=target)
    for package in packages(target):
        await run("dpkg-deb", "--extract", package, root)
        package.unlink()
    files = {name: (root / path).read_bytes() for name, path in LOADER.items()}
    files |= {"VMLINUZ.": (tiny / "vmlinuz").read_bytes(), "INITRD.IMG": (tiny / "initrd.img").read_bytes()}
    (target / NAME).write_bytes(disc(files | {"ISOLINUX.CFG": SETTINGS.encode()}))
    shutil.rmtree(root)


def disc(files: dict[str, bytes]) -> bytes:
    """Make an ISO 9660 image of the files that boots by the first of them."""
    image, made = pycdlib.PyCdlib(), io.BytesIO()
    image.new(vol_ident="INSTALLER")
    for name, data in files.items():
        image.add_fp(io.BytesIO(data), len(data), f"/{name};1")
    loader = next(iter(files))
    image.add_eltorito(f"/{loader};1", bootcatfile="/BOOT.CAT;1", boot_load_size=SECTORS, boot_info_table=True)
    image.write_fp(made)
    image.close()
    return made.getvalue()
