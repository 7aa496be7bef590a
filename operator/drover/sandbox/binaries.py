"""The programs of a cluster: found in ``DROVER_KUBERNETES_BIN``, else built once from source and kept in the cache.

Each Go module next to this file pins what it builds by its ``go.mod`` and ``go.sum``: ``controlplane`` (five minutes
on two cores), ``nodeprograms``, which only real nodes need (two minutes), and ``helm`` (one).
"""

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from drover.errors import Unsupported
from drover.sandbox import cache
from drover.sandbox.command import run
from drover.sandbox.layout import DATA, Layout

HERE = Path(__file__).parent
KUBERNETES_VERSION = "1.36.3"
KWOK = "sigs.k8s.io/kwok/cmd/kwok"
KWOK_VERSION = "v0.8.0"
HELM_VERSION = "3.22.0"
HELM_MODULE = "helm.sh/helm/v3"
CONTAINERD = "github.com/containerd/containerd/v2/cmd"
CNI = "github.com/containernetworking/plugins/plugins"
PLUGINS = ("bridge", "loopback", "host-local", "portmap")
PAUSE_FLAGS = ("-Os", "-static", "-s", "-Wall", "-Werror")


@dataclass(frozen=True, slots=True)
class Build:
    """One call of the compiler: packages that share their build tags and linker flags."""

    packages: tuple[str, ...]
    tags: str = ""
    link: str = "-s -w"
    cgo: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module of ours and the programs it gives; ``links`` names those that its one binary plays by name."""

    name: str
    programs: tuple[str, ...]
    builds: tuple[Build, ...]
    links: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """Directory of the module."""
        return HERE / self.name

    @property
    def cached(self) -> Path:
        """Where its programs are kept, named after everything they are made of."""
        files = (path for path in self.source.rglob("*") if path.is_file())
        return cache.root() / self.name / cache.digest(repr(self.builds).encode(), cache.contents(sorted(files)))


def _version_flags() -> str:
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.split(".")
    client = f"-X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES_VERSION}"
    numbers = f"-X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    return f"-s -w -X {version}.gitVersion=v{KUBERNETES_VERSION} {numbers} {client}"


def _helm_flags() -> str:
    # Without them `helm template` takes the cluster to be one of Kubernetes 1.20.
    major, minor, _ = KUBERNETES_VERSION.split(".")
    packages = ("pkg/chartutil", "pkg/lint/rules")
    told = (f"-X {HELM_MODULE}/{name}.k8sVersionMajor={major}" for name in packages)
    minors = (f"-X {HELM_MODULE}/{name}.k8sVersionMinor={minor}" for name in packages)
    return " ".join(("-s -w", f"-X {HELM_MODULE}/internal/version.version=v{HELM_VERSION}", *told, *minors))


PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
NODE_PROGRAMS = ("kubelet", "kube-proxy")
CONTROLPLANE = Module(
    "controlplane", PROGRAMS, builds=(Build((".",), link=_version_flags()),), links=(*PROGRAMS, *NODE_PROGRAMS)
)
NODE = Module(
    "nodeprograms",
    ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "coredns", *PLUGINS),
    builds=(
        Build(
            tuple(f"{CONTAINERD}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
            tags="no_btrfs no_devmapper no_zfs osusergo netgo static_build",
        ),
        Build((f"{CNI}/main/bridge", f"{CNI}/main/loopback", f"{CNI}/ipam/host-local", f"{CNI}/meta/portmap")),
        Build(("./coredns",)),
        Build(
            ("github.com/opencontainers/runc",),
            tags="seccomp netgo osusergo",
            link="-s -w -extldflags -static",
            cgo=True,
        ),
    ),
)
HELM = Module("helm", ("helm",), builds=(Build((f"{HELM_MODULE}/cmd/helm",), link=_helm_flags()),))


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that holds all programs wanted, ``None`` while it has yet to be built."""

    found: Path | None
    cached: Path

    @property
    def ready(self) -> bool:
        """Whether the programs can be used at once."""
        return self.found is not None or self.cached.is_dir()


def find(module: Module, programs: tuple[str, ...] = ()) -> Place:
    """Return where a module's programs are, or will be built; ``programs`` chooses among them."""
    named = os.environ.get("DROVER_KUBERNETES_BIN", "")
    holds = bool(named) and _holds(Path(named), programs or module.programs)
    return Place(Path(named) if holds else None, module.cached)


