"""What a user has: kubectl, the guests' addresses, and, for faults, the hands of somebody at the machines."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml
from tests.support import server

from drover.sandbox import __main__ as command_line
from drover.sandbox import control, supervise
from drover.sandbox.guestimage import ARGUMENTS
from drover.sandbox.layout import DATA

T = TypeVar("T")
Object = dict[str, Any]

SOURCE = Path(__file__).resolve().parents[2] / "operator"
EXAMPLES = SOURCE.parent / "manifests" / "examples"
NEEDED = re.compile(r"Needs the image (\w+) of ([\w-]+)\.yaml")
"""How an example says that another one's image has to be there."""
IMAGE = "VirtualMachineImage"
PAUSE = 0.1
BOOT = 90.0
"""Seconds a guest may take to boot on a machine that is busy with others."""


ORDERS = frozenset({"heal", "kill", "partition", "power-off", "power-on", "start", "stop"})
"""What is done to the components of a sandbox: the command line's own words, but without its half second to start."""
SETTINGS = (
    "DROVER_RESYNC_SECONDS=20",
    "DROVER_NODE_LEASE_STALE_SECONDS=25",
    "DROVER_IMAGE_STALL_SECONDS=3",
    "DROVER_IMAGE_PLAIN_REGISTRIES=images.drover.internal:5000",
)
"""What controller and agents are told in every test, so that none of them takes minutes."""


def told(*pairs: str) -> list[str]:
    """Write the options that have controller and agents told this, and nothing of what other tests told them."""
    return [word for pair in (*SETTINGS, *pairs) for word in ("--set-env", pair)]


