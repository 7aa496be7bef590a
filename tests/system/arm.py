"""The tiny guest for arm64: Debian's cloud kernel of that architecture and a busybox of it, made on the spot.

Made once a machine, in some ten seconds and for 32 MB, by an apt that knows nothing of this machine's own packages.
"""

import asyncio
import shutil
from pathlib import Path

from drover.sandbox import cache, cpio, guestimage
from drover.sandbox.command import run

PACKAGES = ("linux-image-cloud-arm64", "busybox-static")
FILES = ("vmlinuz", "initrd.img")
SETTINGS = """\
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State "{0}";
Dir::State::status "{0}/status";
Dir::Cache "{0}/cache";
"""


def provide(folder: Path) -> None:
    """Put the image's files into a folder, making them if need be."""
    recipe = cache.digest(repr((PACKAGES, SETTINGS)).encode(), guestimage.key().encode())
    made = asyncio.run(cache.built(cache.root() / "guest" / f"arm64-{recipe}", build))
    folder.mkdir(exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(made / name)


async def build(target: Path) -> None:
    """Make kernel and initramfs in a directory."""
    root = target / "root"
    await download(target / "apt")
    for package in packages(target / "apt"):
        await run("dpkg-deb", "--extract", package, root)
    shutil.copyfile(next((root / "boot").glob("vmlinuz-*")), target / "vmlinuz")
    busybox, modules = (root / "bin" / "busybox").read_bytes(), guestimage.read_modules(root)
    (target / "initrd.img").write_bytes(cpio.archive(guestimage.initramfs(busybox, modules)))
    for each in (root, target / "apt"):
        shutil.rmtree(each)


async def download(state: Path) -> None:
    """Download the newest packages of this Debian release, of the kernel what its package only points to."""
    for each in ("lists/partial", "cache/archives/partial"):
        (state / each).mkdir(parents=True)
    (state / "status").touch()
    (state / "apt.conf").write_text(SETTINGS.format(state))
    alone = {"APT_CONFIG": str(state / "apt.conf")}
    await run("apt-get", "-q", "update", environment=alone)
    kernel, *others = PACKAGES
    depends = await run("apt-cache", "depends", "--important", kernel, environment=alone)
    real = next(words[1] for line in depends.splitlines() if (words := line.split())[0] == "Depends:")
    await run("apt-get", "download", real, *others, environment=alone, directory=state)


def packages(folder: Path) -> list[Path]:
    """What was downloaded."""
    return sorted(folder.glob("*.deb"))
