"""The parts of a sandbox brought up side by side, each as soon as what it needs is there."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from drover.sandbox import (
    binaries,
    cache,
    controlplane,
    guestimage,
    images,
    install,
    node,
    realnode,
    registration,
    release,
    routes,
    seed,
    supervise,
)
from drover.sandbox.api import Api
from drover.sandbox.layout import Layout
from drover.sandbox.progress import Progress
from drover.sandbox.settings import Settings

KUBELET_DEADLINE = 30.0


@dataclass(frozen=True, slots=True)
class Raising:
    """One sandbox being brought to what is wanted; ``served`` is set once its API can be used."""

    layout: Layout
    api: Api
    wanted: Settings
    shown: Progress
    served: asyncio.Event = field(default_factory=asyncio.Event)


async def everything(job: Raising) -> None:
    """Raise control plane, nodes and guest image, then Drover and its first guest."""
    kind = _real if job.wanted.real else _pretended
    await asyncio.gather(_control_plane(job), kind(job), _guest_image(job))
    if job.wanted.has_guest:
        with job.shown.step("vm/hello of manifests/examples/quickstart.yaml"):
            await install.quickstart(job.layout, job.api)


async def _control_plane(job: Raising) -> None:
    real = job.wanted.real
    with job.shown.step("programs of the control plane"):
        if not binaries.ready(nodes=real):
            job.shown.note(f"building programs once, about {9 if real else 5} minutes on two cores")
        others = () if real else (binaries.provide_kwok(job.layout),)
        await asyncio.gather(binaries.provide_kubernetes(job.layout, nodes=real), *others)
    with job.shown.step(f"API server at {job.layout.api_url}"):
        await supervise.keep(job.layout, controlplane.servers(job.layout))
        await controlplane.ready(job.layout, job.api)
    with job.shown.step("controller-manager and scheduler"):
        await supervise.keep(job.layout, (*controlplane.clients(job.layout, real=real), routes.component(job.layout)))
        job.served.set()
        await controlplane.accounts(job.layout, job.api)


async def _guest_image(job: Raising) -> None:
    with job.shown.step("guest image tiny"):
        await guestimage.provide(job.layout)
        await supervise.keep(job.layout, [images.component(job.layout)])


def _capabilities() -> Path:
    return cache.root() / "qemu-capabilities"


async def _pretended(job: Raising) -> None:
    """Raise nodes whose kubelets are kwok's, and Drover as processes of the checkout."""
    await asyncio.gather(_hosts(job), _kubelets(job))
    if job.wanted.drover:
        with job.shown.step("controller and agents"):
            await install.ready(job.layout, job.api, job.wanted)


async def _hosts(job: Raising) -> None:
    nodes = job.layout.nodes(job.wanted.nodes)
    with job.shown.step(f"{len(nodes)} emulated hypervisor hosts"):
        await asyncio.gather(*(node.raise_node(job.layout, item, _capabilities()) for item in nodes))


async def _kubelets(job: Raising) -> None:
    await job.served.wait()
    nodes = job.layout.nodes(job.wanted.nodes)
    with job.shown.step("kubelets"):
        await asyncio.gather(*(registration.register(job.api, item, job.wanted) for item in nodes))
        if job.wanted.drover:
            await install.apply_definitions(job.layout, job.api)
            await install.start(job.layout, job.api, job.wanted)
        for item in nodes:
            await supervise.ready(job.layout, "kwok", partial(registration.ready, job.api, item), KUBELET_DEADLINE)


async def _real(job: Raising) -> None:
    """Raise nodes that run containers, and Drover among these."""
    nodes = job.layout.nodes(job.wanted.nodes)
    with job.shown.step("programs and images of the nodes"):
        held = await _images(job)
    with job.shown.step(f"{len(nodes)} emulated hypervisor hosts with containerd"):
        await realnode.open_routes(job.layout, len(nodes))
        await asyncio.gather(*(realnode.raise_node(job.layout, item, _capabilities(), held) for item in nodes))
    await job.served.wait()
    with job.shown.step("kubelets and the cluster's name server"):
        await realnode.serve_names(job.layout, held.coredns)
        await asyncio.gather(*(realnode.ready(job.layout, job.api, item) for item in nodes))
        await asyncio.gather(*(seed.complete(job.layout, item, held.archives) for item in nodes))
    if job.wanted.drover:
        with job.shown.step("helm upgrade --install drover helm/drover --wait"):
            await release.apply(job.layout, job.wanted, release.reference(held.archives))
            await release.ready(job.layout, job.api, job.wanted)


async def _images(job: Raising) -> seed.Images:
    programs = binaries.provide_node_programs(job.layout)
    if job.wanted.drover:
        _, ours, _ = await asyncio.gather(programs, release.archives(job.layout, job.shown), binaries.helm())
    else:
        await programs
        ours = {}
    held = await seed.prepare(ours)
    await seed.begin(job.layout, job.layout.nodes(job.wanted.nodes), held.archives)
    return held
