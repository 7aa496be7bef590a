"""The anchor pod: it holds the machine's place in the cluster's books while the guest may run."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drover.api.virtualmachine import VirtualMachineSpec
from drover.planning import names
from drover.planning.conditions import Finding
from drover.planning.ownership import ANNOTATION_MACHINE, reference
from drover.planning.quantity import milli
from drover.planning.resolve import Effective, Policy
from drover.state.pod import Pod
from drover.state.resource import Meta

LABEL_ANCHOR = "drover.dev/anchor"
ANNOTATION_MADE_FROM = "drover.dev/made-from"
"""On an anchor: a digest of all that it asks of the scheduler."""
ANNOTATION_BOOKS = "drover.dev/books"
"""On an anchor: what was asked for it, whatever others made of that on its way into the cluster."""
LABEL_HYPERVISOR = "drover.dev/hypervisor"
"""On nodes that run an agent."""
HOSTNAME = "kubernetes.io/hostname"
ARCHITECTURE = "kubernetes.io/arch"
SLACK_SECONDS = 60
"""What the pod has over its machine's own grace: the scheduler frees the place as soon as the pod ends.

No more than that: the namespace controller looks again at a namespace that is going after half of what pods may take.
"""
RELEASE_GRACE_SECONDS = 1
USER = 65532
TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
"""Failover is ours to decide, after the node is known to be off."""
ASIDES = (". no new claims", ", preemption:", " preemption:")
"""Where the scheduler's message turns to things that tell a user nothing."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a new anchor may be bound."""

    pins: tuple[str, ...] = ()
    """Nodes that hold something the machine cannot do without; each must be the one."""
    selector: tuple[tuple[str, str], ...] = ()
    """Labels that its pools and networks ask of a node."""
    preferred: str = ""
    """Node to prefer: the one it was on."""
    avoided: tuple[str, ...] = ()
    """Nodes whose agents give no sign of life, whatever the cluster thinks of them."""


def holds(pod: Pod, node: str) -> bool:
    """Tell whether a pod keeps a place on `node`: bound there, not ended and not being taken away."""
    return pod.node == node and not pod.meta.deleting and not pod.ended


def usable(pods: Iterable[Pod], node: str) -> list[Pod]:
    """Order the anchors that hold or may get a place, best first: those on `node`, then bound ones, then by name."""
    live = [pod for pod in pods if not pod.meta.deleting and not pod.ended]
    return sorted(live, key=lambda pod: (not (node and pod.node == node), not pod.node, number(pod.meta)))


def number(meta: Meta) -> int:
    """Which anchor of its machine a pod is; 0 when its name is not of ours."""
    digits = meta.key.name.rpartition(".")[2]
    return int(digits) if digits.isdecimal() else 0


def free_number(pods: Iterable[Pod]) -> int:
    """Number for the next anchor, given all pods that are or were anchors of a machine of this name."""
    return 1 + max((number(pod.meta) for pod in pods), default=0)


def scheduled(pod: Pod | None, *, lost: bool) -> Finding:
    """Find out whether the machine has a place; `lost`: its guest runs without one."""
    if pod is not None and pod.node:
        return Finding("Scheduled", "True", "Scheduled", f"on {pod.node}")
    words = "" if pod is None else cut(pod.message)
    if lost:
        return Finding("Scheduled", "False", "ReservationLost", words or "its place on the node is being booked anew")
    if pod is not None and pod.scheduled == "False":
        return Finding("Scheduled", "False", pod.reason or "Unschedulable", words)
    return Finding("Scheduled", "False", "Waiting", "waits for the scheduler" if pod else "no place is booked yet")


def cut(message: str) -> str:
    """Leave of the scheduler's message what says why no node fits."""
    end = min((found for aside in ASIDES if (found := message.find(aside)) >= 0), default=len(message))
    return message[:end].rstrip(" .") + "." if message[:end].strip() else ""


def body(
    machine: Meta, spec: VirtualMachineSpec, effective: Effective, number: int, placement: Placement, policy: Policy
) -> Mapping[str, Any]:
    """Build the anchor pod."""
    pod = _pod(effective, policy) | _scheduling(spec, placement)
    return {
        "metadata": {
            "name": names.anchor(machine.key.name, number),
            "namespace": machine.key.namespace,
            "labels": labels(machine),
            "annotations": {
                ANNOTATION_MACHINE: machine.uid,
                ANNOTATION_MADE_FROM: digest(pod),
                ANNOTATION_BOOKS: json.dumps(resources(effective)),
            },
            "ownerReferences": [reference(machine)],
            "finalizers": [names.FINALIZER_ANCHOR],
        },
        "spec": pod,
    }


