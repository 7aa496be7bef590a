"""Child processes, real ones."""

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drover.agent import workers
from drover.agent.download import make_fetcher
from drover.agent.fetch.order import Order, from_json
from drover.agent.workers import Wanted, run_child
from drover.api.domain import Artifact
from drover.errors import Retryable
from drover.runtime.settings import AgentSettings
from drover.state.host import VolumeFile
from drover.state.resource import Key

WANTED = Wanted("shop/debian", Artifact(url="http://web/debian.img", checksum="sha256:abc"), disk=True)
RESULT = {"digest": "sha256:abc", "file": "abc.qcow2", "size": 5, "format": "raw", "virtual_size": 9}


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that is run in place of the interpreter; it finds its arguments behind ``-m drover worker``."""
    script = tmp_path / "child"
    monkeypatch.setattr(sys, "executable", str(script))
    return script


def behave(child: Path, *lines: str) -> None:
    child.write_text("\n".join(["#!/bin/sh", *lines]))
    child.chmod(0o755)


async def test_each_line_that_a_child_tells_is_handed_on(child: Path) -> None:
    behave(child, """echo '{"progress": 1}'""", "echo nonsense", """echo '{"result": 2}'""", "exit 3")
    told: list[dict[str, Any]] = []

    assert await run_child(("fetch",), b"{}", told.append) == 3
    assert told == [{"progress": 1}, {"result": 2}]


async def test_a_child_ends_when_it_is_not_wanted_any_more(child: Path, tmp_path: Path) -> None:
    behave(child, "echo $$ > pid".replace("pid", str(tmp_path / "pid")), "echo '{}'", "exec sleep 60")
    begun = asyncio.Event()
    task = asyncio.create_task(run_child(("fetch",), b"{}", lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 10)

    task.cancel()
    await asyncio.wait({task}, timeout=10)

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_child_that_does_not_listen_is_killed(child: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "KILL_SECONDS", 0.1)
    behave(child, "trap '' TERM", "echo '{}'", "while :; do sleep 0.1; done")
    begun = asyncio.Event()
    task = asyncio.create_task(run_child(("fetch",), b"{}", lambda _: begun.set()))
    await asyncio.wait_for(begun.wait(), 10)

    task.cancel()

    assert await asyncio.wait({task}, timeout=10) == ({task}, set())


def fetcher(**settings: Any) -> workers.Fetcher:
    return make_fetcher(AgentSettings(node_name="n1", **settings), credentials, kept)


async def kept(pool: str, uid: str) -> VolumeFile | None:
    return VolumeFile(f"/pools/{pool}/{uid}.qcow2", 9, 5) if uid == "uid-1" else None


async def credentials(domain: Key, image: str, secret: str) -> dict[str, str]:
    return {"asked": f"{domain} {image} {secret}"}


async def test_a_download_is_asked_for_out_of_sight_of_whoever_lists_processes(child: Path, tmp_path: Path) -> None:
    behave(
        child, f'echo "$*" > {tmp_path}/words', f"cat > {tmp_path}/order", f"echo '{json.dumps({'result': RESULT})}'"
    )

    result = await fetcher(image_hosts="mirror.example")(WANTED, tmp_path, lambda *_: None)

    assert (result.file, result.virtual_size) == ("abc.qcow2", 9)
    assert (tmp_path / "words").read_text().split() == ["-m", "drover", "worker", "fetch"]
    expected = Order("http://web/debian.img", tmp_path, "Disk", checksum="sha256:abc", hosts="mirror.example")
    assert from_json((tmp_path / "order").read_bytes()) == expected


async def test_a_download_that_takes_a_secret_is_given_it(child: Path, tmp_path: Path) -> None:
    behave(child, f"cat > {tmp_path}/order", f"echo '{json.dumps({'result': RESULT})}'")
    artifact = WANTED.artifact.model_copy(update={"secret": "keys"})

    await fetcher()(replace(WANTED, artifact=artifact, domain=Key("shop", "web-1")), tmp_path, lambda *_: None)

    order = from_json((tmp_path / "order").read_bytes())
    assert order.credentials == {"asked": "shop/web-1 shop/debian keys"}


async def test_how_far_a_download_is_is_handed_on(child: Path, tmp_path: Path) -> None:
    lines = [{"progress": {"stage": "Downloading", "done": 5, "total": total}} for total in (20, None)]
    behave(child, *(f"echo '{json.dumps(line)}'" for line in (*lines, {"result": RESULT})))
    told: list[object] = []

    await fetcher()(WANTED, tmp_path, lambda *words: told.append(words))

    assert told == [("Downloading", 25), ("Downloading", None)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            """echo '{"error": {"reason": "ChecksumMismatch", "message": "it has another"}}'; exit 1""",
            "ChecksumMismatch",
        ),
        ("exit 9", "FetchFailed"),
    ],
)
async def test_a_download_that_fails_says_why(child: Path, tmp_path: Path, line: str, reason: str) -> None:
    behave(child, line)

    with pytest.raises(Retryable, match="shop/debian: ") as trouble:
        await fetcher()(WANTED, tmp_path, lambda *_: None)
    assert trouble.value.reason == reason


async def test_a_download_that_takes_too_long_is_given_up(child: Path, tmp_path: Path) -> None:
    behave(child, "exec sleep 60")

    with pytest.raises(Retryable) as trouble:
        await fetcher(image_timeout_seconds=0.2)(WANTED, tmp_path, lambda *_: None)
    assert trouble.value.reason == "FetchTimeout"


async def test_a_captured_image_is_taken_from_where_its_pool_has_it(child: Path, tmp_path: Path) -> None:
    behave(child, f"cat > {tmp_path}/order", f"echo '{json.dumps({'result': RESULT})}'")

    await fetcher()(replace(WANTED, artifact=Artifact(url="volume://fast/uid-1")), tmp_path, lambda *_: None)

    assert from_json((tmp_path / "order").read_bytes()).local == Path("/pools/fast/uid-1.qcow2")


async def test_a_captured_image_that_its_pool_does_not_have_is_lost(tmp_path: Path) -> None:
    with pytest.raises(Retryable, match="pool fast does not have its data") as caught:
        await fetcher()(replace(WANTED, artifact=Artifact(url="volume://fast/uid-2")), tmp_path, lambda *_: None)

    assert caught.value.reason == "CaptureLost"
