"""Fetching a file of an image, by a child process: `drover.agent.worker` is what runs there."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drover.agent.fetch.order import Order, Result
from drover.agent.workers import Fetcher, Told, Wanted, run_child
from drover.errors import Retryable
from drover.runtime.settings import AgentSettings


def make_fetcher(settings: AgentSettings) -> Fetcher:
    """Make the function that fetches."""

    async def fetch(wanted: Wanted, folder: Path, progress: Told) -> Result:
        last: dict[str, Any] = {}

        def told(line: dict[str, Any]) -> None:
            last.update(line)
            if "progress" in line:
                progress(line["progress"]["stage"], _percent(line["progress"]))

        order = _order(wanted, folder, settings).to_json()
        try:
            async with asyncio.timeout(settings.image_timeout_seconds):
                code = await run_child(("fetch",), order, told)
        except TimeoutError as error:
            raise Retryable(f"{wanted.image}: the download takes too long", reason="FetchTimeout") from error
        return _outcome(last, code, wanted)

    return fetch


def _percent(progress: Mapping[str, Any]) -> int | None:
    total = progress["total"]
    return min(100, progress["done"] * 100 // total) if total else None


def _order(wanted: Wanted, folder: Path, settings: AgentSettings) -> Order:
    return Order(
        url=wanted.artifact.url,
        directory=folder,
        kind=wanted.kind,
        checksum=wanted.artifact.checksum or "",
        hosts=settings.image_hosts,
        maximum_bytes=settings.image_maximum_bytes,
        stall_seconds=settings.image_stall_seconds,
        least_rate=settings.image_least_rate,
    )


def _outcome(told: Mapping[str, Any], code: int, wanted: Wanted) -> Result:
    if "result" in told:
        return Result(**told["result"])
    error = told.get("error") or {"reason": "FetchFailed", "message": f"the download ended with exit code {code}"}
    raise Retryable(f"{wanted.image}: {error['message']}", reason=error["reason"])