def kubernetes(*, nodes: bool = False) -> Place:
    """Return where the control plane's programs are, or will be built; with ``nodes`` those of real nodes too."""
    programs = (*PROGRAMS, *NODE_PROGRAMS) if nodes else PROGRAMS
    place = find(CONTROLPLANE, programs)
    named = os.environ.get("DROVER_KUBERNETES_BIN", "")
    if named and place.found is None:
        raise Unsupported(f"DROVER_KUBERNETES_BIN={named} lacks one of {', '.join(programs)}")
    on_path = (Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry)
    found = place.found or next((entry for entry in on_path if _holds(entry, programs)), None)
    return Place(found, place.cached)


def kwok() -> Place:
    """Return where kwok is, or will be built."""
    named = shutil.which("kwok")
    return Place(Path(named).parent if named else None, cache.root() / "kwok" / KWOK_VERSION)


def ready(*, nodes: bool) -> bool:
    """Tell whether nothing has to be built for a sandbox, with real nodes or without."""
    needed = (find(NODE), find(HELM)) if nodes else (kwok(),)
    return all(place.ready for place in (kubernetes(nodes=nodes), *needed))


async def provide_kubernetes(layout: Layout, *, nodes: bool = False) -> None:
    """Put the control plane's programs into the sandbox's bin directory, building them if need be."""
    place = kubernetes(nodes=nodes)
    directory = place.found or await _built(CONTROLPLANE)
    for program in (*PROGRAMS[:-1], *(NODE_PROGRAMS if nodes else ())):
        _link(layout.bin / program, directory / program)
    _write_kubectl(layout, directory / "kubectl")


async def provide_kwok(layout: Layout) -> None:
    """Put kwok into the sandbox's bin directory, building it if need be."""
    place = kwok()
    directory = place.found or await cache.built(place.cached, build_kwok)
    _link(layout.bin / "kwok", directory / "kwok")


async def provide_node_programs(layout: Layout) -> None:
    """Put what real nodes run into the sandbox's bin directory, building it if need be."""
    directory = await programs_of(NODE)
    for program in NODE.programs:
        _link(layout.bin / program, directory / program)


async def helm() -> Path:
    """Return Helm, building it if need be."""
    return await programs_of(HELM) / "helm"


async def programs_of(module: Module) -> Path:
    """Return the directory that holds a module's programs, building them if need be."""
    return find(module).found or await _built(module)


async def pause() -> Path:
    """Return the program that holds the namespaces of a pod, compiling it if need be."""
    source = DATA / "pause.c"
    key = cache.digest(source.read_bytes(), repr(PAUSE_FLAGS).encode())

    async def compile_it(target: Path) -> None:
        await run("gcc", *PAUSE_FLAGS, "-o", target / "pause", source)

    return await cache.built(cache.root() / "pause" / key, compile_it) / "pause"


async def _built(module: Module) -> Path:
    return await cache.built(module.cached, lambda aside: build(module, aside))


async def build(module: Module, target: Path) -> None:
    """Build a module's programs into a directory."""
    for step in module.builds:
        tags = ("-tags", step.tags) if step.tags else ()
        words = (
            "build",
            "-mod=readonly",
            "-trimpath",
            *tags,
            "-ldflags",
            step.link,
            "-o",
            f"{target}/",
            *step.packages,
        )
        await _go(words, directory=module.source, environment={"CGO_ENABLED": str(int(step.cgo))})
    for program in module.links:
        (target / program).symlink_to(module.name)


async def build_kwok(target: Path) -> None:
    """Build kwok from its published module."""
    install = ("install", "-trimpath", "-ldflags", "-s -w", f"{KWOK}@{KWOK_VERSION}")
    await _go(install, directory=target, environment={"GOBIN": str(target), "CGO_ENABLED": "0"})


async def _go(arguments: tuple[str, ...], *, directory: Path, environment: dict[str, str]) -> None:
    if shutil.which("go") is None:
        raise Unsupported("building the programs of a cluster needs Go 1.26; install it, or set DROVER_KUBERNETES_BIN")
    await run("go", *arguments, environment={"GOFLAGS": "-buildvcs=false", **environment}, directory=directory)


def _holds(directory: Path, programs: tuple[str, ...]) -> bool:
    return all(os.access(directory / program, os.X_OK) for program in programs)


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _write_kubectl(layout: Layout, program: Path) -> None:
    # The binary chooses its program by the name it is called by, so the link is named kubectl too.
    unbound = layout.bin / "unbound" / "kubectl"
    _link(unbound, program)
    kubeconfig = shlex.quote(str(layout.kubeconfig))
    script = f'#!/bin/sh\nKUBECONFIG={kubeconfig} exec {shlex.quote(str(unbound))} "$@"\n'
    layout.kubectl.write_text(script)
    layout.kubectl.chmod(0o755)
