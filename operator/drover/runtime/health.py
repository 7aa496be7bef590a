"""What a process tells about itself over HTTP: /metrics, /healthz and /readyz."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Check = Callable[[], str]
"""Gives an empty text when all is well, else what is wrong."""
STUCK_SECONDS = 120.0
"""Keys that wait so long without any being taken show that the queue stands still."""
SILENT_SECONDS = 180.0
"""A watch that brings nothing for so long, not even a bookmark, although the cluster answers, is dead."""
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Health:
    """What is served: `live` failing asks for a restart, `ready` failing for patience."""

    live: Mapping[str, Check]
    ready: Mapping[str, Check]
    metrics: Callable[[], bytes] = field(default=lambda: b"")


@asynccontextmanager
async def serve(address: str, health: Health) -> AsyncIterator[str]:
    """Serve on ``host:port`` while the context lasts; gives the address with the real port."""
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(_application(health), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        yield f"{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def queue_moves(stall: Callable[[], float]) -> Check:
    """Check that workers take keys when some wait; `stall` tells for how many seconds they have not."""
    return lambda: "" if stall() < STUCK_SECONDS else f"no key was taken for {stall():.0f} s"


def watch_lives(silence: Callable[[], float]) -> Check:
    """Check that the watches bring something; `silence` tells for how many seconds one has not."""
    return lambda: "" if silence() < SILENT_SECONDS else f"a watch brought nothing for {silence():.0f} s"


def _application(health: Health) -> web.Application:
    application = web.Application()

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=health.metrics(), headers={"Content-Type": METRICS_TYPE})

    async def live(_: web.Request) -> web.Response:
        return _verdict(health.live)

    async def ready(_: web.Request) -> web.Response:
        return _verdict(health.ready)

    application.add_routes([web.get("/metrics", metrics), web.get("/healthz", live), web.get("/readyz", ready)])
    return application


def _verdict(checks: Mapping[str, Check]) -> web.Response:
    answers = {name: check() for name, check in checks.items()}
    healthy = not any(answers.values())
    content = {"healthy": healthy, "checks": {name: answer or "ok" for name, answer in answers.items()}}
    return web.json_response(content, status=200 if healthy else 503)
