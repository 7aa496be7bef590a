"""What the Dockerfile builds upon, made of Debian packages: a stand-in for a registry's image, with the same content.

It lets the image be built where no container registry can be reached. Its name is given to the build, so the
Dockerfile is the same that anybody builds elsewhere.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from drover.errors import Unsupported
from drover.sandbox import cache
from drover.sandbox.command import run

SUITE = "trixie"
"""Release of Debian that the Dockerfile begins with, as ``debian:trixie-slim``."""
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
CLEAN = 'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/var/log/apt "$1"/var/log/*.log'
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHIVE = "root.tar"


def buildah(*arguments: str | Path) -> tuple[str | Path, ...]:
    """Return the command that makes buildah work in the cache, apart from what else this machine builds."""
    store = cache.root() / "buildah"
    return ("buildah", "--root", store / "root", "--runroot", store / "run", "--storage-driver", "overlay", *arguments)


def environment() -> Mapping[str, str]:
    """Return what buildah needs to run where containers cannot be started."""
    return {"BUILDAH_ISOLATION": "chroot"}


def bootstrap(target: Path) -> tuple[str | Path, ...]:
    """Return the command that writes the root file system of a small Debian as a tar file."""
    exclusions = (f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED)
    return (
        *("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", "--components=main", "--format=tar"),
        '--aptopt=Acquire::Languages "none"',
        *exclusions,
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        *(f"--customize-hook={CLEAN}", SUITE, target),
    )


def key() -> str:
    """Return what the stand-in is called in the cache: it changes with the recipe."""
    return cache.digest(repr((bootstrap(Path(ARCHIVE)), SEARCHED)).encode())


def reference() -> str:
    """Return the name of the stand-in among buildah's images."""
    return f"localhost/drover-base:{key()}"


async def provide() -> str:
    """Make the stand-in unless buildah has it; return its name."""
    if missing := [program for program in ("buildah", "mmdebstrap") if shutil.which(program) is None]:
        raise Unsupported(f"building the image needs {' and '.join(missing)}: install the packages of that name")
    directory = await cache.built(cache.root() / "bases" / key(), _bootstrap)
    if not await run(*buildah("images", "--quiet", "--filter", f"reference={reference()}")):
        await _load(directory / ARCHIVE)
    return reference()


async def _bootstrap(target: Path) -> None:
    if os.geteuid() != 0:
        raise Unsupported("building the image needs root: packages are installed into a file system of their own")
    await run(*bootstrap(target / ARCHIVE))


async def _load(archive: Path) -> None:
    container = (await run(*buildah("from", "scratch"))).strip()
    try:
        await run(*buildah("add", "--quiet", container, archive, "/"))
        await run(*buildah("config", "--env", f"PATH={SEARCHED}", "--cmd", "bash", container))
        await run(*buildah("commit", "--quiet", container, reference()))
    finally:
        await run(*buildah("rm", container))
