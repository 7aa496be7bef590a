"""Health checks for Flux: expressions by kind, as its Kustomizations take them."""

from typing import Any

from scripts.chart import argo

from drover.api.kinds import GROUP, VERSION

READY = "status.conditions.filter(c, c.type == 'Ready')"
CURRENT = "(!has(status.observedGeneration) || status.observedGeneration >= metadata.generation)"
SETTLED = f"has(status.conditions) && {CURRENT} && {READY}.size() == 1"
IDLE = ("NotNeeded", "NotFetched", "NotReported", "Pending")
"""Reasons of what nobody needs yet."""
HOPELESS = ("InvalidSpec", "CrashLoopBackOff", "ChecksumMismatch", "DigestMismatch", "VolumeLost")
"""Reasons that only a person can remove."""
PASSIVE = frozenset({"NetworkAddress"})
"""Kinds without a state."""


def checks() -> list[dict[str, Any]]:
    """Give the expressions of every kind that has conditions."""
    return [_check(kind) for kind in argo.kinds() if kind not in PASSIVE]


def _check(kind: str) -> dict[str, Any]:
    idle = "" if kind == "VirtualMachine" else f" || {READY}[0].reason in {list(IDLE)}"
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind,
        "current": f"{SETTLED} && ({READY}[0].status == 'True'{idle})",
        "inProgress": f"!({SETTLED})",
        "failed": f"{SETTLED} && {READY}[0].status == 'False' && {READY}[0].reason in {list(HOPELESS)}",
    }


def documents() -> list[dict[str, Any]]:
    """Give the whole example: a source, a release, and machines that come after it."""
    return [_repository(), _release(), _machines()]


def _meta(name: str, space: str = "flux-system") -> dict[str, str]:
    return {"name": name, "namespace": space}


def _repository() -> dict[str, Any]:
    spec = {"interval": "10m", "url": "https://git.example/drover.git", "ref": {"tag": "v0.1.0"}}
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": _meta("drover"),
        "spec": spec,
    }


def _release() -> dict[str, Any]:
    source = {"kind": "GitRepository", "name": "drover"}
    spec = {
        "interval": "10m",
        "releaseName": "drover",
        "targetNamespace": "drover-system",
        "chart": {"spec": {"chart": "./helm/drover", "sourceRef": source}},
        "install": {"createNamespace": True, "crds": "Create"},
        "upgrade": {"crds": "CreateReplace"},
        "test": {"enable": True},
    }
    return {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": _meta("drover"), "spec": spec}


def _machines() -> dict[str, Any]:
    spec = {
        "interval": "10m",
        "path": "./shop",
        "prune": False,
        "wait": True,
        "timeout": "15m",
        "sourceRef": {"kind": "GitRepository", "name": "machines"},
        "targetNamespace": "shop",
        "healthCheckExprs": checks(),
    }
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": _meta("machines"),
        "spec": spec,
    }
