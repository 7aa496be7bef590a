"""The supervisor process: keeps every component of one sandbox running, and takes orders on a socket.

Run as ``python -m drover.sandbox.supervisor STATE SLOT``. It plays what the kubelet and systemd do on real machines:
a component that was killed is back within a third of a second. Killing the supervisor touches no component; the next
one adopts what still runs. An order is one JSON line, ``{"verb": …, "names": […]}``, and so is its answer.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict

from drover.sandbox import component, process, slot, sweep
from drover.sandbox.component import Component
from drover.sandbox.layout import Layout
from drover.sandbox.unit import DidNotStart, Unit

RUNNING_DEADLINE = 30.0
HEARTBEAT = 5.0
LINE_LIMIT = 4 * 1024 * 1024


class Order(TypedDict, total=False):
    """What a client asks for."""

    verb: str
    names: list[str]
    signal: str
    components: list[dict[str, object]]


@dataclass(slots=True)
class Supervisor:
    """All units of one sandbox."""

    layout: Layout
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    units: dict[str, Unit] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def listing(self) -> Path:
        """File that lists the components, for the next supervisor."""
        return self.layout.run / "components.json"

    def save(self) -> None:
        """Write the list of components to disk."""
        component.save(self.listing, [unit.component for unit in self.units.values()])

    async def notify(self) -> None:
        """Wake everyone who waits for a change of some unit."""
        async with self.changed:
            self.changed.notify_all()

    def chosen(self, names: list[str]) -> list[Unit]:
        """Return the named units; an unknown name is an error that tells the known ones."""
        unknown = [name for name in names if name not in self.units]
        if unknown:
            raise ValueError(f"no component {', '.join(unknown)}; there are {', '.join(sorted(self.units))}")
        return [self.units[name] for name in names]

    def host_pid(self, unit: Unit) -> int | None:
        """Return pid 1 of the node a unit lives in, 0 for a unit outside nodes, ``None`` while the node is off."""
        if not unit.component.node:
            return 0
        host = self.units.get(unit.component.node)
        return host.identity.pid if host is not None and host.running and host.identity else None


async def keep(supervisor: Supervisor, unit: Unit) -> None:
    """Run a unit whenever it is wanted and its node is on, for ever."""
    unit.adopt()
    while True:
        if unit.identity is None:
            async with supervisor.changed:
                await supervisor.changed.wait_for(lambda: unit.wanted and supervisor.host_pid(unit) is not None)
            await _start(supervisor, unit)
        await supervisor.notify()
        await unit.ended()
        await supervisor.notify()
        await unit.rest()


async def _start(supervisor: Supervisor, unit: Unit) -> None:
    try:
        await unit.start(supervisor.host_pid(unit) or 0)
    except (DidNotStart, TimeoutError, OSError) as error:
        _say(f"{unit.component.name} did not start: {type(error).__name__} {error}")
        unit.signal(signal.SIGKILL)


async def order_keep(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Take on components; those that run unchanged are left alone, changed ones are restarted."""
    wanted = component.decode(order["components"])
    units = [await _keep_one(supervisor, item) for item in wanted]
    supervisor.save()
    await supervisor.notify()
    return units


async def _keep_one(supervisor: Supervisor, item: Component) -> Unit:
    known = supervisor.units.get(item.name)
    if known is None:
        known = supervisor.units[item.name] = Unit(item, supervisor.layout, supervisor.changed)
        supervisor.tasks[item.name] = asyncio.create_task(keep(supervisor, known), name=item.name)
    elif known.component != item:
        known.component = item
        await known.terminate()
    known.wanted = True
    return known


async def order_drop(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Stop components and forget them."""
    units = await order_stop(supervisor, order)
    for unit in units:
        supervisor.units.pop(unit.component.name)
        supervisor.tasks.pop(unit.component.name).cancel()
    supervisor.save()
    return []


async def order_stop(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Stop components until they are started again."""
    units = supervisor.chosen(order["names"])
    for unit in units:
        unit.wanted = False
    await supervisor.notify()
    await asyncio.gather(*(unit.terminate() for unit in units))
    await _until(supervisor, lambda: all(unit.idle for unit in units))
    return units


async def order_start(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Want components again and wait until they run."""
    units = supervisor.chosen(order["names"])
    for unit in units:
        unit.wanted = True
    await supervisor.notify()
    await _until(supervisor, lambda: all(unit.running for unit in units))
    return units


async def order_restart(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Stop components, start them again and wait until they run."""
    await order_stop(supervisor, order)
    return await order_start(supervisor, order)


async def order_kill(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Send components a signal, KILL unless another is given; they come back by themselves."""
    number = signal.Signals[f"SIG{order.get('signal', 'KILL')}"]
    units = supervisor.chosen(order["names"])
    for unit in units:
        unit.signal(number)
    return units


async def order_status(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Report the named components, all if none is named."""
    return supervisor.chosen(order.get("names") or list(supervisor.units))


async def order_shutdown(supervisor: Supervisor, order: Order) -> list[Unit]:
    """Cut the power of everything and end."""
    del order
    units = list(supervisor.units.values())
    for unit in units:
        unit.wanted = False
        unit.signal(signal.SIGKILL)
    await supervisor.notify()
    await _until(supervisor, lambda: all(unit.idle for unit in units))
    supervisor.over.set()
    return units


VERBS: dict[str, Callable[[Supervisor, Order], Awaitable[list[Unit]]]] = {
    "keep": order_keep,
    "drop": order_drop,
    "stop": order_stop,
    "start": order_start,
    "restart": order_restart,
    "kill": order_kill,
    "status": order_status,
    "shutdown": order_shutdown,
}


async def _until(supervisor: Supervisor, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(RUNNING_DEADLINE), supervisor.changed:
        await supervisor.changed.wait_for(condition)


async def answer(supervisor: Supervisor, line: bytes) -> dict[str, object]:
    """Carry out one order and return the answer."""
    order: Order = json.loads(line)
    try:
        units = await VERBS[order["verb"]](supervisor, order)
    except TimeoutError:
        return {"error": f"{order['verb']} took longer than {RUNNING_DEADLINE:.0f} s"}
    except (KeyError, ValueError) as error:
        return {"error": str(error)}
    return {"reports": [asdict(unit.report()) for unit in units]}


async def serve(supervisor: Supervisor) -> None:
    """Take orders until told to shut down, or until the state directory is gone."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            reply = await answer(supervisor, await reader.readline())
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    path = supervisor.layout.control_socket
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(client, path, limit=LINE_LIMIT)
    async with server:
        await _until_over(supervisor)
        await asyncio.sleep(0)  # the answer to the last order leaves first


async def _until_over(supervisor: Supervisor) -> None:
    while not supervisor.over.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await supervisor.over.wait()
        if not supervisor.listing.exists():
            await order_shutdown(supervisor, {})
            await sweep.clear(supervisor.layout)


async def supervise(layout: Layout) -> None:
    """Adopt what an earlier supervisor left, then serve."""
    slot.hold(layout, process.myself())
    supervisor = Supervisor(layout)
    for item in component.load(supervisor.listing):
        await _keep_one(supervisor, item)
    supervisor.save()
    await serve(supervisor)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def main(arguments: list[str]) -> int:
    """Run the supervisor of the sandbox in a state directory and slot."""
    state, number = arguments
    asyncio.run(supervise(Layout(Path(state), int(number))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
