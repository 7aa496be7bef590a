"""Container images for the nodes: there is no registry, so every node begins with all of them, imported once.

An import takes seconds a node. It is done once, into a directory that is kept in the cache; a new node's containerd
begins with a copy made of hard links, which is safe because containerd never changes a layer it has. A node that
exists already is given what it lacks.
"""

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from drover.errors import OperatorError, Unavailable
from drover.sandbox import binaries, cache, ociimage, process, supervise
from drover.sandbox.command import run
from drover.sandbox.component import Report
from drover.sandbox.layout import DATA, Layout, Node

SOCKET = "/run/containerd/containerd.sock"
NAMESPACE = ("--namespace", "k8s.io")
IMPORT = ("images", "import", "--local", "--no-unpack=false")
START_DEADLINE = 20.0
TICK = 0.02
KEPT = 3

Archives = Mapping[str, Path]
"""Archives of images, by reference."""


@dataclass(frozen=True, slots=True)
class Images:
    """What the nodes of one sandbox hold: two references, and all archives."""

    pause: str
    coredns: str
    archives: Archives


async def prepare(more: Archives) -> Images:
    """Return the images that every real node needs, and ``more``, making what is missing."""
    own = [await pause(), await coredns()]
    return Images(own[0][0], own[1][0], {**dict(own), **more})


async def begin(layout: Layout, nodes: Iterable[Node], archives: Archives) -> None:
    """Give the nodes that have none yet the images they begin with."""
    new = [node for node in nodes if not (node.root / "containerd").exists()]
    if new:
        root = await make(layout, archives)
        await asyncio.gather(*(plant(root, node) for node in new))


async def pause() -> tuple[str, Path]:
    """Return reference and archive of the image that holds the namespaces of pods."""
    program = await binaries.pause()
    return await _image("pause", program, program.parent.name)


async def coredns() -> tuple[str, Path]:
    """Return reference and archive of the name server's image."""
    directory = await binaries.programs_of(binaries.NODE)
    return await _image("coredns", directory / "coredns", binaries.NODE.cached.name)


async def _image(name: str, program: Path, key: str) -> tuple[str, Path]:
    reference = f"localhost/{name}:{key}"

    async def write(target: Path) -> None:
        await asyncio.to_thread(ociimage.write, target / "image.tar", reference, {f"/{name}": program}, [f"/{name}"])

    return reference, await cache.built(cache.root() / "images" / f"{name}-{key}", write) / "image.tar"


async def make(layout: Layout, archives: Archives) -> Path:
    """Return a directory for containerd that holds these images, importing them if need be; old ones are dropped."""
    key = cache.digest(repr(sorted(archives)).encode(), binaries.NODE.cached.name.encode())
    directory = cache.root() / "seeds" / key
    await cache.built(directory, lambda aside: _import(layout, archives, aside))
    directory.touch()
    for old in _outdated(directory.parent):
        await asyncio.to_thread(shutil.rmtree, old, ignore_errors=True)
    return directory


def _outdated(directory: Path) -> list[Path]:
    seeds = [path for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(seeds, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]


async def _import(layout: Layout, archives: Archives, target: Path) -> None:
    work = layout.short / "seed"
    socket = work / "containerd.sock"
    await asyncio.to_thread(_configure, work, target, socket)
    # Its own mounts, so that a layer being unpacked when it is killed does not stay mounted on the machine.
    private = ("unshare", "--mount", "--propagation", "private")
    server = await asyncio.create_subprocess_exec(
        *private,
        str(layout.bin / "containerd"),
        "--config",
        str(work / "containerd.toml"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, process.MARK: layout.mark},
    )
    try:
        await _listening(server, socket)
        for archive in archives.values():
            await run(layout.bin / "ctr", "--address", socket, *NAMESPACE, *IMPORT, archive)
    finally:
        await _end(server)
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


def _configure(work: Path, root: Path, socket: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    template = Template((DATA / "containerd-seed.toml").read_text())
    (work / "containerd.toml").write_text(template.substitute(root=root, state=work / "state", socket=socket))


async def _listening(server: asyncio.subprocess.Process, socket: Path) -> None:
    try:
        async with asyncio.timeout(START_DEADLINE):
            while not socket.exists():
                if server.returncode is not None:
                    raise Unavailable(f"containerd ended with {server.returncode} before it took images in")
                await asyncio.sleep(TICK)
    except TimeoutError as error:
        raise Unavailable(f"containerd did not listen within {START_DEADLINE:.0f} s") from error


async def _end(server: asyncio.subprocess.Process) -> None:
    if server.returncode is None:
        server.terminate()
    await server.wait()


async def plant(seed: Path, node: Node) -> None:
    """Copy a seed for a new node."""
    target = node.root / "containerd"
    node.root.mkdir(parents=True, exist_ok=True)
    part = target.with_name(".containerd")
    await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
    try:
        await run("cp", "--archive", "--link", "--", seed, part)
    except OperatorError:  # another file system
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
        await run("cp", "--archive", "--", seed, part)
    for database in part.rglob("*.db"):
        original = seed / database.relative_to(part)
        await run("cp", "--archive", "--remove-destination", "--", original, database)
    part.rename(target)


async def complete(layout: Layout, node: Node, archives: Archives) -> None:
    """Import what a running node lacks."""
    present = set((await inside(layout, node, *_ctr(layout), "images", "list", "--quiet")).split())
    for reference, archive in archives.items():
        if reference not in present:
            await inside(layout, node, *_ctr(layout), *IMPORT, archive)


def _ctr(layout: Layout) -> tuple[str, ...]:
    return (str(layout.bin / "ctr"), "--address", SOCKET, *NAMESPACE)


async def inside(layout: Layout, node: Node, *command: str | Path) -> str:
    """Run a command in a node and return its output."""
    report: Report
    (report,) = await supervise.status(layout, node.name)
    if not report.pid:
        raise Unavailable(f"{node.name} is {report.state}")
    return await run("bash", DATA / "node-enter.sh", str(report.pid), node.cgroup, *command)
