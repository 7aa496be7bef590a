"""A certificate of a process's own: made when it starts, kept in memory, trusted by whoever is given it."""

import os
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(days=3650)
"""Longer than any process lives: what ends its use is the next process, which has another one."""
SKEW = timedelta(days=1)
"""Clocks of other nodes may be late."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate and its key, as PEM."""

    certificate: str
    key: str = field(repr=False)

    def server_context(self) -> ssl.SSLContext:
        """Make a context in which to serve."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # OpenSSL takes files only: this one is in memory, and nobody's but ours.
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write((self.key + self.certificate).encode("ascii"))
            file.flush()
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
        return context


def trusting(certificate: str) -> ssl.SSLContext:
    """Make a context that trusts whoever holds the key of this certificate, and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=certificate)
    return context


def make(name: str, now: datetime) -> Certificate:
    """Make a certificate for a server that goes by `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(made.public_bytes(serialization.Encoding.PEM).decode(), private.decode())
