"""Drover's own container image, built from the checkout by its Dockerfile and kept until something in it changes."""

import configparser
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from drover.sandbox import bases, cache
from drover.sandbox.command import run
from drover.sandbox.layout import CHECKOUT, Layout
from drover.sandbox.progress import Progress

REPOSITORY = "localhost/drover"
ARCHIVE = "image.tar"
RECIPE = ("Dockerfile", ".dockerignore", "requirements/runtime.txt")
SOURCE = "operator/drover"
OMITTED = frozenset({"sandbox", "__pycache__"})
"""Directories below the source that `.dockerignore` keeps out."""
KEPT = 4
"""Images that stay in the cache, the newest."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
INSIDE = "/run/secrets/ca"
"""Where the Dockerfile's step finds the certificates."""
PIP_FILES = (Path("/etc/pip.conf"), Path("~/.pip/pip.conf"), Path("~/.config/pip/pip.conf"))
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
"""What says where packages come from, and means the same inside the build as outside."""


async def provide(layout: Layout, shown: Progress) -> Path:
    """Return the archive of the image of this checkout, building it if need be; ``ctr images import`` takes it."""
    with tempfile.TemporaryDirectory(prefix="drover-image-") as room:
        # Built from a copy: who edits the checkout meanwhile gets what was there at the beginning, under its name.
        context = copy(CHECKOUT, Path(room, "context"))
        target = cache.root() / "image" / key(context)
        if not target.is_dir():
            with shown.step(f"image {REPOSITORY}:{target.name}"):
                await cache.built(target, lambda aside: build(aside, context, layout.log("build-image")))
    target.touch()
    await prune(target.parent)
    return target / ARCHIVE


def name_of(archive: Path) -> str:
    """Return repository and tag of the image in an archive that `provide` gave."""
    return f"{REPOSITORY}:{archive.parent.name}"


def reference(checkout: Path = CHECKOUT) -> str:
    """Return repository and tag of the image of the checkout as it is now."""
    return f"{REPOSITORY}:{key(checkout)}"


def copy(checkout: Path, target: Path) -> Path:
    """Copy what the image is made of."""
    for path in files(checkout):
        place = target / path.relative_to(checkout)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
    return target


def key(checkout: Path = CHECKOUT) -> str:
    """Return the tag of the image: it changes with everything that goes into it, and with nothing else."""
    parts = [bases.key().encode()]
    for path in files(checkout):
        parts += [str(path.relative_to(checkout)).encode(), path.read_bytes()]
    return cache.digest(*parts)


def files(checkout: Path) -> Iterator[Path]:
    """Yield the files that the image is made of, always in the same order."""
    yield from (checkout / name for name in RECIPE)
    for folder, folders, names in os.walk(checkout / SOURCE):
        folders[:] = sorted(set(folders) - OMITTED)
        yield from (Path(folder, name) for name in sorted(names) if not name.endswith(".pyc"))


async def build(target: Path, context: Path, log: Path) -> None:
    """Build the image of a copied checkout and write its archive into a directory."""
    base, name = await bases.provide(), reference(context)
    with tempfile.TemporaryDirectory(prefix="drover-secrets-") as secrets:
        command = building(name, base, write_secrets(Path(secrets), os.environ))
        await run(*command, context, environment=bases.environment(), log=log)
    await run(*bases.buildah("push", "--quiet", name, f"docker-archive:{target / ARCHIVE}:{name}"))


def building(name: str, base: str, secrets: Mapping[str, Path]) -> tuple[str | Path, ...]:
    """Return the command that builds an image of the folder given last; `secrets` are read and not kept."""
    given = (word for key, path in secrets.items() for word in ("--secret", f"id={key},src={path}"))
    return (
        *bases.buildah("build", "--layers", "--jobs", "2", "--pull-never", "--network", "host"),
        # The same input gives the same image; its health check is something that only this format can say.
        *("--timestamp", "0", "--format", "docker", "--build-arg", f"BASE={base}"),
        *given,
        *("--tag", name, "--"),
    )


def write_secrets(target: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    """Write the package index settings of this machine for the build to read, with its certificates if it has any."""
    certificates = Path(environment.get("PIP_CERT") or environment.get("SSL_CERT_FILE") or CERTIFICATES)
    trusted = {"ca": certificates} if certificates.is_file() else {}
    settings = pip_settings((path.expanduser() for path in PIP_FILES), environment)
    lines = [f"{name} = {value}" for name, value in (settings | ({"cert": INSIDE} if trusted else {})).items()]
    (target / "pip").write_text("\n".join(["[global]", *lines, ""]))
    return {"pip": target / "pip", **trusted}


def pip_settings(paths: Iterable[Path], environment: Mapping[str, str]) -> dict[str, str]:
    """Return where this machine takes Python packages from: later files win over earlier ones, variables over files."""
    parser = configparser.RawConfigParser()
    parser.read(paths)
    configured = dict(parser["global"]) if parser.has_section("global") else {}
    for name in PIP_SETTINGS:
        if said := environment.get(f"PIP_{name.upper().replace('-', '_')}"):
            configured[name] = said
    return {name: value.replace("\n", " ").strip() for name, value in configured.items() if name in PIP_SETTINGS}


async def prune(images: Path) -> None:
    """Remove all but the newest images from the cache, and the layers that only they use."""
    newest = sorted((path for path in images.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime)
    for old in newest[KEPT:]:
        shutil.rmtree(old)
        await run(*bases.buildah("rmi", "--force", "--", f"{REPOSITORY}:{old.name}"))
