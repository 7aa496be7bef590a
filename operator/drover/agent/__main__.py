"""The agent process: caches, queues, libvirt, and what is served about them."""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from drover import __version__
from drover.agent import imagesweep, measure, strays
from drover.agent.domain import UNSEEN_SECONDS
from drover.agent.download import make_fetcher
from drover.agent.gate import StartGate
from drover.agent.heartbeat import announce, make_heartbeat
from drover.agent.hostdevice import HostDevices
from drover.agent.hypervisor import Hypervisors, News
from drover.agent.image import Images
from drover.agent.keys import Keys
from drover.agent.lastview import LastView
from drover.agent.memory import Memory
from drover.agent.node import Identity, Node
from drover.agent.orders import Orders, watches
from drover.agent.probe import Prober
from drover.agent.queues import Doorbell, connect, make_queues, wake_all
from drover.agent.secrets import NodeAPI
from drover.agent.seed import Seeds
from drover.agent.shared import SharedThings
from drover.agent.survey import Survey
from drover.agent.wiring import Cabling
from drover.api.kinds import DOMAIN, HYPERVISOR, Kind
from drover.hypervisor.host import Host, HostOptions
from drover.hypervisor.wires import Wires
from drover.kube.client import Cluster
from drover.kube.connection import endpoint_from_environment
from drover.kube.lease import Heartbeat
from drover.metrics import registry
from drover.metrics.agent import GuestMeters, watch_node, watch_queues
from drover.planning import libvirt_trouble
from drover.planning.imagecache import Rules
from drover.planning.restart import BackOff
from drover.runtime import health, kinds
from drover.runtime.health import Health
from drover.runtime.informer import Informer, Watch
from drover.runtime.process import run_process, run_until
from drover.runtime.reconciler import Reconciler
from drover.runtime.settings import AgentSettings
from drover.state.objects import read_hypervisor

HTTPS = 443


def main(arguments: Sequence[str]) -> int:
    """Run the agent until it is told to stop; give the exit code."""
    return run_process("agent", AgentSettings, start, arguments)


async def start(settings: AgentSettings, stop: asyncio.Event) -> None:
    """Work on the last view at once, and on what the API server says as soon as it answers."""
    endpoint = endpoint_from_environment()
    async with Cluster(endpoint, user_agent=f"drover-agent/{__version__}") as cluster:
        hypervisor = Watch(HYPERVISOR, read_hypervisor, fields=f"metadata.name={settings.node_name}")
        informer = Informer(cluster, (*watches(settings.node_name), hypervisor), resync=settings.resync_seconds)
        news, doorbell = News(), Doorbell()
        heartbeat = make_heartbeat(cluster, settings.namespace, settings.node_name)
        node = make_node(settings, informer, heartbeat, news, doorbell)
        queues = make_queues(node, informer)
        doorbell.ring = queues[DOMAIN].queue.add
        connect(node, informer, queues)
        informer.subscribe(HYPERVISOR, lambda _old, _new: news.tell())
        meters = _measure(node, queues)
        wake_all(node, queues)
        async with health.serve(settings.http_address, _health(node, informer, queues)), node.host:
            await run_until(
                stop,
                *(_work(node, queue, settings.workers) for queue in queues.values()),
                *(node.survey.run(), node.survey.trim(), node.prober.run(), measure.run(node, meters)),
                node.cabling.run(),
                heartbeat.run(stop),
                _follow(node, informer, queues, news, heartbeat, stop),
            )
            await node.images.close()


async def _work(node: Node, reconciler: Reconciler, workers: int) -> None:
    """Begin when libvirt answers, or when it is time to say that it does not."""
    with suppress(TimeoutError):
        async with asyncio.timeout(UNSEEN_SECONDS):
            await node.host.wait_connected()
    await reconciler.run(workers)


