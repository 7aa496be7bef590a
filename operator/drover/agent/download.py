"""Fetching a file of an image, by a child process: `drover.agent.worker` is what runs there."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drover.agent.fetch.order import Result
from drover.agent.workers import Fetcher, Wanted, run_child
from drover.errors import Retryable
from drover.runtime.settings import AgentSettings


def make_fetcher(settings: AgentSettings) -> Fetcher:
    """Make the function that fetches."""

    async def fetch(wanted: Wanted, folder: Path) -> Result:
        told: dict[str, Any] = {}
        words = tuple(_words(wanted, folder, settings.image_stall_seconds))
        try:
            async with asyncio.timeout(settings.image_timeout_seconds):
                code = await run_child(words, told.update)
        except TimeoutError as error:
            raise Retryable(f"{wanted.image}: the download takes too long", reason="FetchTimeout") from error
        return _outcome(told, code, wanted)

    return fetch


def _words(wanted: Wanted, folder: Path, stall_seconds: float) -> Iterator[str]:
    yield from ("fetch", "--url", wanted.artifact.url, "--directory", str(folder))
    yield from ("--stall-seconds", str(stall_seconds))
    if wanted.disk:
        yield "--disk"
    if wanted.artifact.checksum:
        yield from ("--checksum", wanted.artifact.checksum)


def _outcome(told: Mapping[str, Any], code: int, wanted: Wanted) -> Result:
    if "result" in told:
        return Result(**told["result"])
    error = told.get("error") or {"reason": "FetchFailed", "message": f"the download ended with exit code {code}"}
    raise Retryable(f"{wanted.image}: {error['message']}", reason=error["reason"])
