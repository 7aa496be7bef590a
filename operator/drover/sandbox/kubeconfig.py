"""Kubeconfig files: how each client of the sandbox's API server finds it and proves who it is."""

import base64
from pathlib import Path

import yaml

from drover.sandbox.layout import Layout

User = dict[str, str]


def by_certificate(layout: Layout, name: str) -> User:
    """Return the user entry of a client that holds a certificate; key and certificate are embedded."""
    return {
        "client-certificate-data": _encoded(layout.pki / f"{name}.crt"),
        "client-key-data": _encoded(layout.pki / f"{name}.key"),
    }


def by_token(path: Path) -> User:
    """Return the user entry of a client that reads its token from a file."""
    return {"tokenFile": str(path)}


def render(layout: Layout, user: User) -> str:
    """Return a whole kubeconfig for a user."""
    cluster = {"server": layout.api_url, "certificate-authority-data": _encoded(layout.pki / "ca.crt")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "user"}}],
        "current-context": "sandbox",
    }
    return yaml.safe_dump(document, sort_keys=False)


def write(path: Path, text: str) -> None:
    """Write a file that only root may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def path(layout: Layout, name: str) -> Path:
    """Return where the kubeconfig of a component stands."""
    return layout.etc / f"{name}.kubeconfig"


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