def labels(machine: Meta) -> dict[str, str]:
    """Labels of a machine's anchors: its own, and those by which its place is told from others."""
    own = {name: value for name, value in machine.labels if not name.startswith("drover.dev/")}
    return own | {names.LABEL_MACHINE: machine.key.name, LABEL_ANCHOR: "true"}


def digest(pod: Mapping[str, Any]) -> str:
    """Tell one pod's wishes from another's; where it would rather be is none that must be met."""
    affinity = dict(pod.get("affinity") or {})
    node = dict(affinity.get("nodeAffinity") or {})
    node.pop("preferredDuringSchedulingIgnoredDuringExecution", None)
    wishes = {**pod, "affinity": {**affinity, "nodeAffinity": node}}
    return hashlib.sha256(json.dumps(wishes, sort_keys=True, default=str).encode()).hexdigest()[:16]


def resources(effective: Effective) -> dict[str, str]:
    """What a machine books, by the cluster's names."""
    pages = effective.machine.hugepages
    large = {f"hugepages-{pages}": str(effective.memory)} if pages else {}
    devices = {name: str(count) for name, count in Counter(each.resource for each in effective.machine.devices).items()}
    return {"cpu": f"{effective.cpu_milli}m", "memory": str(effective.booked), **large, **devices}


def books(pod: Pod, effective: Effective) -> bool:
    """Tell whether an anchor books what the machine needs, no more and no less."""
    told = pod.meta.annotation("books")
    return not told or json.loads(told) == resources(effective)


def covers(pod: Pod, effective: Effective) -> bool:
    """Tell whether an anchor books at least what the machine needs."""
    booked = {name: milli(size) for name, size in json.loads(pod.meta.annotation("books") or "{}").items()}
    wanted = resources(effective).items()
    return not booked or all(booked.get(name, 0) >= milli(size) for name, size in wanted)


def _pod(effective: Effective, policy: Policy) -> dict[str, Any]:
    return {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": effective.grace + SLACK_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(effective, policy)],
    }


def _container(effective: Effective, policy: Policy) -> dict[str, Any]:
    booked = resources(effective)
    return {
        "name": "anchor",
        "image": policy.anchor_image,
        "imagePullPolicy": "IfNotPresent",
        # As process 1 without a handler it does not heed SIGTERM, and it takes a tenth of a MiB.
        "command": ["sleep", "infinity"],
        "resources": {"requests": booked, "limits": {name: size for name, size in booked.items() if name != "cpu"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _scheduling(spec: VirtualMachineSpec, placement: Placement) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "affinity": affinity(spec.affinity or {}, placement),
        "tolerations": [*(spec.tolerations or []), *map(_toleration, TOLERATED)],
        "nodeSelector": spec.node_selector,
        "topologySpreadConstraints": spec.topology_spread_constraints,
        "priorityClassName": spec.priority_class_name,
    }
    return {name: value for name, value in wanted.items() if value}


def _toleration(taint: str) -> dict[str, str]:
    return {"key": taint, "operator": "Exists", "effect": "NoExecute"}


def affinity(asked: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """Narrow the machine's own affinity to nodes that have what it needs; of its own terms any one must still fit."""
    node = dict(asked.get("nodeAffinity") or {})
    required = dict(node.get("requiredDuringSchedulingIgnoredDuringExecution") or {})
    terms: Sequence[Mapping[str, Any]] = required.get("nodeSelectorTerms") or [{}]
    required["nodeSelectorTerms"] = [
        {**term, "matchExpressions": [*(term.get("matchExpressions") or []), *_expressions(placement)]}
        for term in terms
    ]
    node["requiredDuringSchedulingIgnoredDuringExecution"] = required
    if placement.preferred:
        preferred = node.get("preferredDuringSchedulingIgnoredDuringExecution") or []
        node["preferredDuringSchedulingIgnoredDuringExecution"] = [*preferred, _preference(placement.preferred)]
    return {**asked, "nodeAffinity": node}


def _expressions(placement: Placement) -> list[dict[str, Any]]:
    # What a machine is pinned to holds it whatever the agent there is able to now: the guest may be on.
    able = () if placement.pins else ((LABEL_HYPERVISOR, "true"),)
    wanted = [*able, *placement.selector, *((HOSTNAME, node) for node in placement.pins)]
    elsewhere = {"key": HOSTNAME, "operator": "NotIn", "values": list(placement.avoided)}
    return [*(_among(name, value) for name, value in wanted), *([elsewhere] if placement.avoided else [])]


def _preference(node: str) -> dict[str, Any]:
    return {"weight": 100, "preference": {"matchExpressions": [_among(HOSTNAME, node)]}}


def _among(label: str, value: str) -> dict[str, Any]:
    return {"key": label, "operator": "In", "values": [value]}
