"""What `helm test` runs in the cluster, with nothing but Python: Drover is installed, it leads, its nodes report."""

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path(os.environ.get("SMOKE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
SERVER = os.environ.get(
    "SMOKE_SERVER",
    f"https://{os.environ.get('KUBERNETES_SERVICE_HOST', '')}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}",
)
NAMESPACE = os.environ.get("DROVER_NAMESPACE", "default")
KINDS = "/apis/drover.dev/v1alpha1"
MACHINES = f"{KINDS}/namespaces/{NAMESPACE}/virtualmachines?dryRun=All"
CREATED, INVALID = 201, 422


def call(path: str, content: object = None) -> tuple[int, Any]:
    """Ask the API server; gives the code and the parsed answer."""
    token = (ACCOUNT / "token").read_text(encoding="utf-8").strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(SERVER + path, data=data, headers=headers)  # noqa: S310 - always https
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def machine(power_state: str) -> dict[str, Any]:
    """Build a machine that is never stored."""
    metadata = {"name": "smoke", "namespace": NAMESPACE}
    return {
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": metadata,
        "spec": {"powerState": power_state},
    }


def accepts_machines() -> str:
    """Tell whether a machine would be taken."""
    code, answer = call(MACHINES, machine("Stopped"))
    return "" if code == CREATED else f"a machine is not accepted: {answer.get('message')}"


def refuses_nonsense() -> str:
    """Tell whether the definitions are the ones that check what is written."""
    code, _ = call(MACHINES, machine("Sideways"))
    return "" if code == INVALID else f"a machine with a powerState that there is not got code {code}"


def is_led() -> str:
    """Tell whether a controller leads."""
    code, answer = call(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/drover-controller")
    holder = answer.get("spec", {}).get("holderIdentity")
    return "" if holder else f"no controller leads: the Lease drover-controller has no holder (code {code})"


def nodes_report() -> str:
    """Tell whether every node that reports is ready; a cluster without hypervisors is sound too."""
    _, answer = call(f"{KINDS}/hypervisors")
    failing = [
        f"{item['metadata']['name']}: {condition.get('message') or condition.get('reason')}"
        for item in answer.get("items", [])
        for condition in item.get("status", {}).get("conditions", [])
        if condition["type"] == "Ready" and condition["status"] != "True"
    ]
    return "; ".join(failing)


CHECKS = (accepts_machines, refuses_nonsense, is_led, nodes_report)


def main() -> int:
    """Run all checks; the exit code is 1 when one of them found something."""
    found = {check.__name__: check() for check in CHECKS}
    for name, trouble in found.items():
        print(f"{name.replace('_', ' ')}: {trouble or 'ok'}")  # noqa: T201 - it is what `helm test --logs` shows
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
