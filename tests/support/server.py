"""Objects read straight from the API server: kubectl takes a fifth of a second to start, and tests look often."""

import json
import ssl
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

from drover.api import kinds
from drover.api.kinds import Kind
from drover.kube.connection import Endpoint, read_kubeconfig
from drover.kube.transport import APPLY, JSON

Object = dict[str, Any]
SECONDS = 30.0
MISSING = 404
SHORT = {
    "daemonset": Kind("apps", "v1", "daemonsets", "DaemonSet"),
    "dom": kinds.DOMAIN,
    "hv": kinds.HYPERVISOR,
    "netaddr": kinds.ADDRESS,
    "pdb": kinds.BUDGET,
    "vm": kinds.VIRTUALMACHINE,
    "vmimage": kinds.IMAGE,
    "vnet": kinds.NETWORK,
    "vol": kinds.VOLUME,
}
EVERY = tuple(each for each in vars(kinds).values() if isinstance(each, Kind))
KINDS = {each.name.lower(): each for each in EVERY} | {f"{each.plural}.{each.group}": each for each in EVERY} | SHORT
"""By the names that kubectl knows them under."""


def read(kubeconfig: Path, kind: Kind, name: str, namespace: str) -> Object | None:
    """Read one object, None when it is not there."""
    return _ask(kubeconfig, "GET", kind.path(namespace, name))


def applied(kubeconfig: Path, body: Object, namespace: str) -> Object | None:
    """Find out what an object would be if it were applied on the server's side now; nothing is written."""
    kind = KINDS[body["kind"].lower()]
    metadata = {**body["metadata"], **({"namespace": namespace} if kind.namespaced else {})}
    path = kind.path(namespace, metadata["name"]) + "?fieldManager=kubectl&force=true&dryRun=All"
    return _ask(kubeconfig, "PATCH", path, {**body, "metadata": metadata})


def _ask(kubeconfig: Path, verb: str, path: str, content: Object | None = None) -> Object | None:
    endpoint, context = _connection(kubeconfig, kubeconfig.stat().st_mtime_ns)
    data = None if content is None else json.dumps(content).encode()
    headers = {"Accept": JSON, "Content-Type": APPLY}
    request = urllib.request.Request(endpoint.server + path, data, headers, method=verb)
    try:
        with urllib.request.urlopen(request, context=context, timeout=SECONDS) as answer:
            found: Object = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == MISSING:
            return None
        raise AssertionError(f"{verb} {path}: {error.read().decode()}") from None
    except OSError as error:
        raise AssertionError(f"{verb} {path}: {error}") from error
    found["metadata"].pop("managedFields", None)
    return found


@cache
def _connection(kubeconfig: Path, _changed: int) -> tuple[Endpoint, ssl.SSLContext]:
    endpoint = read_kubeconfig(kubeconfig)
    return endpoint, endpoint.ssl_context()
