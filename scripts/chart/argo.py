"""Health checks for GitOps: the one Lua script that tells Argo CD how every kind of ours is."""

import json
from collections.abc import Iterable
from pathlib import Path

from drover.api.registry import DEFINITIONS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "manifests" / "gitops"
SCRIPT = FOLDER / "argocd" / "health.lua"


def kinds() -> list[str]:
    """Names of all kinds."""
    return sorted(definition.kind.name for definition in DEFINITIONS)


def customizations(script: str) -> str:
    """Render what Argo CD calls resource customizations, as JSON by group and kind."""
    return json.dumps({f"drover.dev/{kind}": {"health.lua": script} for kind in kinds()}, indent=2) + "\n"


def config_map(script: str, notice: str) -> str:
    """Render a patch of Argo CD's ConfigMap."""
    lines = [
        f"# {notice}",
        "# kubectl -n argocd patch configmap argocd-cm --type merge --patch-file argocd-cm.yaml",
        "apiVersion: v1",
        "kind: ConfigMap",
        "metadata:",
        "  name: argocd-cm",
        "  namespace: argocd",
        "data:",
        *_entries(kinds(), script),
    ]
    return "\n".join(lines) + "\n"


def _entries(names: Iterable[str], script: str) -> Iterable[str]:
    for name in names:
        yield f"  resource.customizations.health.drover.dev_{name}: |"
        yield from (f"    {line}".rstrip() for line in script.rstrip("\n").split("\n"))
