from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drover.sandbox import pki
from drover.sandbox.layout import Layout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    made = Layout(tmp_path_factory.mktemp("box"), 5)
    pki.make(made)
    return made


def load(layout: Layout, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((layout.pki / f"{name}.crt").read_bytes())


@pytest.mark.parametrize(
    ("name", "authority"), [("apiserver", "ca"), ("admin", "ca"), ("front-proxy", "front-ca"), ("etcd", "etcd-ca")]
)
def test_a_certificate_is_signed_by_its_authority(layout: Layout, name: str, authority: str) -> None:
    load(layout, name).verify_directly_issued_by(load(layout, authority))


def test_the_api_server_is_known_by_its_addresses(layout: Layout) -> None:
    names = load(layout, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert layout.address in names.get_values_for_type(x509.IPAddress)
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_the_administrator_is_a_master_and_no_server(layout: Layout) -> None:
    certificate = load(layout, "admin")

    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [item.value for item in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        "system:masters"
    ]
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_keys_are_made_once(layout: Layout) -> None:
    before = (layout.pki / "sa.key").read_bytes()
    pki.make(layout)

    assert (layout.pki / "sa.key").read_bytes() == before


def test_nobody_else_reads_the_keys(layout: Layout) -> None:
    modes: dict[Path, int] = {path: path.stat().st_mode & 0o077 for path in layout.pki.glob("*.key")}

    assert (layout.pki.stat().st_mode & 0o077) == 0
    assert {path.name: mode for path, mode in modes.items() if mode and path.name != "sa.key"} == {}
