"""Keys and certificates of one sandbox: made once, kept in its state directory, valid for ten years.

Three authorities that do not trust one another: the cluster's, the aggregation layer's front proxy, and etcd's.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drover.sandbox.layout import API_SERVICE, MAXIMUM_NODES, Layout, Node

LIFETIME = dt.timedelta(days=3650)
SKEW = dt.timedelta(hours=24)  # tests move clocks
MASTERS = "system:masters"
SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate speaks for; without names it is good for a client only."""

    file: str
    common_name: str
    organization: str = ""
    authority: str = "ca"
    names: tuple[str, ...] = ()
    addresses: tuple[ipaddress.IPv4Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def subjects(layout: Layout) -> tuple[Subject, ...]:
    """Return everyone who needs a certificate in this sandbox."""
    here = (layout.address, layout.loopback(), ipaddress.IPv4Address("127.0.0.1"))
    return (
        Subject("apiserver", "kube-apiserver", names=SERVER_NAMES, addresses=(*here, API_SERVICE)),
        Subject("admin", "admin", MASTERS),
        Subject("sandbox", "drover-sandbox", MASTERS),
        Subject("kwok", "kwok", MASTERS),
        Subject("kube-controller-manager", "system:kube-controller-manager"),
        Subject("kube-scheduler", "system:kube-scheduler"),
        Subject("kube-proxy", "system:kube-proxy"),
        Subject("kubelet-client", "kube-apiserver", MASTERS),
        *(kubelet(item) for item in layout.nodes(MAXIMUM_NODES)),
        Subject("front-proxy", "front-proxy-client", authority="front-ca"),
        Subject("etcd", "etcd", authority="etcd-ca", names=("localhost",), addresses=here),
        Subject("etcd-client", "kube-apiserver", authority="etcd-ca"),
    )


def kubelet(node: Node) -> Subject:
    """Return the subject of a node's kubelet, as the API server knows the kubelets of nodes."""
    return Subject(f"kubelet-{node.name}", f"system:node:{node.name}", "system:nodes")


def make(layout: Layout) -> None:
    """Write all keys and certificates, unless they are there already."""
    if (layout.pki / "complete").exists():
        return
    layout.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    authorities = {name: authority(f"drover-sandbox-{name}") for name in ("ca", "front-ca", "etcd-ca")}
    for name, pair in authorities.items():
        write(layout.pki, name, pair)
    for subject in subjects(layout):
        write(layout.pki, subject.file, issue(subject, authorities[subject.authority]))
    signer = ec.generate_private_key(ec.SECP256R1())
    (layout.pki / "sa.key").write_bytes(private_text(signer))
    (layout.pki / "sa.pub").write_bytes(public_text(signer))
    (layout.pki / "complete").touch()


def authority(common_name: str) -> Pair:
    """Return a new self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(certificate, key)


def issue(subject: Subject, issuer: Pair) -> Pair:
    """Return a new certificate for a subject, signed by an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name)]
    if subject.organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organization))
    builder = (
        _builder(x509.Name(attributes), issuer.certificate.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_purposes(subject)), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    alternatives = _alternatives(subject)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return Pair(builder.sign(issuer.key, hashes.SHA256()), key)


def write(directory: Path, name: str, pair: Pair) -> None:
    """Write ``<name>.crt`` and ``<name>.key``."""
    (directory / f"{name}.crt").write_bytes(pair.certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(private_text(pair.key))
    (directory / f"{name}.key").chmod(0o600)


def private_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def public_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public half of a key as PEM."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _purposes(subject: Subject) -> list[x509.ObjectIdentifier]:
    # etcd's own gateway dials its listener with the server's certificate
    server = [ExtendedKeyUsageOID.SERVER_AUTH] if subject.names else []
    return [*server, ExtendedKeyUsageOID.CLIENT_AUTH]


def _alternatives(subject: Subject) -> Sequence[x509.GeneralName]:
    return [*map(x509.DNSName, subject.names), *map(x509.IPAddress, subject.addresses)]
