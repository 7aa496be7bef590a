"""One component under supervision: started, watched to its end, started again as long as it is wanted."""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from drover.sandbox import process
from drover.sandbox.component import Component, Report, encode
from drover.sandbox.layout import DATA, Layout
from drover.sandbox.process import Identity

LOG_LIMIT = 20 * 1024 * 1024
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
STEADY_AFTER = 5.0
START_DEADLINE = 20.0
TICK = 0.005


class DidNotStart(Exception):
    """The process ended, or hung, before it counted as running."""


@dataclass(slots=True, eq=False)
class Unit:
    """A component, whether it is wanted, and the process that runs it now; ``changed`` is shared by all units."""

    component: Component
    layout: Layout
    changed: asyncio.Condition
    wanted: bool = True
    identity: Identity | None = None
    starting: bool = False
    restarts: int = 0
    pause: float = FIRST_PAUSE
    started_at: float = 0.0
    wrapper: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid_file(self) -> Path:
        """Where the process that counts is recorded."""
        return self.layout.run / f"{self.component.name}.pid"

    @property
    def running(self) -> bool:
        """Whether the process that counts is there, and ready."""
        return self.identity is not None and not self.starting

    @property
    def idle(self) -> bool:
        """Whether nothing of the component is left, not even a process to be reaped."""
        return self.identity is None and self.wrapper is None and not self.starting

    def report(self) -> Report:
        """Say how the component is."""
        pid = self.identity.pid if self.identity else 0
        return Report(self.component.name, _state(self), pid, self.restarts, self.component.node)

    def adopt(self) -> bool:
        """Take over a process that an earlier supervisor left, if it runs just what is wanted now."""
        found = process.read(self.pid_file)
        if found is not None and fingerprint(self.component) not in self.pid_file.read_text().split():
            found.signal(signal.SIGKILL)
            found = None
        self.identity = found
        return found is not None

    async def start(self, host_pid: int) -> None:
        """Start the process and wait until it counts as running; ``host_pid`` is pid 1 of the node it lives in."""
        self.starting = True
        self.started_at = time.monotonic()
        if self.component.ready_file:
            Path(self.component.ready_file).unlink(missing_ok=True)
        try:
            self.wrapper = launch(self.component, self.layout, host_pid)
            self.identity = await self._counted(self.wrapper)
            process.write(self.pid_file, self.identity, fingerprint(self.component))
            await self._ready(self.identity)
        finally:
            self.starting = False

    async def ended(self) -> None:
        """Wait for the end of the process and clear away what it leaves."""
        if self.identity is not None:
            await self.identity.ended()
        await self._reap()
        self.pid_file.unlink(missing_ok=True)
        self.identity = None
        if self.component.cleanup:
            cleanup = await asyncio.create_subprocess_exec(*self.component.cleanup, cwd="/")
            await cleanup.wait()

    async def rest(self) -> None:
        """Pause before the next start: short after a steady life, longer with every early death."""
        steady = time.monotonic() - self.started_at > STEADY_AFTER
        self.pause = FIRST_PAUSE if steady else min(LONGEST_PAUSE, 2 * self.pause)
        self.restarts += 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.pause), self.changed:
                await self.changed.wait_for(lambda: not self.wanted)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the process that counts, or to its wrapper while it starts; tell whether it was sent."""
        if self.identity is not None:
            sent = self.identity.signal(number)
            if number is signal.SIGCONT:
                self._wake()
            return sent
        if self.wrapper is not None and self.wrapper.poll() is None:
            self.wrapper.send_signal(number)
            return True
        return False

    async def terminate(self) -> None:
        """End the process: politely at first, by force after a grace."""
        current = self.identity
        if current is None or not self.component.grace:
            self.signal(signal.SIGKILL)
            return
        current.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.component.grace):
                await current.ended()
        except TimeoutError:
            current.signal(signal.SIGKILL)

    async def _counted(self, wrapper: subprocess.Popen[bytes]) -> Identity:
        async with asyncio.timeout(START_DEADLINE):
            while True:
                pid = inner(wrapper.pid) if self.component.contained else wrapper.pid
                identity = process.identify(pid) if pid else None
                if identity is not None:
                    return identity
                if wrapper.poll() is not None:
                    raise DidNotStart(f"exit code {wrapper.returncode}")
                await asyncio.sleep(TICK)

    async def _ready(self, identity: Identity) -> None:
        if not self.component.ready_file:
            return
        async with asyncio.timeout(START_DEADLINE):
            while not Path(self.component.ready_file).exists():
                if not identity.alive():
                    raise DidNotStart("ended before it was ready")
                await asyncio.sleep(TICK)

    def _wake(self) -> None:
        """Have the wrapper go on: nsenter stops when what it entered is stopped, and then reaps nothing."""
        if self.wrapper is not None and self.wrapper.poll() is None:
            self.wrapper.send_signal(signal.SIGCONT)

    async def _reap(self) -> None:
        if self.wrapper is None:
            return
        self._wake()
        outer = process.identify(self.wrapper.pid)
        if outer is not None:
            await outer.ended()
        self.wrapper.wait()
        self.wrapper = None


def _state(unit: Unit) -> str:
    if unit.starting:
        return "starting"
    if unit.identity is not None:
        return "running"
    return "waiting" if unit.wanted else "stopped"


def fingerprint(component: Component) -> str:
    """Return a short digest of everything that makes a component what it is."""
    text = json.dumps(encode([component]), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def inner(pid: int) -> int:
    """Return the child of a process that lives in a pid namespace of its own, 0 if there is none yet."""
    ours = process.pid_namespace(os.getpid())
    contained = (child for child in process.children(pid) if process.pid_namespace(child) not in {ours, ""})
    return next(contained, 0)


def launch(component: Component, layout: Layout, host_pid: int) -> subprocess.Popen[bytes]:
    """Start the process of a component, its output appended to its log file."""
    enter = ("bash", str(DATA / "node-enter.sh"), str(host_pid), component.cgroup) if component.node else ()
    environment = {**os.environ, **dict(component.environment), process.MARK: layout.mark}
    with open_log(layout.log(component.name)) as log:
        return subprocess.Popen(
            [*enter, *component.command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )


def open_log(path: Path) -> IO[bytes]:
    """Open a log file for appending; one grown past the limit is set aside first, replacing the one before it."""
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
