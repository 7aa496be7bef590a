"""The registry that gives every sandbox of this machine a slot of its own.

One file a slot, ``/run/drover-sandbox/<slot>.json``, names the state directory and the process that holds the slot:
first the command that raises the sandbox, then its supervisor. A slot is stale when its state directory is gone, or
when neither the holder nor any process that carries the sandbox's mark is alive.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drover.errors import Busy
from drover.sandbox import process
from drover.sandbox.layout import REGISTRY, SLOTS, Layout
from drover.sandbox.process import Identity


@dataclass(frozen=True, slots=True)
class Claim:
    """One slot in use."""

    layout: Layout
    holder: Identity

    def stale(self) -> bool:
        """Tell whether the sandbox is over, by crash or by removal of its directory."""
        if not self.layout.state.is_dir():
            return True
        return not self.holder.alive() and not process.marked(self.layout.mark)


def preferred(state: Path) -> int:
    """Return the slot that a state directory gets if it is free: a hash of its path."""
    digest = hashlib.sha256(os.fsencode(state)).digest()
    return int.from_bytes(digest[:8], "big") % SLOTS


def order(state: Path) -> Iterator[int]:
    """Yield all slots in the order in which a state directory tries them."""
    first = preferred(state)
    return ((first + step) % SLOTS for step in range(SLOTS))


@contextlib.contextmanager
def locked(registry: Path = REGISTRY) -> Iterator[None]:
    """Hold the machine-wide lock of the registry."""
    registry.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (registry / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def claims(registry: Path = REGISTRY) -> tuple[Claim, ...]:
    """Return every slot in use, stale ones included."""
    return tuple(claim for path in sorted(registry.glob("*.json")) if (claim := _read(path)) is not None)


def find(state: Path, registry: Path = REGISTRY) -> Layout | None:
    """Return the layout of the sandbox of that state directory, ``None`` if it holds no slot."""
    held = (claim.layout for claim in claims(registry) if claim.layout.state == state)
    return next(held, None)


def take(state: Path, registry: Path = REGISTRY) -> Layout:
    """Return the slot of a state directory, claiming the first free one; call it under ``locked``."""
    held = {claim.layout.slot: claim.layout.state for claim in claims(registry)}
    mine = (slot for slot, owner in held.items() if owner == state)
    free = (slot for slot in order(state) if slot not in held)
    slot = next(mine, None)
    slot = next(free, None) if slot is None else slot
    if slot is None:
        raise Busy(f"all {SLOTS} sandbox slots of this machine are taken")
    layout = Layout(state, slot)
    hold(layout, process.myself(), registry)
    return layout


def hold(layout: Layout, holder: Identity, registry: Path = REGISTRY) -> None:
    """Record who holds the slot from now on."""
    text = json.dumps({"state": str(layout.state), "pid": holder.pid, "started": holder.started})
    path = registry / f"{layout.slot}.json"
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def release(layout: Layout, registry: Path = REGISTRY) -> None:
    """Give the slot back."""
    (registry / f"{layout.slot}.json").unlink(missing_ok=True)


def _read(path: Path) -> Claim | None:
    try:
        record = json.loads(path.read_text())
        layout = Layout(Path(record["state"]), int(path.stem))
        return Claim(layout, Identity(int(record["pid"]), int(record["started"])))
    except (FileNotFoundError, ValueError, KeyError):
        return None
