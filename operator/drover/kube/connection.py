"""Where the API server is and who we are there: from a kubeconfig, or from the files a pod is given."""

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts a pod's credentials."""


class Misconfigured(Exception):
    """The connection cannot be set up from what the environment says; only a person can change that."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A certificate, key or token: in a file that may be replaced at any time, or literally."""

    file: Path | None = None
    text: str = ""

    def read(self) -> str:
        """Give the present content, without surrounding white space."""
        return (self.text if self.file is None else self.file.read_text(encoding="utf-8")).strip()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One API server and the credentials for it; `None` where none are used."""

    server: str
    """URL without a trailing slash."""
    authority: Secret | None = None
    """Certificates that may have signed the server's; the system's without it."""
    token: Secret | None = None
    certificate: Secret | None = None
    """Client certificate, with `key`."""
    key: Secret | None = None

    def ssl_context(self) -> ssl.SSLContext:
        """Read the certificates into a context for TLS connections to the server."""
        context = ssl.create_default_context(cadata=self.authority.read() if self.authority else None)
        if self.certificate and self.key:
            _load_pair(context, self.certificate, self.key)
        return context


def endpoint_from_environment(environment: Mapping[str, str] | None = None) -> Endpoint:
    """Find the API server: DROVER_KUBECONFIG, else KUBECONFIG, else the pod's service account."""
    variables = os.environ if environment is None else environment
    paths = variables.get("DROVER_KUBECONFIG") or variables.get("KUBECONFIG") or ""
    found = [path for path in paths.split(os.pathsep) if path and Path(path).exists()]
    if found:
        return read_kubeconfig(Path(found[0]))
    if paths:
        raise Misconfigured(f"no kubeconfig at {paths}")
    return _in_cluster(variables)


def read_kubeconfig(path: Path) -> Endpoint:
    """Read the current context of a kubeconfig; relative paths in it are relative to the file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _current_context(content, path.parent)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise Misconfigured(f"kubeconfig {path}: {type(error).__name__}: {error}") from error


def _current_context(content: Mapping[str, Any], folder: Path) -> Endpoint:
    context = _named(content, "contexts", content["current-context"])["context"]
    cluster = _named(content, "clusters", context["cluster"])["cluster"]
    user = _named(content, "users", context["user"])["user"] or {}
    if "exec" in user or "auth-provider" in user:
        raise ValueError("credential plugins are not supported: use a token, a token file or a client certificate")
    return Endpoint(
        server=str(cluster["server"]).rstrip("/"),
        authority=_secret(cluster, "certificate-authority", folder),
        token=_token(user, folder),
        certificate=_secret(user, "client-certificate", folder),
        key=_secret(user, "client-key", folder),
    )


def _named(content: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any]:
    entries: list[Mapping[str, Any]] = [entry for entry in content[section] if entry["name"] == name]
    if not entries:
        raise KeyError(f"{section}: {name}")
    return entries[0]


def _secret(part: Mapping[str, Any], name: str, folder: Path) -> Secret | None:
    if data := part.get(f"{name}-data"):
        return Secret(text=base64.b64decode(data).decode())
    return Secret(file=folder / part[name]) if part.get(name) else None


def _token(user: Mapping[str, Any], folder: Path) -> Secret | None:
    if path := user.get("tokenFile"):
        return Secret(file=folder / path)
    return Secret(text=user["token"]) if user.get("token") else None


def _in_cluster(variables: Mapping[str, str]) -> Endpoint:
    host, port = variables.get("KUBERNETES_SERVICE_HOST", ""), variables.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise Misconfigured("no API server: set DROVER_KUBECONFIG or KUBECONFIG, or run in a pod")
    return Endpoint(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        authority=Secret(file=SERVICE_ACCOUNT / "ca.crt"),
        token=Secret(file=SERVICE_ACCOUNT / "token"),
    )


def _load_pair(context: ssl.SSLContext, certificate: Secret, key: Secret) -> None:
    # OpenSSL takes files only, so literal ones visit the disk for a moment, readable by us alone.
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(
            _as_file(certificate, Path(folder) / "certificate"), _as_file(key, Path(folder) / "key")
        )


def _as_file(secret: Secret, path: Path) -> Path:
    if secret.file is not None:
        return secret.file
    path.touch(mode=0o600)
    path.write_text(secret.text, encoding="utf-8")
    return path
