"""The chart against a real API server: what it refuses there, and its smoke test."""

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from scripts.chart import render
from tests.cluster.stage import staged
from tests.support import accounts
from tests.support.helm import helm
from tests.system.world import World

from drover.kube.connection import read_kubeconfig

SMOKE = render.CHART / "files" / "smoke.py"
INSTALL = render.ROOT / "manifests" / "install.yaml"


def try_install(world: World, name: str, namespace: str) -> str:
    """Have Helm ask the API server what an installation would do; gives what it complains of."""
    words = ("install", name, str(render.CHART), "-n", namespace, "--dry-run=server")
    command = [str(helm()), *words, "--kubeconfig", str(world.state / "kubeconfig")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.fixture
def release(cluster_sandbox: World) -> Iterator[World]:
    """What is in the cluster belongs to a release."""
    kind = "clusterrole/drover-controller"
    notes = ["meta.helm.sh/release-name=first", f"meta.helm.sh/release-namespace={accounts.NAMESPACE}"]
    cluster_sandbox.kubectl("annotate", kind, *notes)
    yield cluster_sandbox
    cluster_sandbox.kubectl("annotate", kind, "meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-")


@pytest.mark.parametrize(("name", "namespace"), [("second", accounts.NAMESPACE), ("first", "default")])
def test_a_second_release_is_refused(release: World, name: str, namespace: str) -> None:
    words = f'installed in this cluster already, as release "first" in namespace "{accounts.NAMESPACE}"'

    assert words in try_install(release, name, namespace)


def test_what_was_installed_without_helm_is_not_taken_over(cluster_sandbox: World) -> None:
    assert "installed in this cluster without Helm" in try_install(cluster_sandbox, "drover", accounts.NAMESPACE)


@pytest.fixture
def smoke(cluster_sandbox: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that ``helm test`` runs, as a member of this process."""
    endpoint = read_kubeconfig(cluster_sandbox.state / "kubeconfig")
    assert endpoint.authority is not None
    (tmp_path / "ca.crt").write_text(endpoint.authority.read(), encoding="utf-8")
    monkeypatch.setenv("SMOKE_ACCOUNT", str(tmp_path))
    monkeypatch.setenv("SMOKE_SERVER", endpoint.server)
    monkeypatch.setenv("DROVER_NAMESPACE", accounts.NAMESPACE)
    allowed = [body for body in render.template(helm()) if body["metadata"]["name"] == "drover-smoke"]
    given = "\n---\n".join(json.dumps(body) for body in allowed if body["kind"] not in {"Pod", "ConfigMap"})
    cluster_sandbox.kubectl("apply", "-f", "-", given=given)
    (tmp_path / "token").write_text(accounts.token(cluster_sandbox, "drover-smoke"), encoding="utf-8")
    specification = importlib.util.spec_from_file_location("smoke", SMOKE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


async def test_the_smoke_test_passes_under_its_own_account(
    cluster_sandbox: World, smoke: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    async with staged(cluster_sandbox) as stage:
        await stage.start()
        found = {check.__name__: check() for check in smoke.CHECKS if check.__name__ != "nodes_report"}

    assert set(found.values()) == {""}, found


def test_the_smoke_test_names_a_node_that_is_not_ready(smoke: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    condition = {"type": "Ready", "status": "False", "message": "libvirt does not answer"}
    hypervisor = {"metadata": {"name": "n1"}, "status": {"conditions": [condition]}}
    monkeypatch.setattr(smoke, "call", lambda _path: (200, {"items": [hypervisor]}))

    assert smoke.nodes_report() == "n1: libvirt does not answer"


@pytest.fixture
def applied(cluster_sandbox: World) -> Iterator[World]:
    """The whole installation, as it is applied without Helm; no node is there to run anything."""
    cluster_sandbox.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(INSTALL))
    yield cluster_sandbox
    ours = ("-n", accounts.NAMESPACE, "-l", "app.kubernetes.io/part-of=drover")
    cluster_sandbox.kubectl("delete", "deployment,daemonset,service,pdb,networkpolicy,configmap", *ours)
    cluster_sandbox.kubectl("delete", "priorityclass", "-l", "app.kubernetes.io/part-of=drover")


@pytest.mark.parametrize("words", [(), ("--server-side", "--force-conflicts")], ids=["client", "server"])
def test_what_was_applied_does_not_drift(applied: World, words: tuple[str, ...]) -> None:
    assert applied.kubectl("diff", *words, "-f", str(INSTALL)) == ""


def test_the_base_for_kustomize_holds_the_same_objects(cluster_sandbox: World) -> None:
    def named(text: str) -> set[tuple[str, str]]:
        return {(body["kind"], body["metadata"]["name"]) for body in yaml.safe_load_all(text) if body}

    built = cluster_sandbox.kubectl("kustomize", str(INSTALL.parent))

    assert named(built) == named(INSTALL.read_text(encoding="utf-8"))
