"""The worker as the agent runs it: arguments in, lines of JSON out, and no life after the agent's."""

import asyncio
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

from tests.unit.agent import images
from tests.unit.agent.webserver import content, stall, website

from drover.agent.fetch.order import Order

PACKAGE = Path(__file__).parents[3] / "operator"
WORKER = (sys.executable, "-m", "drover", "worker", "fetch")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PACKAGE)}
DEADLINE = 20.0
AGENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def written(url: str, folder: Path, **wishes: Any) -> bytes:
    """An order as the agent hands it over."""
    return Order(url, folder, **{"kind": "File", "hosts": "127.0.0.1", **wishes}).to_json()


async def run(order: bytes) -> tuple[int | None, list[dict[str, Any]]]:
    """Exit code and what was told."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*WORKER, stdin=pipe, stdout=pipe, env=ENVIRONMENT)
    output, _ = await child.communicate(order)
    return child.returncode, [json.loads(line) for line in output.splitlines()]


async def test_a_fetch_tells_its_progress_and_its_result(tmp_path: Path) -> None:
    async with website(content(images.RAW)) as site:
        code, told = await run(written(site.url, tmp_path, kind="Disk"))

    assert code == 0
    assert {"progress": {"stage": "Downloading", "done": len(images.RAW), "total": len(images.RAW)}} in told
    assert told[-2] == {"progress": {"stage": "Converting", "done": 100, "total": 100}}
    assert told[-1]["result"]["virtual_size"] == len(images.RAW)
    assert told[-1]["result"]["digest"] == images.sha256(images.RAW)


async def test_a_failure_tells_its_reason(tmp_path: Path) -> None:
    async with website(content(b"<html>")) as site:
        code, told = await run(written(site.url, tmp_path, kind="Disk"))

    assert code == 1
    assert told[-1]["error"]["reason"] == "UnknownFormat"


async def test_a_server_that_falls_silent_is_given_up_when_the_agent_says(tmp_path: Path) -> None:
    async with website(stall(images.KERNEL, 5000)) as site:
        _, told = await run(written(site.url, tmp_path, stall_seconds=0.2))

    assert told[-1]["error"]["reason"] == "Stalled"


async def test_a_worker_dies_with_its_agent(tmp_path: Path) -> None:
    async with website(stall(images.KERNEL, 1 << 16)) as site:
        words = (sys.executable, "-c", AGENT, *WORKER)
        pipe = asyncio.subprocess.PIPE
        agent = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, env=ENVIRONMENT)
        assert agent.stdin is not None
        assert agent.stdout is not None
        agent.stdin.write(written(site.url, tmp_path))
        agent.stdin.close()
        worker = os.pidfd_open(int(await agent.stdout.readline()))
        agent.send_signal(signal.SIGKILL)
        await agent.wait()

        assert await asyncio.to_thread(ended, worker)


def ended(process: int) -> bool:
    return bool(select.select([process], [], [], DEADLINE)[0])
