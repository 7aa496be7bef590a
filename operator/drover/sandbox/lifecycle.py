"""A sandbox raised and taken down. Both may be repeated, and may be cut short at any instant and then repeated."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drover.errors import Busy, InvalidSpec, OperatorError, Unsupported
from drover.sandbox import (
    controlplane,
    install,
    node,
    raising,
    realnode,
    settings,
    slot,
    supervise,
    sweep,
)
from drover.sandbox.api import connect
from drover.sandbox.layout import Layout
from drover.sandbox.progress import Progress
from drover.sandbox.raising import Raising
from drover.sandbox.settings import Settings

TOOLS = (
    "virsh",
    "libvirtd",
    "qemu-system-x86_64",
    "qemu-img",
    "dnsmasq",
    "iptables",
    "busybox",
    "ip",
    "nsenter",
    "unshare",
)
REAL_TOOLS = ("buildah", "mmdebstrap", "gcc", "nft")
CONTENTS = ("bin", "etc", "etcd", "images", "nodes", "pki", "run", "kubeconfig", "settings.json", "lock")


def require_machine(*, real: bool = False) -> None:
    """Refuse, saying what is missing, where no sandbox can be raised."""
    if os.geteuid() != 0:
        raise Unsupported("a sandbox needs root: its nodes are network and mount namespaces with a libvirtd each")
    missing = [tool for tool in (*TOOLS, *(REAL_TOOLS if real else ())) if shutil.which(tool) is None]
    if missing:
        raise Unsupported(f"missing on this machine: {', '.join(missing)}; run scripts/install-system-packages.sh")


def require_real(state: Path, wanted: Settings) -> None:
    """Refuse, saying why, what cannot be had with real nodes."""
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        raise Unsupported("real nodes need control groups of version 1; use --kubelet Kwok (make up KUBELET=kwok)")
    if any(state.is_relative_to(shared) for shared in realnode.SHARED):
        raise Unsupported(f"real nodes have {', '.join(realnode.SHARED)} of their own: keep the sandbox elsewhere")
    if not wanted.agents:
        raise InvalidSpec("on real nodes the chart runs the agents; --no-agents needs --kubelet Kwok")


def require_same(layout: Layout, wanted: Settings) -> None:
    """Refuse to turn nodes of one kind into the other."""
    before = settings.load(layout).kubelet
    if settings.kept(layout) and before != wanted.kubelet:
        raise InvalidSpec(f"the nodes of this sandbox are {before}; take it down before you ask for {wanted.kubelet}")


async def up(state: Path, wanted: Settings, progress: Progress | None = None) -> Layout:
    """Raise a sandbox, or bring the one that is up to what is wanted; return where everything of it is."""
    shown = progress or Progress()
    require_machine(real=wanted.real)
    if wanted.real:
        require_real(state.resolve(), wanted)
    layout = await claim(state.resolve())
    with _alone(layout):
        require_same(layout, wanted)
        settings.save(layout, wanted)
        with shown.step(f"supervisor, and fabric {layout.fabric}"):
            await supervise.ensure(layout)
            await node.raise_fabric(layout)
            await asyncio.to_thread(controlplane.configure, layout)
        await _drop_surplus(layout, wanted)
        async with connect(layout) as api:
            await raising.everything(Raising(layout, api, wanted, shown))
    return layout


async def claim(state: Path) -> Layout:
    """Return the layout of a state directory, taking a slot for it; what crashed sandboxes left is removed first."""
    state.mkdir(parents=True, exist_ok=True)
    with slot.locked():
        await sweep.clear_stale()
        layout = slot.find(state) or slot.take(state)
    for directory in (layout.bin, layout.etc, layout.logs, layout.run, layout.images):
        directory.mkdir(exist_ok=True)
    return layout


async def down(state: Path, *, keep_logs: bool = False) -> None:
    """Take a sandbox down and remove every trace of it, its logs too unless they are to be kept."""
    directory = state.resolve()
    layout = slot.find(directory)
    if layout is not None:
        with suppress(OperatorError):
            await supervise.order(layout, {"verb": "shutdown"})
        with slot.locked():
            await sweep.clear(layout)
            sweep.forget_mount_point()
    await asyncio.to_thread(_remove, directory, CONTENTS if keep_logs else (*CONTENTS, "logs"))


def _remove(directory: Path, names: tuple[str, ...]) -> None:
    # By name: a state directory named by mistake must not lose what is not ours.
    for path in (directory / name for name in names):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        directory.rmdir()


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    with (layout.state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another `up` works on {layout.state}") from error
        yield


def component_names(layout: Layout, wanted: Settings) -> set[str]:
    """Return the names of all components that a sandbox of these settings has."""
    nodes = layout.nodes(wanted.nodes)
    clients = controlplane.clients(layout, real=wanted.real)
    names = {item.name for item in (*controlplane.servers(layout), *clients)}
    names |= {"routes", "images"} | {item.name for item in nodes} | {f"libvirtd-{item.name}" for item in nodes}
    if wanted.real:
        names |= {name for item in nodes for name in realnode.names(item)}
    elif wanted.drover:
        names |= {install.controller_name(index) for index in range(1, wanted.controllers + 1)}
        names |= {install.agent_name(item) for item in nodes if wanted.agents}
    return names


async def _drop_surplus(layout: Layout, wanted: Settings) -> None:
    running = {report.name for report in await supervise.status(layout)}
    surplus = sorted(running - component_names(layout, wanted))
    if surplus:
        await supervise.order(layout, {"verb": "drop", "names": surplus})
