"""Manifests for those who do not use Helm, rendered by it: sorted, and without what only Helm has a use for.

Rendering needs Helm. Where there is none, what was rendered is trusted when the chart has not changed since and nobody
changed the result: each file tells both digests in its second line.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from drover.sandbox import binaries
from drover.sandbox.layout import NAMESPACE

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "drover"
RELEASE = "drover"
KUBERNETES = "1.36.0"
WIDTH = 120
Object = dict[str, Any]

ORDER = (
    "Namespace",
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "PriorityClass",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "ConfigMap",
    "Service",
    "Deployment",
    "DaemonSet",
)
"""Policies come before the rights that they narrow."""
RIGHTS = frozenset(ORDER[:1] + ORDER[2:4] + ORDER[5:10])
"""Kinds without which processes may do nothing, or too much."""
HELMS_LABELS = ("app.kubernetes.io/managed-by", "helm.sh/chart")


class Plain(yaml.SafeDumper):
    """YAML without aliases: the API server's own tools do not read them everywhere."""

    def ignore_aliases(self, data: object) -> bool:
        """Write every value where it stands."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


Plain.add_representer(str, _text)


def helm() -> Path | None:
    """Find Helm: ``DROVER_HELM``, else ``PATH``, else what the sandbox has built."""
    named = os.environ.get("DROVER_HELM") or shutil.which("helm")
    place = binaries.find(binaries.HELM)
    built = (place.found or place.cached) / "helm"
    return Path(named) if named else (built if built.is_file() else None)


def template(program: Path, *words: str, namespace: str = NAMESPACE) -> list[Object]:
    """Render the chart; `words` are further arguments of ``helm template``."""
    command = [
        str(program),
        "template",
        RELEASE,
        str(CHART),
        "--namespace",
        namespace,
        "--kube-version",
        KUBERNETES,
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [body for body in yaml.safe_load_all(done.stdout) if body]


def place(body: Object) -> tuple[int, str, str]:
    """Where an object stands among others."""
    return ORDER.index(body["kind"]), body["kind"], body["metadata"]["name"]


def without_helm(body: Object) -> Object:
    """Leave out the labels that say that Helm manages an object."""
    metadata = body["metadata"]
    labels = {name: text for name, text in metadata.get("labels", {}).items() if name not in HELMS_LABELS}
    return {**body, "metadata": {**metadata, **({"labels": labels} if labels else {})}}


def namespace() -> Object:
    """Build the namespace: agents share network and process table of their nodes, which only `privileged` admits."""
    level = "pod-security.kubernetes.io"
    labels = {f"{level}/enforce": "privileged", f"{level}/audit": "privileged", f"{level}/warn": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def install(program: Path) -> list[Object]:
    """Everything that a cluster needs, in the order in which it is to be applied."""
    bodies = [namespace(), *template(program, "--no-hooks", "--include-crds")]
    return sorted(map(without_helm, bodies), key=place)


def rights(program: Path) -> list[Object]:
    """Accounts, what they may, and what policies let nobody: what processes need that run outside of the cluster."""
    return [body for body in install(program) if body["kind"] in RIGHTS]


def dump(bodies: Sequence[Object]) -> str:
    """Write objects as YAML documents."""
    return "---\n".join(yaml.dump(body, Dumper=Plain, sort_keys=False, width=WIDTH) for body in bodies)


MANIFESTS: dict[Path, Callable[[Path], list[Object]]] = {
    ROOT / "manifests" / "install.yaml": install,
    ROOT / "manifests" / "rbac.yaml": rights,
}


def digest(text: str) -> str:
    """Short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def ingredients() -> str:
    """Name everything that the manifests are made of."""
    paths = [*(path for path in sorted(CHART.rglob("*")) if path.is_file()), Path(__file__)]
    return digest("\n".join(f"{path.relative_to(ROOT)}\n{path.read_text(encoding='utf-8')}" for path in paths))


def manifests(notice: str) -> dict[Path, str]:
    """Content of every rendered manifest; without Helm what is there, if nothing speaks against it."""
    program = helm()
    return {path: _write(make(program), notice) if program else _trusted(path) for path, make in MANIFESTS.items()}


def _write(bodies: Sequence[Object], notice: str) -> str:
    text = dump(bodies)
    return f"# {notice}\n# of chart {ingredients()} as {digest(text)}\n{text}"


def _trusted(path: Path) -> str:
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    first, _, rest = found.partition("\n")
    second, _, text = rest.partition("\n")
    sound = second == f"# of chart {ingredients()} as {digest(text)}" and first.startswith("# ")
    return found if sound else f"rendered anew by scripts/generate.py, which needs Helm: {path.name}\n"
