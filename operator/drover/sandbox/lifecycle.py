"""A sandbox raised and taken down. Both may be repeated, and may be cut short at any instant and then repeated."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from drover.errors import Busy, OperatorError, Unsupported
from drover.sandbox import (
    binaries,
    cache,
    controlplane,
    guestimage,
    images,
    install,
    node,
    registration,
    routes,
    settings,
    slot,
    supervise,
    sweep,
)
from drover.sandbox.api import Api, connect
from drover.sandbox.layout import Layout, Node
from drover.sandbox.progress import Progress
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
NODE_DEADLINE = 30.0
CONTENTS = ("bin", "etc", "etcd", "images", "nodes", "pki", "run", "kubeconfig", "settings.json", "lock")


def require_machine() -> None:
    """Refuse, saying what is missing, where no sandbox can be raised."""
    if os.geteuid() != 0:
        raise Unsupported("a sandbox needs root: its nodes are network and mount namespaces with a libvirtd each")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise Unsupported(f"missing on this machine: {', '.join(missing)}; run scripts/install-system-packages.sh")


async def up(state: Path, wanted: Settings, progress: Progress | None = None) -> Layout:
    """Raise a sandbox, or bring the one that is up to what is wanted; return where everything of it is."""
    shown = progress or Progress()
    require_machine()
    layout = await claim(state.resolve())
    with _alone(layout):
        settings.save(layout, wanted)
        with shown.step(f"supervisor, and fabric {layout.fabric}"):
            await supervise.ensure(layout)
            await node.raise_fabric(layout)
            await asyncio.to_thread(controlplane.configure, layout)
        async with connect(layout) as api:
            await _raise(layout, api, wanted, shown)
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


async def _raise(layout: Layout, api: Api, wanted: Settings, shown: Progress) -> None:
    await _drop_surplus(layout, wanted)
    nodes = layout.nodes(wanted.nodes)
    served = asyncio.Event()
    await asyncio.gather(
        _control_plane(layout, api, shown, served),
        _cluster(layout, api, wanted, shown, served),
        _nodes(layout, nodes, shown),
        _guest_image(layout, shown),
    )
    if wanted.drover:
        await _drover(layout, api, wanted, shown)


async def _control_plane(layout: Layout, api: Api, shown: Progress, served: asyncio.Event) -> None:
    with shown.step("programs of the control plane"):
        if not (binaries.kubernetes().ready and binaries.kwok().ready):
            shown.note(f"building them once, about 5 minutes on two cores; log: {layout.log('build-kubernetes')}")
        await asyncio.gather(binaries.provide_kubernetes(layout), binaries.provide_kwok(layout))
    with shown.step(f"API server at {layout.api_url}"):
        await supervise.keep(layout, controlplane.servers(layout))
        await controlplane.ready(layout, api)
    served.set()


async def _cluster(layout: Layout, api: Api, wanted: Settings, shown: Progress, served: asyncio.Event) -> None:
    await served.wait()
    with shown.step("controller-manager, scheduler, kubelets"):
        await supervise.keep(layout, (*controlplane.clients(layout), routes.component(layout)))
        await asyncio.gather(*(registration.register(api, item, wanted) for item in layout.nodes(wanted.nodes)))
        installing = [_install(layout, api, wanted)] if wanted.drover else []
        await asyncio.gather(controlplane.accounts(layout, api), *installing)
        for item in layout.nodes(wanted.nodes):
            await supervise.ready(layout, "kwok", partial(registration.ready, api, item), NODE_DEADLINE)


async def _install(layout: Layout, api: Api, wanted: Settings) -> None:
    await install.apply_definitions(layout, api)
    await install.start(layout, api, wanted)


async def _nodes(layout: Layout, nodes: tuple[Node, ...], shown: Progress) -> None:
    with shown.step(f"{len(nodes)} emulated hypervisor hosts"):
        capabilities = cache.root() / "qemu-capabilities"
        await asyncio.gather(*(node.raise_node(layout, item, capabilities) for item in nodes))


async def _guest_image(layout: Layout, shown: Progress) -> None:
    with shown.step("guest image tiny"):
        await guestimage.provide(layout)
        await supervise.keep(layout, [images.component(layout)])


async def _drover(layout: Layout, api: Api, wanted: Settings, shown: Progress) -> None:
    with shown.step("controller and agents"):
        await install.ready(layout, api, wanted)
    if wanted.has_guest:
        with shown.step("vm/hello of manifests/examples/quickstart.yaml"):
            await install.quickstart(layout, api)


def component_names(layout: Layout, wanted: Settings) -> set[str]:
    """Return the names of all components that a sandbox of these settings has."""
    nodes = layout.nodes(wanted.nodes)
    names = {item.name for item in (*controlplane.servers(layout), *controlplane.clients(layout))}
    names |= {"routes", "images"} | {item.name for item in nodes} | {f"libvirtd-{item.name}" for item in nodes}
    if wanted.drover:
        names |= {install.controller_name(index) for index in range(1, wanted.controllers + 1)}
        names |= {install.agent_name(item) for item in nodes if wanted.agents}
    return names


async def _drop_surplus(layout: Layout, wanted: Settings) -> None:
    running = {report.name for report in await supervise.status(layout)}
    surplus = sorted(running - component_names(layout, wanted))
    if surplus:
        await supervise.order(layout, {"verb": "drop", "names": surplus})
