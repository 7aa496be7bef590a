"""The programs of the control plane: found in ``DROVER_KUBERNETES_BIN``, else on PATH, else built once from source.

The five programs come from one place, so that their versions fit. The build takes about four minutes on two cores and
is kept in the cache, keyed by the sources of the Go module in ``controlplane/``.
"""

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from drover.errors import Unsupported
from drover.sandbox import cache
from drover.sandbox.command import run
from drover.sandbox.layout import CONTROLPLANE_SOURCE, Layout

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
KUBERNETES_VERSION = "1.36.3"
KWOK = "sigs.k8s.io/kwok/cmd/kwok"
KWOK_VERSION = "v0.8.0"
SOURCES = ("main.go", "go.mod", "go.sum")


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that holds all programs wanted, ``None`` while it has yet to be built."""

    found: Path | None
    cached: Path

    @property
    def ready(self) -> bool:
        """Whether the programs can be used at once."""
        return self.found is not None or self.cached.is_dir()


def kubernetes() -> Place:
    """Return where the control plane's programs are, or will be built."""
    named = os.environ.get("DROVER_KUBERNETES_BIN", "")
    if named and not _holds(Path(named), PROGRAMS):
        raise Unsupported(f"DROVER_KUBERNETES_BIN={named} lacks one of {', '.join(PROGRAMS)}")
    on_path = (Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry)
    found = Path(named) if named else next((entry for entry in on_path if _holds(entry, PROGRAMS)), None)
    key = cache.digest(cache.contents(CONTROLPLANE_SOURCE / name for name in SOURCES))
    return Place(found, cache.root() / "kubernetes" / key)


def kwok() -> Place:
    """Return where kwok is, or will be built."""
    named = shutil.which("kwok")
    return Place(Path(named).parent if named else None, cache.root() / "kwok" / KWOK_VERSION)


async def provide_kubernetes(layout: Layout) -> None:
    """Put the control plane's programs into the sandbox's bin directory, building them if need be."""
    place = kubernetes()
    directory = place.found or await cache.built(place.cached, lambda aside: build_kubernetes(aside, layout))
    for program in PROGRAMS[:-1]:
        _link(layout.bin / program, directory / program)
    _write_kubectl(layout, directory / "kubectl")


async def provide_kwok(layout: Layout) -> None:
    """Put kwok into the sandbox's bin directory, building it if need be."""
    place = kwok()
    directory = place.found or await cache.built(place.cached, lambda aside: build_kwok(aside, layout))
    _link(layout.bin / "kwok", directory / "kwok")


async def build_kubernetes(target: Path, layout: Layout) -> None:
    """Build the one binary that holds all five programs, and a link for each."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    version = "k8s.io/component-base/version"
    flags = (
        "-s -w",
        f"-X {version}.gitVersion=v{KUBERNETES_VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}",
        f"-X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES_VERSION}",
    )
    source = target / "source"
    source.mkdir()
    for name in SOURCES:
        shutil.copyfile(CONTROLPLANE_SOURCE / name, source / name)
    binary = target / "controlplane"
    build = ("build", "-mod=readonly", "-trimpath", "-ldflags", " ".join(flags), "-o", str(binary), ".")
    await _go(build, directory=source, log=layout.log("build-kubernetes"))
    shutil.rmtree(source)
    for program in PROGRAMS:
        (target / program).symlink_to(binary.name)


async def build_kwok(target: Path, layout: Layout) -> None:
    """Build kwok from its published module."""
    install = ("install", "-trimpath", "-ldflags", "-s -w", f"{KWOK}@{KWOK_VERSION}")
    await _go(install, directory=target, log=layout.log("build-kwok"), environment={"GOBIN": str(target)})


async def _go(
    arguments: tuple[str, ...], *, directory: Path, log: Path, environment: dict[str, str] | None = None
) -> None:
    if shutil.which("go") is None:
        raise Unsupported("building the control plane needs Go 1.26; install it, or set DROVER_KUBERNETES_BIN")
    settings = {"CGO_ENABLED": "0", "GOFLAGS": "", **(environment or {})}
    await run("go", *arguments, environment=settings, directory=directory, log=log)


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
