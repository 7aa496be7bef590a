import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from drover.kube.connection import (
    SERVICE_ACCOUNT,
    Endpoint,
    Misconfigured,
    Secret,
    endpoint_from_environment,
    read_kubeconfig,
)


def write(folder: Path, user: dict[str, Any], **cluster: str) -> Path:
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_kubeconfig_names_files_relative_to_itself(tmp_path: Path) -> None:
    path = write(tmp_path, {"tokenFile": "token"}, **{"certificate-authority": "ca.crt"})

    expected = Endpoint("https://api:6443", authority=Secret(tmp_path / "ca.crt"), token=Secret(tmp_path / "token"))
    assert read_kubeconfig(path) == expected


def test_a_kubeconfig_may_hold_everything_inline(tmp_path: Path) -> None:
    data = {name: base64.b64encode(name.encode()).decode() for name in ("ca", "crt", "key")}
    user = {"token": "t", "client-certificate-data": data["crt"], "client-key-data": data["key"]}
    endpoint = read_kubeconfig(write(tmp_path, user, **{"certificate-authority-data": data["ca"]}))

    secrets = (endpoint.authority, endpoint.token, endpoint.certificate, endpoint.key)
    assert [secret and secret.read() for secret in secrets] == ["ca", "t", "crt", "key"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("current-context: [", id="no-yaml"),
        pytest.param("[]", id="no-mapping"),
        pytest.param("{}", id="no-context"),
        pytest.param("{current-context: x, contexts: []}", id="unknown-context"),
    ],
)
def test_a_broken_kubeconfig_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)

    with pytest.raises(Misconfigured, match=r"kubeconfig .*/config: "):
        read_kubeconfig(path)


def test_credential_plugins_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="credential plugins are not supported"):
        read_kubeconfig(write(tmp_path, {"exec": {"command": "x"}}))


def test_our_own_variable_wins_over_kubectl_s(tmp_path: Path) -> None:
    path = write(tmp_path, {"token": "t"})
    environment = {"DROVER_KUBECONFIG": str(path), "KUBECONFIG": "elsewhere"}

    assert endpoint_from_environment(environment).token == Secret(text="t")


def test_of_several_files_the_first_that_exists_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"token": "t"})

    assert endpoint_from_environment({"KUBECONFIG": f"{tmp_path}/none:{path}"}).server == "https://api:6443"


@pytest.mark.parametrize(
    ("host", "server"), [("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_uses_its_service_account(host: str, server: str) -> None:
    endpoint = endpoint_from_environment({"KUBERNETES_SERVICE_HOST": host})

    assert (endpoint.server, endpoint.token) == (server, Secret(SERVICE_ACCOUNT / "token"))


@pytest.mark.parametrize("environment", [{}, {"KUBECONFIG": "/nowhere"}])
def test_without_any_hint_it_is_misconfigured(environment: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        endpoint_from_environment(environment)
