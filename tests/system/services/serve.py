"""A bucket server and a container registry, the real ones, where the nodes can reach them."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.world import World, eventually

from drover.sandbox import cache
from drover.sandbox.command import run

HERE = Path(__file__).parent
KEYS = {"ROOT_ACCESS_KEY": "drover", "ROOT_SECRET_KEY": "change-me-change-me"}
BUCKET_PORT, REGISTRY_PORT = 7070, 5000
REGISTRY = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {folder}
http:
  addr: {address}:{port}
"""


def program(name: str, package: str) -> Path:
    """Build a program from the module of this name next to this file, unless it was built before."""
    module = HERE / name
    sources = sorted(path for path in module.iterdir() if path.is_file())

    async def build(target: Path) -> None:
        words = ("build", "-mod=readonly", "-trimpath", "-ldflags", "-s -w", "-o", target / name, package)
        environment = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
        await run("go", *words, directory=module, environment=environment)

    place = cache.root() / f"test-{name}" / cache.digest(package.encode(), cache.contents(sources))
    return asyncio.run(cache.built(place, build)) / name


@contextmanager
def bucket_server(world: World, folder: Path) -> Iterator[str]:
    """Serve the folders of a folder as buckets; gives the URL as this machine sees it."""
    words = [
        "--port",
        f"{world.address}:{BUCKET_PORT}",
        "--quiet",
        "posix",
        "--sidecar",
        str(folder / "meta"),
        str(folder / "data"),
    ]
    for name in ("meta", "data"):
        (folder / name).mkdir()
    server = program("bucket", "github.com/versity/versitygw/cmd/versitygw")
    with _running(server, words, KEYS, lambda: _open(world.address, BUCKET_PORT)):
        yield f"http://{world.address}:{BUCKET_PORT}"


@contextmanager
def registry_server(world: World, folder: Path) -> Iterator[str]:
    """Serve an empty registry; gives the URL as this machine sees it."""
    settings = folder / "registry.yaml"
    settings.write_text(REGISTRY.format(folder=folder, address=world.address, port=REGISTRY_PORT))
    server = program("registry", "github.com/distribution/distribution/v3/cmd/registry")
    environment = {"OTEL_TRACES_EXPORTER": "none"}
    with _running(server, ["serve", str(settings)], environment, lambda: _open(world.address, REGISTRY_PORT)):
        yield f"http://{world.address}:{REGISTRY_PORT}"


def _open(address: str, port: int) -> bool:
    words = ["curl", "-s", "-o", "/dev/null", "-m", "1", f"http://{address}:{port}/"]
    return subprocess.run(words, check=False).returncode == 0


@contextmanager
def _running(server: Path, words: list[str], environment: dict[str, str], ready: Callable[[], bool]) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen([str(server), *words], env=os.environ | environment, stdout=quiet, stderr=quiet) as child:
        try:
            eventually(f"{server.name} to answer", ready, 20)
            yield
        finally:
            child.terminate()
