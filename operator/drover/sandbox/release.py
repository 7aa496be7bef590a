"""Drover on real nodes, as users install it: the image built from the checkout, the chart, Helm."""

import asyncio
from functools import partial
from pathlib import Path

import yaml

from drover.errors import Unavailable
from drover.sandbox import binaries, image, install, seed, supervise
from drover.sandbox.api import Api
from drover.sandbox.command import run
from drover.sandbox.layout import CHECKOUT, NAMESPACE, Layout
from drover.sandbox.progress import Progress
from drover.sandbox.realnode import BOOT_ID
from drover.sandbox.settings import Settings

CHART = CHECKOUT / "helm" / "drover"
NAME = "drover"
CONTROLLER = "deployment/drover-controller"
AGENT = "daemonset/drover-agent"
PATIENCE = "120s"
HYPERVISOR_DEADLINE = 60.0

Values = dict[str, object]


async def archives(layout: Layout, shown: Progress) -> seed.Archives:
    """Return the image of the checkout as it is now, building it if need be."""
    archive = await image.provide(layout, shown)
    return {image.name_of(archive): archive}


def reference(archives: seed.Archives) -> str:
    """Return the reference of Drover's own image among others."""
    return next(name for name in archives if name.startswith(f"{image.REPOSITORY}:"))


def values(layout: Layout, settings: Settings, reference: str) -> Values:
    """Return what the chart is told about this sandbox; everything else is as users have it."""
    repository, tag = reference.rsplit(":", 1)
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "controller": {
            "replicas": settings.controllers,
            "podDisruptionBudget": settings.controllers > 1,
            "extraEnv": dict(settings.environment),
        },
        "agent": {"extraEnv": dict(settings.environment), "bootIDFile": BOOT_ID},
        "defaults": {"network": {"cidr": str(layout.vm_network)}},
    }


async def apply(layout: Layout, settings: Settings, image_name: str) -> None:
    """Install the chart, or upgrade to it, and wait until every pod of it is the new one and ready."""
    file = layout.etc / "values.yaml"
    file.write_text(yaml.safe_dump(values(layout, settings, image_name), sort_keys=False))
    namespace = ("--namespace", NAMESPACE)
    wait = ("--wait", "--timeout", PATIENCE)
    await helm(layout, "upgrade", "--install", NAME, CHART, *namespace, "--create-namespace", "--values", file, *wait)
    # Helm is content while an agent is still missing: as many as the DaemonSet may lack in an update.
    for workload in (CONTROLLER, AGENT):
        await install.kubectl(layout, *namespace, "rollout", "status", workload, f"--timeout={PATIENCE}")


async def helm(layout: Layout, *arguments: str | Path) -> str:
    """Run Helm on the sandbox and return its output."""
    home = layout.etc / "helm"
    environment = {
        "KUBECONFIG": str(layout.kubeconfig),
        "HELM_CACHE_HOME": str(home),
        "HELM_CONFIG_HOME": str(home),
        "HELM_DATA_HOME": str(home),
    }
    return await run(await binaries.helm(), *arguments, environment=environment)


async def ready(layout: Layout, api: Api, settings: Settings) -> None:
    """Wait until every node's Hypervisor reports Ready."""
    probes = [(f"kubelet-{item.name}", partial(install.reports, api, item)) for item in layout.nodes(settings.nodes)]
    await asyncio.gather(*(supervise.ready(layout, name, probe, HYPERVISOR_DEADLINE) for name, probe in probes))


async def reload(layout: Layout, settings: Settings, shown: Progress) -> str:
    """Build the image of the checkout as it is now, give it to the nodes and upgrade to it; return its reference."""
    if not settings.drover:
        raise Unavailable("Drover is not installed in this sandbox")
    new = await archives(layout, shown)
    await asyncio.gather(*(seed.complete(layout, item, new) for item in layout.nodes(settings.nodes)))
    await apply(layout, settings, reference(new))
    return reference(new)
