from pathlib import Path

import pytest

from drover.errors import Unsupported
from drover.sandbox import binaries
from drover.sandbox.layout import Layout


def install(directory: Path, *names: str) -> Path:
    directory.mkdir()
    for name in names:
        (directory / name).write_text("#!/bin/sh\n")
        (directory / name).chmod(0o755)
    return directory


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DROVER_KUBERNETES_BIN", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def test_the_named_directory_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path / "path", *binaries.PROGRAMS)
    monkeypatch.setenv("DROVER_KUBERNETES_BIN", str(install(tmp_path / "named", *binaries.PROGRAMS)))

    assert binaries.kubernetes().found == tmp_path / "named"


def test_a_named_directory_that_lacks_a_program_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DROVER_KUBERNETES_BIN", str(install(tmp_path / "named", "etcd", "kubectl")))

    with pytest.raises(Unsupported, match="kube-apiserver"):
        binaries.kubernetes()


def test_a_lone_kubectl_on_the_path_is_not_taken(tmp_path: Path) -> None:
    install(tmp_path / "path", "kubectl")

    assert binaries.kubernetes().found is None
    assert not binaries.kubernetes().ready


def test_what_was_built_is_found_again(tmp_path: Path) -> None:
    place = binaries.kubernetes()
    place.cached.mkdir(parents=True)

    assert binaries.kubernetes().ready
    assert place.cached.is_relative_to(tmp_path / "cache")


async def test_kubectl_is_bound_to_the_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DROVER_KUBERNETES_BIN", str(install(tmp_path / "named", *binaries.PROGRAMS)))
    layout = Layout(tmp_path / "my box", 1)
    await binaries.provide_kubernetes(layout)

    assert f"KUBECONFIG='{layout.kubeconfig}'" in layout.kubectl.read_text()
    assert (layout.bin / "etcd").resolve() == tmp_path / "named" / "etcd"


def test_the_version_built_is_the_version_told() -> None:
    required = (binaries.CONTROLPLANE.source / "go.mod").read_text()

    assert f"k8s.io/kubernetes v{binaries.KUBERNETES_VERSION}\n" in required


def test_helm_and_containerd_are_built_at_the_versions_told() -> None:
    assert f"helm.sh/helm/v3 v{binaries.HELM_VERSION}" in (binaries.HELM.source / "go.mod").read_text()
    assert {"kubelet", "kube-proxy"} <= set(binaries.CONTROLPLANE.links)


@pytest.mark.parametrize(
    "module", [binaries.CONTROLPLANE, binaries.NODE, binaries.HELM], ids=lambda module: module.name
)
def test_every_dependency_of_a_module_is_pinned(module: binaries.Module) -> None:
    assert (module.source / "go.sum").stat().st_size > 10_000


def test_only_real_nodes_need_their_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path / "path", *binaries.PROGRAMS, "kwok")

    assert binaries.ready(nodes=False)
    assert not binaries.ready(nodes=True)