def eventually(what: str, look: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Look again and again until something truthy is seen; fail naming what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(PAUSE)


def hold(what: str, look: Callable[[], bool], seconds: float) -> None:
    """See that something stays true for a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert look(), f"did not hold: {what}"
        time.sleep(PAUSE)


@dataclass(frozen=True)
class World:
    """One running sandbox."""

    state: Path

    @property
    def address(self) -> str:
        """Where this machine is to be found from the nodes."""
        server = self.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
        return str(urlsplit(server).hostname)

    def sandbox(self, *words: str, check: bool = True) -> str:
        """Run ``drover sandbox`` on this sandbox; orders to what runs there without a process of their own."""
        if words[0] in ORDERS:
            code = command_line.main([words[0], "--state-dir", str(self.state), *words[1:]])
            assert not check or code == 0, words
            return ""
        command = [sys.executable, "-m", "drover", "sandbox", *words[:1], "--state-dir", str(self.state), *words[1:]]
        found = os.environ | {"PYTHONPATH": str(SOURCE)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=found)
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def node(self, name: str, *command: str, check: bool = True) -> str:
        """Run a command on a node, as ``drover sandbox exec`` does."""
        layout = control.attach(self.state)
        (report,) = asyncio.run(supervise.status(layout, name))
        assert report.pid or not check, f"{name} is {report.state}"
        if not report.pid:
            return ""
        words = ["bash", str(DATA / "node-enter.sh"), str(report.pid), control.find_node(layout, name).cgroup, *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def try_kubectl(self, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl and give what it said, whatever it was."""
        command = [str(self.state / "bin" / "kubectl"), *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=300, check=False)

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl and expect success."""
        done = self.try_kubectl(*words, given=given)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def get(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """Read one object, None when it is not there."""
        return server.read(self.state / "kubeconfig", server.KINDS[kind], name, namespace)

    def merge(self, kind: str, name: str, patch: Object, namespace: str = "default") -> None:
        """Change some fields of an object."""
        server.merge(self.state / "kubeconfig", server.KINDS[kind], name, namespace, patch)

    def list(self, kind: str, *words: str) -> list[Object]:
        """Read all objects of a kind."""
        items: list[Object] = json.loads(self.kubectl("get", kind, *words, "-o", "json"))["items"]
        return items

    def http(self, ip: str, path: str = "/", timeout: float = 2.0) -> str | None:
        """Ask a guest by HTTP from outside its node; None when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{ip}{path}", timeout=timeout) as answer:
                return str(answer.read(65536).decode())
        except (OSError, urllib.error.URLError, ValueError):
            return None


@dataclass
class Tenant:
    """A namespace of its own for one test."""

    world: World
    namespace: str
    applied: dict[tuple[str, str], Object] = field(default_factory=dict, compare=False)
    """What was applied and not changed otherwise since, by kind and name."""

    def apply(self, *objects: Object) -> None:
        """Apply objects as a user would."""
        self.world.kubectl("apply", "-n", self.namespace, "-f", "-", given=_documents(objects))
        self.applied.update({(each["kind"].lower(), each["metadata"]["name"]): each for each in objects})

    def example(self, name: str, instead: Mapping[str, str] | None = None) -> list[Object]:
        """Apply an example as its file has it, after the image that it says it needs; gives its objects.

        Words that cannot be the same everywhere, such as the name of a server, are replaced; all of them must be there.
        """
        text = adapted(name, instead or {})
        for image, origin in NEEDED.findall(text):
            self.apply(
                *(each for each in example(origin) if (each["kind"], each["metadata"]["name"]) == (IMAGE, image))
            )
        self.world.kubectl("apply", "-n", self.namespace, "-f", "-", given=text)
        objects = list(yaml.safe_load_all(text))
        self.applied.update({(each["kind"].lower(), each["metadata"]["name"]): each for each in objects})
        return objects

    def drift(self) -> str:
        """How what is still there differs from what was applied, as a pipeline would see it by either way to apply."""
        there = self._there()
        if not there:
            return ""
        given = [self.applied[each] for each in there]
        done = self.world.try_kubectl("diff", "-n", self.namespace, "-f", "-", given=_documents(given))
        # kubectl's own note of what was applied would differ by the way alone: only what is asked for is compared.
        wanted = {each: self._wanted(self.applied[each]) for each in there}
        differing = [f"{each}: {there[each]} != {wanted[each]}" for each in there if there[each] != wanted[each]]
        return "\n".join((done.stdout + done.stderr, *differing)).strip()

    def _there(self) -> dict[tuple[str, str], Object]:
        """Give what is asked for by the objects that were applied and are still there."""
        found = {(kind, name): self.world.get(kind, name, self.namespace) for kind, name in self.applied}
        return {each: body.get("spec", {}) for each, body in found.items() if body is not None}

    def _wanted(self, applied: Object) -> Object:
        """Give what would be asked for if an object were applied on the server's side."""
        found = server.applied(self.world.state / "kubeconfig", applied, self.namespace)
        return dict((found or {}).get("spec", {}))

    def refused(self, *objects: Object) -> str:
        """Apply objects that must be refused; give the message."""
        done = self.world.try_kubectl("apply", "-n", self.namespace, "-f", "-", given=_documents(objects))
        assert done.returncode != 0, "was accepted"
        return done.stderr

    def kubectl(self, *words: str) -> str:
        """Run kubectl in this namespace; what it patches is meant to differ from what was applied."""
        if words[0] == "patch":
            self.forget(words[1].rpartition("/")[2], words[2])
        return self.world.kubectl(*words, "-n", self.namespace)

    def forget(self, *names: str) -> None:
        """Let these differ from what was applied."""
        self.applied = {key: each for key, each in self.applied.items() if key[1] not in names}

    def try_kubectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl in this namespace and give what it said, whatever it was."""
        return self.world.try_kubectl(*words, "-n", self.namespace)

    def machine(self, name: str) -> "Machine":
        """Name a machine of this namespace."""
        return Machine(self, name)

    def start(self, name: str = "web", **spec: Any) -> "Machine":
        """Apply a tiny machine and wait until it is ready."""
        self.apply(make_machine(name, **spec))
        return self.machine(name).ready()


@dataclass(frozen=True)
class Machine:
    """One machine, seen through kubectl and its own HTTP server."""

    tenant: Tenant
    name: str

    @property
    def object(self) -> Object:
        """The VirtualMachine as it is."""
        found = self.tenant.world.get("vm", self.name, self.tenant.namespace)
        assert found is not None, f"vm/{self.name} is gone"
        return found

    @property
    def status(self) -> Object:
        """Its status."""
        return dict(self.object.get("status", {}))

    @property
    def uid(self) -> str:
        """Its uid, which is also the guest's uuid."""
        return str(self.object["metadata"]["uid"])

    @property
    def node(self) -> str:
        """Where it is."""
        return str(self.status["nodeName"])

    @property
    def ip(self) -> str:
        """Its first address."""
        return str(self.status["addresses"][0]["ip"])

    def condition(self, kind: str) -> Object:
        """One condition, empty when absent."""
        return next((dict(c) for c in self.status.get("conditions", []) if c["type"] == kind), {})

    def patch(self, **spec: Any) -> None:
        """Change fields of the spec, which is then meant to differ from what was applied."""
        self.tenant.forget(self.name)
        self.tenant.world.merge("vm", self.name, {"spec": spec}, self.tenant.namespace)

    def annotate(self, **annotations: str) -> None:
        """Set annotations of ours."""
        ours = {f"drover.dev/{name}": text for name, text in annotations.items()}
        self.tenant.world.merge("vm", self.name, {"metadata": {"annotations": ours}}, self.tenant.namespace)

    @property
    def settled(self) -> bool:
        """Whether it runs, and is what its spec asks for now."""
        seen, synced = self.object, self.condition("Synced")
        current = synced.get("observedGeneration") == seen["metadata"]["generation"]
        return current and synced.get("status") == "True" and seen["status"]["phase"] == "Running"

    def renew(self, wanted: Object) -> "Machine":
        """Ask for exactly what was applied, whatever was asked for since, and wait until it is had."""
        config, kind = self.tenant.world.state / "kubeconfig", server.KINDS["vm"]
        server.respecify(config, kind, self.name, self.tenant.namespace, wanted["spec"])
        self.tenant.applied[(wanted["kind"].lower(), self.name)] = wanted
        eventually(f"vm/{self.name} to be as it was", lambda: self.settled, BOOT)
        return self.ready()

    def ready(self, seconds: float = BOOT) -> "Machine":
        """Wait as a user does: kubectl wait."""
        self.tenant.kubectl("wait", "--for=condition=Ready", f"vm/{self.name}", f"--timeout={seconds:.0f}s")
        return self

    def reach(self, phase: str, seconds: float = BOOT) -> "Machine":
        """Wait until the STATUS column says so."""
        eventually(
            f"vm/{self.name} to be {phase}, not {self.status}", lambda: self.status.get("phase") == phase, seconds
        )
        return self

    def ask(self, path: str) -> str | None:
        """Ask the guest by HTTP."""
        return self.tenant.world.http(self.ip, path)

    def boots(self) -> int:
        """The boot counter on the guest's disk."""
        return int(eventually(f"{self.name}'s boot counter", lambda: self.ask("/boots"), BOOT))

    def uptime(self) -> float:
        """Seconds since the guest's kernel started."""
        return float(eventually(f"{self.name}'s uptime", lambda: self.ask("/cgi-bin/uptime"), BOOT))

    def virsh(self, *words: str, check: bool = True) -> str:
        """Do something to the guest behind everybody's back, on its node."""
        return self.tenant.world.node(self.node, "virsh", "-q", words[0], self.uid, *words[1:], check=check)

    def delete(self) -> None:
        """Delete as a user does: kubectl returns when it is gone."""
        self.tenant.kubectl("delete", "vm", self.name, "--timeout=120s")


def adapted(name: str, instead: Mapping[str, str]) -> str:
    """Read an example with some of its words replaced."""
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in instead.items():
        assert old in text, f"{name}.yaml does not say {old}"
        text = text.replace(old, new)
    return text


def example(name: str) -> list[Object]:
    """Read the objects of an example."""
    return list(yaml.safe_load_all(adapted(name, {})))


def make_machine(name: str, *, disk: str | None = "64Mi", **spec: Any) -> Object:
    """Write a tiny machine with one disk and one interface, probed by HTTP, that loses no time in stopping."""
    probe = {"httpGet": {"port": 80}, "periodSeconds": 1}
    defaults: Object = {
        "cpu": {"cores": 1},
        "memory": {"size": "96Mi"},
        "kernel": {"image": "library/tiny"},
        "readinessProbe": probe,
        "terminationGracePeriodSeconds": 10,
    }
    disks = {"disks": [{"name": "root", "size": disk}]} if disk else {}
    content = {field: value for field, value in (defaults | disks | spec).items() if value is not None}
    return make_object("VirtualMachine", name, content)


def make_object(kind: str, name: str, spec: Object) -> Object:
    """Write an object of ours."""
    return {"apiVersion": "drover.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def make_kernel_image(name: str = "tiny", **more: Any) -> Object:
    """Write the image of the tiny guest."""
    base = "http://images.drover.internal/tiny"
    kernel = {
        "source": {"type": "HTTP", "http": {"url": f"{base}/vmlinuz"}},
        "initrd": {"source": {"type": "HTTP", "http": {"url": f"{base}/initrd.img"}}},
        "arguments": ARGUMENTS,
    }
    return make_object("VirtualMachineImage", name, {"type": "Kernel", "kernel": kernel, **more})


def _documents(objects: Iterable[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def numbered(prefix: str) -> Iterator[str]:
    """Give names that no two tests share."""
    for number in range(1, 10_000):
        yield f"{prefix}{number}"
