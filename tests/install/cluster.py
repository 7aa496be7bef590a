"""What whoever installs Drover has besides kubectl: Helm, an image of the next version, and a look at the agents."""

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.system.world import SOURCE, Machine, Object, World, eventually

from drover.sandbox.layout import NAMESPACE

CHART = SOURCE.parent / "helm" / "drover"
RELEASE = "drover"
KIND_OF_IMAGE = "localhost/drover"


@dataclass(frozen=True)
class Helm:
    """Helm on one sandbox."""

    world: World
    program: Path

    def run(self, *words: str) -> str:
        """Run Helm in the namespace of the release and give what it says."""
        state = self.world.state
        homes = {f"HELM_{name}_HOME": str(state / "etc" / "helm") for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **homes, "KUBECONFIG": str(state / "kubeconfig")}
        command = [str(self.program), "--namespace", NAMESPACE, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment)
        assert done.returncode == 0, f"helm {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def install(self, *words: str) -> str:
        """Install or upgrade as a user does, with the values of this sandbox, and wait for every pod."""
        values = ("--values", str(self.world.state / "etc" / "values.yaml"))
        said = self.run("upgrade", "--install", RELEASE, str(CHART), *values, *words, "--wait", "--timeout", "120s")
        for workload in ("deployment/drover-controller", "daemonset/drover-agent"):
            self.world.kubectl("-n", NAMESPACE, "rollout", "status", workload, "--timeout=120s")
        return said


def find_helm(world: World) -> Helm:
    """Ask the sandbox for its Helm."""
    command = [sys.executable, "-m", "drover", "sandbox", "tool", "helm"]
    found = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, env=found)
    return Helm(world, Path(done.stdout.strip()))


def agent(world: World, node: str) -> Object:
    """Read the agent pod of a node that is not on its way out."""

    def living() -> Object | None:
        words = ("-n", NAMESPACE, "-l", "app.kubernetes.io/component=agent", f"--field-selector=spec.nodeName={node}")
        pods = world.list("pod", *words)
        return next((pod for pod in pods if "deletionTimestamp" not in pod["metadata"]), None)

    return eventually(f"an agent pod on {node}", living)


def is_ready(pod: Object) -> bool:
    """Tell whether a pod reports Ready."""
    conditions = pod["status"].get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def agent_serves(world: World, node: str, *, other_than: str = "") -> None:
    """Wait until the agent of a node is ready, and not the one that was."""
    eventually(
        f"another agent on {node}", lambda: (pod := agent(world, node)) and is_ready(pod) and run_of(pod) != other_than
    )


def run_of(pod: Object) -> str:
    """Name one run of a pod's first container."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    return str(statuses[0].get("containerID", ""))


def out_of_memory(world: World) -> list[str]:
    """Name the agent pods whose last run the kernel ended for want of memory."""
    pods = world.list("pod", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=agent")
    return [pod["metadata"]["name"] for pod in pods if "OOMKilled" in json.dumps(pod["status"])]


def agent_pids(world: World, node: str) -> list[str]:
    """Find the processes of the agent among those of its node, by their pids there."""
    lines = world.node(node, "ps", "-eo", "pid=,args=").splitlines()
    return [line.split()[0] for line in lines if "bin/drover agent" in line]


def conditions(world: World) -> dict[str, tuple[str, str]]:
    """Read every condition of machines, Domains and Hypervisors: its status and since when."""
    objects = [item for kind in ("vm", "domains.drover.dev", "hypervisors") for item in world.list(kind, "-A")]
    return {
        f"{item['kind']}/{item['metadata']['name']}/{found['type']}": (found["status"], found["lastTransitionTime"])
        for item in objects
        for found in item.get("status", {}).get("conditions", [])
    }


@dataclass(frozen=True)
class Life:
    """What one guest says of itself at one moment: how often it booted, and for how long it has run since."""

    machine: Machine
    boots: int
    uptime: float

    @property
    def unbroken(self) -> bool:
        """Whether the guest has run on since then, without another boot."""
        return self.machine.boots() == self.boots and self.machine.uptime() >= self.uptime


def life(machine: Machine) -> Life:
    """Ask a guest for its boots and uptime."""
    return Life(machine, machine.boots(), machine.uptime())


@dataclass
class Beats:
    """Heartbeats of the agents, by node, as moments in seconds."""

    seen: dict[str, list[float]] = field(default_factory=dict)

    def note(self, world: World) -> None:
        """Look at the Leases once."""
        for lease in world.list("lease", "-n", NAMESPACE):
            name = lease["metadata"]["name"]
            if name.startswith("drover-node-"):
                moment = datetime.fromisoformat(lease["spec"]["renewTime"]).timestamp()
                moments = self.seen.setdefault(name, [])
                moments.append(moment) if moment not in moments[-1:] else None

    def longest_gap(self) -> float:
        """Give the longest time between two beats of one agent."""
        return max(b - a for moments in self.seen.values() for a, b in pairwise(moments))


@contextmanager
def heartbeats(world: World) -> Iterator[Beats]:
    """Note every heartbeat of the agents meanwhile."""
    beats, over = Beats(), threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            beats.note(world)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield beats
    finally:
        over.set()
        watcher.join()


def current_image(world: World) -> str:
    """Give the reference of the image that the agents run."""
    daemons = world.get("daemonset", "drover-agent", NAMESPACE)
    assert daemons is not None
    return str(daemons["spec"]["template"]["spec"]["containers"][0]["image"])


def next_version(archive: Path, target: Path, tag: str) -> str:
    """Write an image that differs from an archived one by a label; give its reference."""
    reference = f"{KIND_OF_IMAGE}:{tag}"
    with tarfile.open(archive) as old, tarfile.open(target, "w") as new:
        (manifest,) = _read(old, "manifest.json")
        config = _read(old, manifest["Config"])
        config["config"].setdefault("Labels", {})["version"] = tag
        _put(new, "config.json", config)
        _put(new, "manifest.json", [{**manifest, "Config": "config.json", "RepoTags": [reference]}])
        for name in manifest["Layers"]:
            member = old.getmember(name)
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    return reference


def _read(archive: tarfile.TarFile, name: str) -> Any:
    member = archive.extractfile(name)
    assert member is not None, name
    return json.load(member)


def _put(archive: tarfile.TarFile, name: str, value: Any) -> None:
    content = json.dumps(value).encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def import_image(world: World, archive: Path) -> None:
    """Give both nodes an image."""
    for node in ("n1", "n2"):
        words = ("--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io", "images", "import")
        world.node(node, str(world.state / "bin" / "ctr"), *words, "--local", "--no-unpack=false", str(archive))
