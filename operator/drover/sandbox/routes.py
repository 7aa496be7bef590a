"""The way from the machine to the guests: one /32 route for every address of a virtual machine, via its node.

Run as ``python -m drover.sandbox.routes STATE SLOT``. Guests sit behind their node's NAT, so the machine needs to be
told which node an address is on. Routes follow ``status.addresses`` and ``status.nodeName`` as they change.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from drover.errors import OperatorError, Unavailable
from drover.sandbox.api import Api, Body, connect
from drover.sandbox.command import run
from drover.sandbox.component import Component
from drover.sandbox.layout import MAXIMUM_NODES, Layout

MACHINES = "/apis/drover.dev/v1alpha1/virtualmachines"
PAGE = 500
RETRY = 0.5
BREATH = 0.02  # changes that arrive together are made together

Routes = dict[IPv4Address, IPv4Address]


@dataclass(frozen=True, slots=True)
class Machine:
    """What matters of a virtual machine: the node it is on and its addresses."""

    uid: str
    node: str
    addresses: tuple[IPv4Address, ...]


def component(layout: Layout) -> Component:
    """Return the route keeper as a component."""
    words = (sys.executable, "-m", "drover.sandbox.routes", str(layout.state), str(layout.slot))
    return Component(name="routes", command=words)


def parse(body: Body) -> Machine:
    """Read a VirtualMachine."""
    status = body.get("status") or {}
    found = (str(entry.get("ip", "")) for entry in status.get("addresses") or ())
    addresses = tuple(IPv4Address(text) for text in found if _is_address(text))
    return Machine(body["metadata"]["uid"], status.get("nodeName") or "", addresses)


def wanted(machines: Iterable[Machine], gateways: Mapping[str, IPv4Address]) -> Routes:
    """Return the routes that these machines need; ``gateways`` maps node names to fabric addresses."""
    placed = (machine for machine in machines if machine.node in gateways)
    return {address: gateways[machine.node] for machine in placed for address in machine.addresses}


def changes(current: Routes, target: Routes, device: str) -> tuple[str, ...]:
    """Return the `ip` commands that lead from one set of routes to another."""
    gone = tuple(f"route delete {address}/32 dev {device}" for address in current if address not in target)
    new = tuple(
        f"route replace {address}/32 via {gateway} dev {device}"
        for address, gateway in target.items()
        if current.get(address) != gateway
    )
    return gone + new


async def read_routes(device: str) -> Routes:
    """Return the /32 routes that stand now."""
    entries = json.loads(await run("ip", "-json", "route", "show", "dev", device) or "[]")
    return {
        IPv4Address(entry["dst"]): IPv4Address(entry["gateway"])
        for entry in entries
        if "gateway" in entry and _is_address(entry["dst"])
    }


async def follow(layout: Layout, api: Api) -> None:
    """List all machines, then follow their changes until the watch ends."""
    machines, version = await _list(api)
    changed = asyncio.Event()
    changed.set()
    async with asyncio.TaskGroup() as group:
        updating = group.create_task(_update(layout, machines, changed))
        await _watch(api, version, machines, changed)
        updating.cancel()


async def _update(layout: Layout, machines: Mapping[str, Machine], changed: asyncio.Event) -> None:
    gateways = {node.name: node.address for node in layout.nodes(MAXIMUM_NODES)}
    current = await read_routes(layout.uplink)
    while True:
        await changed.wait()
        changed.clear()
        target = wanted(machines.values(), gateways)
        commands = changes(current, target, layout.uplink)
        if commands:
            await run("ip", "-batch", "-", text="\n".join(commands))
        current = target
        await asyncio.sleep(BREATH)


async def _watch(api: Api, version: str, machines: dict[str, Machine], changed: asyncio.Event) -> None:
    path = f"{MACHINES}?watch=1&allowWatchBookmarks=true&resourceVersion={version}"
    async with aclosing(api.watch(path)) as lines:
        async for line in lines:
            if _take(machines, json.loads(line)):
                changed.set()


async def _list(api: Api) -> tuple[dict[str, Machine], str]:
    machines: dict[str, Machine] = {}
    following = ""
    while True:
        page = await api.get(f"{MACHINES}?limit={PAGE}&continue={following}")
        if page is None:
            raise Unavailable("there are no virtual machines in this API yet")
        machines |= {machine.uid: machine for machine in map(parse, page["items"])}
        following = page["metadata"].get("continue", "")
        if not following:
            return machines, page["metadata"]["resourceVersion"]


def _take(machines: dict[str, Machine], event: Body) -> bool:
    if event["type"] == "ERROR":
        raise Unavailable(str(event["object"].get("message")))
    if event["type"] == "BOOKMARK":
        return False
    machine = parse(event["object"])
    before = machines.pop(machine.uid, None)
    if event["type"] != "DELETED":
        machines[machine.uid] = machine
    return machines.get(machine.uid) != before


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(IPv4Address(text))
    return False


async def keep(layout: Layout) -> None:
    """Keep the routes right, for ever."""
    async with connect(layout) as api:
        while True:
            try:
                await follow(layout, api)
            except* OperatorError:
                pass  # an API server that is away, or an interface: begin again from what stands
            await asyncio.sleep(RETRY)


def main(arguments: list[str]) -> int:
    """Keep the routes of the sandbox in a state directory and slot."""
    state, number = arguments
    asyncio.run(keep(Layout(Path(state), int(number))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
