"""What is built once and kept outside the checkout: directories named after what went into them."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path


def root() -> Path:
    """Return the cache directory of this user."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "drover"


def digest(*parts: bytes) -> str:
    """Return a short name for what is built from these parts."""
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part).digest())
    return total.hexdigest()[:20]


async def built(directory: Path, build: Callable[[Path], Awaitable[None]]) -> Path:
    """Return the directory, building it first if need be: aside, then put in place as a whole.

    Two builders of one directory wait for one another.
    """
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    async with _locked(directory.with_name(f"{directory.name}.lock")):
        if not directory.is_dir():
            await _build_aside(directory, build)
    return directory


async def _build_aside(directory: Path, build: Callable[[Path], Awaitable[None]]) -> None:
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    aside.chmod(0o755)
    try:
        await build(aside)
        aside.rename(directory)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    with path.open("w") as file:
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield


def contents(paths: Iterable[Path]) -> bytes:
    """Return the bytes of files, one after another."""
    return b"\0".join(path.read_bytes() for path in paths)
