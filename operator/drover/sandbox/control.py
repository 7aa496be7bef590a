"""What can be done to the components of a sandbox that is up: kill, stop, start, restart."""

import os
from pathlib import Path

from drover.errors import InvalidSpec, Unavailable
from drover.sandbox import settings, slot, supervise
from drover.sandbox.component import Report
from drover.sandbox.layout import Layout, Node


def default_state() -> Path:
    """Return the state directory that is used when none is named."""
    return Path(os.environ.get("DROVER_SANDBOX_DIR") or ".sandbox")


def attach(state: Path | None = None) -> Layout:
    """Return the layout of the sandbox that is up in a state directory; ``Unavailable`` if there is none."""
    directory = (state or default_state()).resolve()
    found = slot.find(directory)
    if found is None:
        raise Unavailable(f"no sandbox is up at {directory}")
    return found


def find_node(layout: Layout, name: str) -> Node:
    """Return a node by its name."""
    nodes = {item.name: item for item in layout.nodes(settings.load(layout).nodes)}
    if name not in nodes:
        raise InvalidSpec(f"no node {name}; there are {', '.join(nodes) or 'none'}")
    return nodes[name]


async def kill(layout: Layout, *names: str, signal: str = "KILL") -> None:
    """Send a signal to components; what dies of it is back at once."""
    await supervise.order(layout, {"verb": "kill", "names": list(names), "signal": signal})


async def stop(layout: Layout, *names: str) -> None:
    """Stop components until they are started."""
    await supervise.order(layout, {"verb": "stop", "names": list(names)})


async def start(layout: Layout, *names: str) -> None:
    """Start stopped components and wait until they run."""
    await supervise.order(layout, {"verb": "start", "names": list(names)})


async def restart(layout: Layout, *names: str) -> None:
    """Stop components politely and start them again."""
    await supervise.order(layout, {"verb": "restart", "names": list(names)})


async def reload(layout: Layout) -> tuple[str, ...]:
    """Restart controllers and agents; guests keep running. Return what was restarted."""
    reports = await supervise.status(layout)
    names = tuple(item.name for item in reports if is_drover(item))
    await restart(layout, *names)
    return names


def is_drover(report: Report) -> bool:
    """Tell whether a component is one of Drover's own processes."""
    return report.name.startswith(("controller", "agent-"))
