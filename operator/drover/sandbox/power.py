"""The power and the wire of a node: cut and given back."""

from contextlib import suppress

from drover.errors import OperatorError
from drover.sandbox import control, node, registration, settings, supervise
from drover.sandbox.api import connect
from drover.sandbox.layout import Layout, Node

LIBVIRTD_DEADLINE = 40.0


async def power_off(layout: Layout, name: str) -> None:
    """Cut the power of a node: its processes and guests die at once, its kubelet falls silent."""
    found = control.find_node(layout, name)
    await control.stop(layout, found.name)
    await _set_kubelet(layout, found, alive=False)


async def power_on(layout: Layout, name: str) -> None:
    """Boot a node: a new boot id, its disks as they were, no guest running; return when its libvirtd answers."""
    found = control.find_node(layout, name)
    await control.start(layout, found.name)
    await _set_kubelet(layout, found, alive=True)
    await supervise.ready(layout, f"libvirtd-{found.name}", lambda: node.answers(found), LIBVIRTD_DEADLINE)


async def partition(layout: Layout, name: str) -> None:
    """Cut a node off from everything else; its guests run on."""
    found = control.find_node(layout, name)
    await node.set_link(layout, found, up=False)
    await _set_kubelet(layout, found, alive=False)


async def heal(layout: Layout, name: str) -> None:
    """Plug a node in again."""
    found = control.find_node(layout, name)
    await node.set_link(layout, found, up=True)
    await _set_kubelet(layout, found, alive=True)


async def _set_kubelet(layout: Layout, found: Node, *, alive: bool) -> None:
    if settings.load(layout).real:
        return  # it lives and dies with its node
    # Without an API server there is nobody to tell: then its absence is what the test is about.
    with suppress(OperatorError):
        async with connect(layout) as api:
            await registration.set_kubelet(api, found, alive=alive)