def make_node(
    settings: AgentSettings, informer: Informer, heartbeat: Heartbeat, news: News, doorbell: Doorbell
) -> Node:
    """Put together what the reconcilers share."""
    boot_id = settings.boot_id_file.read_text(encoding="ascii").strip()
    settings.state_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    cores = settings.start_parallelism or os.cpu_count() or 1
    host = Host(HostOptions(settings.libvirt_uri, settings.state_dir, boot_id, cores))
    orders, memory = Orders(informer, LastView(settings.state_dir / "view", boot_id)), Memory()
    api = NodeAPI(heartbeat.cluster, settings.namespace)
    fetch = make_fetcher(settings, api.credentials, host.volume)
    images = Images(settings.state_dir / "images", fetch, wake=doorbell, changed=news.tell)
    images.rules = Rules(settings.image_unused_seconds, settings.image_least_free_percent, settings.image_sweep_seconds)
    images.load()
    survey, wires, address = Survey(host, orders, wake=doorbell, changed=news.tell), Wires(), node_address(settings)
    return Node(
        identity=Identity(settings.node_name, boot_id, settings.state_dir, address),
        back_off=BackOff(
            base=settings.restart_backoff_base_seconds,
            limit=settings.restart_backoff_limit_seconds,
            reset=settings.restart_backoff_reset_seconds,
        ),
        cluster=heartbeat.cluster,
        host=host,
        orders=orders,
        memory=memory,
        images=images,
        seeds=Seeds(settings.state_dir / "seeds", api.read),
        keys=Keys(host.safe, api.passphrase),
        gate=StartGate(cores, doorbell),
        prober=Prober(lambda uuid, seconds: host.ping_guest(uuid, timeout_seconds=seconds), doorbell),
        survey=survey,
        shared=SharedThings(news.tell),
        wires=wires,
        cabling=Cabling(host, wires, orders, survey, doorbell, address),
        devices=HostDevices(host, settings.sysfs_dir, [each.offer() for each in settings.host_devices]),
        in_touch=heartbeat.is_fresh,
        changed=news.tell,
        pool_key=api.pool_key,
    )


def node_address(settings: AgentSettings) -> str:
    """Find the address at which other nodes reach this one: as told, else the one that leads to the API server."""
    if settings.node_address is not None:
        return str(settings.node_address)
    server = urlsplit(endpoint_from_environment().server)
    found = socket.getaddrinfo(server.hostname, server.port or HTTPS, type=socket.SOCK_DGRAM)
    family, kind, *_, where = found[0]
    with socket.socket(family, kind) as probe:
        # Nothing is sent: the kernel only chooses the way.
        probe.connect(where)
        return str(probe.getsockname()[0])


async def _follow(
    node: Node,
    informer: Informer,
    queues: dict[Kind, Reconciler],
    news: News,
    heartbeat: Heartbeat,
    stop: asyncio.Event,
) -> None:
    """Follow the API server as soon as it has been read, and report to it."""
    await announce(node, heartbeat)
    await kinds.check(node.cluster)
    await informer.prime()
    node.orders.settle()
    wake_all(node, queues)
    hypervisors = Hypervisors(node, informer.store(HYPERVISOR), news)
    await run_until(stop, hypervisors.run(), strays.run(node, queues), imagesweep.run(node), informer.run(stop))


def _health(node: Node, informer: Informer, queues: dict[Kind, Reconciler]) -> Health:
    return Health(
        live={
            "watch": health.watch_lives(lambda: informer.silence),
            **{f"queue {each.name}": health.queue_moves(partial(_stall, node, each)) for each in queues.values()},
        },
        ready={
            "caches": lambda: "" if node.orders.primed else "not filled yet",
            "libvirt": lambda: "" if node.host.connected else libvirt_trouble.explain(node.host.trouble),
        },
        metrics=registry.render,
    )


def _stall(node: Node, reconciler: Reconciler) -> float:
    """Seconds for which the queue has not moved; without libvirt it does not, and a restart would not help."""
    return reconciler.queue.stall if node.host.connected else 0.0


def _depth(reconciler: Reconciler) -> float:
    return reconciler.queue.depth


def _measure(node: Node, queues: dict[Kind, Reconciler]) -> GuestMeters:
    registry.build(__version__)
    watch_queues({each.name: partial(_depth, each) for each in queues.values()})
    watch_node(
        lambda: {
            "known": node.survey.count,
            "running": len(node.survey.running),
            "orphaned": len(node.survey.orphans or ()),
            "waiting": node.gate.waiting,
        }
    )
    return GuestMeters()
