import base64
from pathlib import Path

import pytest
import yaml

from drover.sandbox import kubeconfig
from drover.sandbox.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path, 5)
    made.pki.mkdir()
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (made.pki / name).write_text(name)
    return made


def test_a_kubeconfig_with_certificates_stands_alone(layout: Layout) -> None:
    document = yaml.safe_load(kubeconfig.render(layout, kubeconfig.by_certificate(layout, "admin")))

    assert document["clusters"][0]["cluster"]["server"] == "https://10.213.5.254:6443"
    assert base64.b64decode(document["users"][0]["user"]["client-key-data"]) == b"admin.key"


def test_a_kubeconfig_with_a_token_names_its_file(layout: Layout) -> None:
    document = yaml.safe_load(kubeconfig.render(layout, kubeconfig.by_token(Path("/t"))))

    assert document["users"][0]["user"] == {"tokenFile": "/t"}


def test_only_root_reads_what_is_written(tmp_path: Path) -> None:
    kubeconfig.write(tmp_path / "etc" / "x", "secret")

    assert (tmp_path / "etc" / "x").stat().st_mode & 0o777 == 0o600
