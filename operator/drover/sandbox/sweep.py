"""Removal of everything a sandbox leaves outside its state directory, whether it ended well or crashed."""

import asyncio
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from drover.sandbox import process, slot
from drover.sandbox.command import run
from drover.sandbox.layout import DATA, MAXIMUM_NODES, Layout, Node

NODE_DATA = Path("/var/lib/drover")
END_DEADLINE = 10.0


async def clear(layout: Layout) -> None:
    """Kill the sandbox's processes, then remove its namespaces, interfaces, routes, control groups and slot."""
    await _end_processes(layout)
    for node in layout.nodes(MAXIMUM_NODES):
        if _left(node):
            await run("bash", DATA / "node-off.sh", node.netns, node.cgroup, layout.switch, node.port)
    if Path("/sys/class/net", layout.uplink).exists():
        await run("ip", "link", "delete", layout.uplink)
    if (Path("/run/netns") / layout.switch).exists():
        await run("ip", "netns", "delete", layout.switch)
    shutil.rmtree(layout.short, ignore_errors=True)
    slot.release(layout)


def _left(node: Node) -> bool:
    groups = Path("/sys/fs/cgroup").glob(f"*/{node.cgroup}")
    return (Path("/run/netns") / node.netns).exists() or any(groups)


async def clear_stale() -> None:
    """Remove what crashed sandboxes left; call it under the registry's lock."""
    for claim in slot.claims():
        if claim.stale():
            await clear(claim.layout)


def forget_mount_point() -> None:
    """Remove the mount point of the nodes' data once no sandbox is left; call it under the registry's lock.

    The directory stands in the machine's own file system, and removing it under a living node would unmount it there.
    """
    if not slot.claims():
        with suppress(OSError):
            NODE_DATA.rmdir()


async def _end_processes(layout: Layout) -> None:
    left = process.marked(layout.mark)
    for identity in left:
        if identity != process.myself():
            identity.signal(signal.SIGKILL)
    async with asyncio.timeout(END_DEADLINE):
        await asyncio.gather(*(identity.ended() for identity in left if identity != process.myself()))
