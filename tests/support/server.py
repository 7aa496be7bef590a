"""Objects of the API server without kubectl, which takes a fifth of a second to start: tests look and change often."""

import json
import os
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from drover.api import kinds
from drover.api.kinds import Kind
from drover.kube.connection import read_kubeconfig
from drover.kube.transport import APPLY, JSON, JSON_PATCH, MERGE_PATCH

Object = dict[str, Any]
SECONDS = 30.0
FAILED, MISSING = 400, 404
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
    return _ask(kubeconfig, "PATCH", path, {**body, "metadata": metadata}, APPLY)


def merge(kubeconfig: Path, kind: Kind, name: str, namespace: str, patch: Object) -> None:
    """Change an object, as ``kubectl patch --type=merge`` does."""
    path = kind.path(namespace, name) + "?fieldManager=kubectl-patch"
    assert _ask(kubeconfig, "PATCH", path, patch, MERGE_PATCH) is not None, f"{kind.name} {name} is gone"


def create(kubeconfig: Path, kind: Kind, body: Object) -> None:
    """Make an object."""
    _ask(kubeconfig, "POST", kind.path(body["metadata"].get("namespace", "")), body)


def delete(kubeconfig: Path, kind: Kind, name: str, namespace: str) -> None:
    """Ask for an object to be deleted, which may take its time."""
    _ask(kubeconfig, "DELETE", kind.path(namespace, name))


def respecify(kubeconfig: Path, kind: Kind, name: str, namespace: str, spec: Object) -> None:
    """Have an object ask for exactly this, as ``kubectl patch --type=json`` does."""
    path = kind.path(namespace, name) + "?fieldManager=kubectl-patch"
    change = [{"op": "replace", "path": "/spec", "value": spec}]
    assert _ask(kubeconfig, "PATCH", path, change, JSON_PATCH) is not None, f"{kind.name} {name} is gone"


def _ask(kubeconfig: Path, verb: str, path: str, content: object = None, kind: str = JSON) -> Object | None:
    data = None if content is None else json.dumps(content)
    code, answer = _line(kubeconfig, kubeconfig.stat().st_mtime_ns, os.getpid()).send(verb, path, data, kind)
    if code == MISSING:
        return None
    assert code < FAILED, f"{verb} {path}: {answer}"
    found: Object = json.loads(answer)
    found["metadata"].pop("managedFields", None)
    return found


@dataclass(frozen=True)
class Line:
    """The way to one API server, whose connections are used again: to make one costs either end more than to look."""

    kubeconfig: Path
    idle: list[HTTPSConnection] = field(default_factory=list)

    def send(self, verb: str, path: str, data: str | None, kind: str) -> tuple[int, str]:
        """Give the code and the text of an answer."""
        while True:
            used = bool(self.idle)
            connection = self.idle.pop() if used else self._open()
            try:
                connection.request(verb, path, data, {"Accept": JSON, "Content-Type": kind})
                response = connection.getresponse()
                answer = response.status, response.read().decode()
            except (OSError, HTTPException) as error:
                connection.close()
                # Of one that was used before it says nothing of the server that is there now.
                if used:
                    continue
                raise AssertionError(f"{verb} {path}: {error}") from error
            self.idle.append(connection)
            return answer

    def _open(self) -> HTTPSConnection:
        endpoint = read_kubeconfig(self.kubeconfig)
        place = urlsplit(endpoint.server)
        return HTTPSConnection(str(place.hostname), place.port, timeout=SECONDS, context=endpoint.ssl_context())


@cache
def _line(kubeconfig: Path, _changed: int, _process: int) -> Line:
    return Line(kubeconfig)
