"""The client's side of the supervisor: start it, give it orders."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable

from drover.errors import InvalidSpec, Unavailable
from drover.sandbox import component, process
from drover.sandbox.component import Component, Report
from drover.sandbox.layout import Layout
from drover.sandbox.supervisor import LINE_LIMIT, Order
from drover.sandbox.unit import open_log

START_DEADLINE = 10.0
TICK = 0.02
PROBE_PERIOD = 0.05
DEATHS_ALLOWED = 3


async def ensure(layout: Layout) -> None:
    """Start the supervisor unless it runs, and wait until it takes orders."""
    if await answers(layout):
        return
    layout.short.mkdir(parents=True, exist_ok=True)
    with open_log(layout.log("supervisor")) as log:
        child = subprocess.Popen(  # noqa: ASYNC220  (it starts in a moment and stays)
            [sys.executable, "-m", "drover.sandbox.supervisor", str(layout.state), str(layout.slot)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **python_path(), process.MARK: layout.mark},
            cwd="/",
            start_new_session=True,
        )
    limit = time.monotonic() + START_DEADLINE
    while not await answers(layout):
        if child.poll() is not None or time.monotonic() > limit:
            raise Unavailable(f"the supervisor did not start; read {layout.log('supervisor')}")
        await asyncio.sleep(TICK)
    child.returncode = 0  # it outlives us: nobody is to wait for it


def python_path() -> dict[str, str]:
    """Return the environment by which a child process finds this very package."""
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]  # noqa: PTH100  (links stay)
    return {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}


async def answers(layout: Layout) -> bool:
    """Tell whether the supervisor runs."""
    try:
        await order(layout, {"verb": "status"})
    except Unavailable:
        return False
    return True


async def order(layout: Layout, wanted: Order) -> tuple[Report, ...]:
    """Give the supervisor an order and return the reports on the units concerned.

    ``Unavailable`` if it does not answer, ``InvalidSpec`` if it refuses.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(layout.control_socket, limit=LINE_LIMIT)
        writer.write(json.dumps(wanted).encode() + b"\n")
        line = await reader.readline()
        writer.close()
    except OSError as error:
        raise Unavailable(f"no sandbox is up at {layout.state}") from error
    reply = json.loads(line or b'{"error": "the supervisor hung up"}')
    if "error" in reply:
        raise InvalidSpec(reply["error"])
    return tuple(Report(**record) for record in reply["reports"])


async def keep(layout: Layout, components: Iterable[Component]) -> None:
    """Have components kept running."""
    await order(layout, {"verb": "keep", "components": component.encode(components)})


async def status(layout: Layout, *names: str) -> tuple[Report, ...]:
    """Report on components, all if none is named."""
    return await order(layout, {"verb": "status", "names": list(names)})


async def ready(layout: Layout, name: str, probe: Callable[[], Awaitable[bool]], deadline: float) -> None:
    """Wait until a component answers its probe; if it does not, or keeps dying, fail with the name of its log."""
    before = (await status(layout, name))[0].restarts
    limit = time.monotonic() + deadline
    while not await probe():
        deaths = (await status(layout, name))[0].restarts - before
        if deaths >= DEATHS_ALLOWED or time.monotonic() > limit:
            how = "keeps dying" if deaths else f"was not ready within {deadline:.0f} s"
            raise Unavailable(f"{name} {how}; read {layout.log(name)}")
        await asyncio.sleep(PROBE_PERIOD)
