"""The agent's process from its first moment: what it says when what it needs is not there."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

ADDRESS = "127.0.0.1:18931"
NOWHERE = "http://127.0.0.1:1"
KUBECONFIG = (
    "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
    f"clusters: [{{name: c, cluster: {{server: '{NOWHERE}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
)


@asynccontextmanager
async def started(folder: Path, listening: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run an agent without an API server, whose libvirt would listen on a socket."""
    (folder / "kubeconfig").write_text(KUBECONFIG)
    settings = {
        "KUBECONFIG": str(folder / "kubeconfig"),
        "DROVER_NODE_NAME": "n1",
        "DROVER_HTTP_ADDRESS": ADDRESS,
        "DROVER_STATE_DIR": str(folder / "state"),
        "DROVER_LIBVIRT_URI": f"qemu+unix:///system?socket={listening}",
    }
    command = (sys.executable, "-m", "drover", "agent")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **settings}, stderr=log, stdout=log)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def readiness(words: str) -> tuple[int, str]:
    """Ask until the answer about libvirt holds some words."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(f"http://{ADDRESS}/readyz") as answer:
                    said = json.loads(await answer.text())["checks"]["libvirt"]
                    if words in said:
                        return answer.status, said
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("listens", "words"),
    [
        pytest.param(False, "No such file or directory; install and start libvirtd", id="no socket"),
        pytest.param(True, "Connection refused; start libvirtd", id="nobody listens"),
    ],
)
async def test_an_agent_without_libvirt_stays_and_says_what_to_do(tmp_path: Path, *, listens: bool, words: str) -> None:
    path = tmp_path / "libvirt-sock"
    if listens:
        left_behind(path)
    async with started(tmp_path, path) as process:
        code, _ = await readiness(words)

        assert (code, process.returncode) == (503, None)


def left_behind(path: Path) -> None:
    """Leave a socket that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
