"""A line to the API server that can be cut while others still reach it, and the story of one node's informer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.support import accounts
from tests.system.world import World, eventually

from drover.api.kinds import DOMAIN
from drover.kube.client import Cluster
from drover.kube.connection import Endpoint, Secret
from drover.runtime.informer import Informer, Watch
from drover.state.objects import Domain, read_domain
from drover.state.resource import Key, Meta, read_meta

NAMESPACE = "default"


@dataclass
class Line:
    """Passes bytes on to one server, until it is cut."""

    host: str
    port: int
    whole: bool = True
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    ends: set[asyncio.StreamWriter] = field(default_factory=set)

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if not self.whole:
                self.refused.set()
            else:
                far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
                self.ends |= {writer, far_writer}
                await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
        writer.close()

    def cut(self) -> None:
        self.whole = False
        for end in self.ends:
            end.transport.abort()
        self.ends.clear()

    def mend(self) -> None:
        self.whole = True


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def laid(endpoint: Endpoint) -> AsyncIterator[tuple[Line, Endpoint]]:
    """Lay a line to the endpoint; gives it and the endpoint at its near end."""
    there = urlsplit(endpoint.server)
    line = Line(str(there.hostname), there.port or 443)
    server = await asyncio.start_server(line.join, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield line, replace(endpoint, server=f"https://127.0.0.1:{port}")
    line.cut()
    server.close()


@dataclass
class Story:
    """One node's informer at the near end of a line, and somebody with a line of their own."""

    world: World
    line: Line
    informer: Informer
    others: Cluster
    near: Cluster
    node: str
    made: list[Meta] = field(default_factory=list)

    def held(self) -> dict[str, int]:
        """Names of the Domains the informer holds, with their epochs."""
        return {found.meta.key.name: found.spec.epoch for found in self.informer.store(DOMAIN).values()}

    async def apply(self, name: str, epoch: int = 1, *, node: str = "", by: Cluster | None = None) -> Meta:
        """Write a Domain, on this node unless told otherwise."""
        content = {"spec": _spec(node or self.node, epoch)}
        body = await (by or self.others).apply(DOMAIN, Key(NAMESPACE, name), content, manager="drover-controller")
        assert body is not None
        self.made.append(read_meta(body))
        return self.made[-1]

    async def delete(self, name: str) -> None:
        """Delete a Domain, whichever incarnation it is."""
        found = await self.others.get(DOMAIN, Key(NAMESPACE, name))
        if found is not None:
            await self.others.delete(DOMAIN, read_meta(found).key, uid=read_meta(found).uid)

    async def restart_server(self) -> None:
        """Kill the API server and wait until it answers again."""
        await asyncio.to_thread(self.world.sandbox, "kill", "kube-apiserver")
        await asyncio.to_thread(eventually, "the API server", self._server_is_ready)

    def _server_is_ready(self) -> bool:
        return self.world.try_kubectl("get", "--raw", "/readyz").stdout == "ok"

    async def sees(self, expected: dict[str, int], seconds: float = 15.0) -> float:
        """Wait until the informer holds exactly this; gives the seconds it took."""
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds):
                while self.held() != expected:  # noqa: ASYNC110 - the store tells of single changes only
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{self.held()} is not {expected}") from None
        return asyncio.get_running_loop().time() - started


@asynccontextmanager
async def told(world: World, node: str, token: Path | None = None) -> AsyncIterator[Story]:
    """Tell a story about the informer of a node that nobody else uses, which may prove itself by a token."""
    endpoint = accounts.endpoint(world, accounts.CONTROLLER)  # nobody else may write Domains
    watch: Watch[Domain] = Watch(DOMAIN, read_domain, fields=f"spec.nodeName={node}")
    async with (
        laid(endpoint) as (line, near_end),
        Cluster(_by_token(near_end, token), user_agent="drover-agent/test") as near,
        Cluster(endpoint, user_agent="somebody") as others,
    ):
        story = Story(world, line, Informer(near, [watch], resync=300.0), others, near, node)
        yield story
        for meta in story.made:
            await story.delete(meta.key.name)


@asynccontextmanager
async def following(story: Story) -> AsyncIterator[None]:
    """Prime the informer and let it follow the cluster."""
    stop = asyncio.Event()
    await story.informer.prime()
    running = asyncio.create_task(story.informer.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 1.0)


def _by_token(endpoint: Endpoint, token: Path | None) -> Endpoint:
    return endpoint if token is None else replace(endpoint, certificate=None, key=None, token=Secret(token))


def _spec(node: str, epoch: int) -> dict[str, object]:
    return {
        "nodeName": node,
        "virtualMachine": {"name": "web", "uid": "u"},
        "uuid": "6f1a0c9e-0000-4000-8000-000000000001",
        "epoch": epoch,
        "powerState": "Stopped",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 1,
        "machine": {"cores": 1, "memoryBytes": 1 << 27},
    }
