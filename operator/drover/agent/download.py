"""Fetching a file of an image, by a child process: `drover.agent.worker` is what runs there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drover.agent.fetch.order import Order, Result
from drover.agent.workers import Fetcher, Told, Wanted, run_child
from drover.errors import Retryable
from drover.planning import imagesource
from drover.runtime.settings import AgentSettings
from drover.state.host import VolumeFile
from drover.state.resource import Key

Kept = Callable[[str, str], Awaitable[VolumeFile | None]]
"""Finds what a pool of this node keeps under a uid."""
Credentials = Callable[[Key, str, str], Awaitable[Mapping[str, str]]]
"""Reads the Secret that it takes to fetch an image for a Domain."""


def make_fetcher(settings: AgentSettings, credentials: Credentials, kept: Kept) -> Fetcher:
    """Make the function that fetches."""

    async def fetch(wanted: Wanted, folder: Path, progress: Told) -> Result:
        last: dict[str, Any] = {}

        def told(line: dict[str, Any]) -> None:
            last.update(line)
            if "progress" in line:
                progress(line["progress"]["stage"], _percent(line["progress"]))

        secret = wanted.artifact.secret
        known = await credentials(wanted.domain, wanted.image, secret) if secret and wanted.domain else {}
        local = await _local(wanted, kept)
        order = replace(_order(wanted, folder, settings), credentials=known, local=local).to_json()
        try:
            async with asyncio.timeout(settings.image_timeout_seconds):
                code = await run_child(("fetch",), order, told)
        except TimeoutError as error:
            raise Retryable(f"{wanted.image}: the download takes too long", reason="FetchTimeout") from error
        return _outcome(last, code, wanted)

    return fetch


async def _local(wanted: Wanted, kept: Kept) -> Path | None:
    """Find the file of a captured image; None of one that is fetched."""
    place = imagesource.place(wanted.artifact.url)
    if place is None:
        return None
    file = await kept(*place)
    if file is None:
        raise Retryable(f"{wanted.image}: pool {place[0]} does not have its data", reason="CaptureLost")
    return Path(file.path)


def _percent(progress: Mapping[str, Any]) -> int | None:
    total = progress["total"]
    return min(100, progress["done"] * 100 // total) if total else None


def _order(wanted: Wanted, folder: Path, settings: AgentSettings) -> Order:
    return Order(
        url=wanted.artifact.url,
        directory=folder,
        kind=wanted.kind,
        checksum=wanted.artifact.checksum or "",
        owner=wanted.owner,
        hosts=settings.image_hosts,
        plain_registries=[each for word in settings.image_plain_registries.split(",") if (each := word.strip())],
        maximum_bytes=settings.image_maximum_bytes,
        stall_seconds=settings.image_stall_seconds,
        least_rate=settings.image_least_rate,
    )


def _outcome(told: Mapping[str, Any], code: int, wanted: Wanted) -> Result:
    if "result" in told:
        return Result(**told["result"])
    error = told.get("error") or {"reason": "FetchFailed", "message": f"the download ended with exit code {code}"}
    raise Retryable(f"{wanted.image}: {error['message']}", reason=error["reason"])
