"""The rights that documents promise are those that a real API server grants, and our processes need no others."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripts.chart import access
from tests.cluster.stage import staged
from tests.support import accounts
from tests.system.world import World

from drover.api import kinds
from drover.kube.connection import read_kubeconfig
from drover.kube.transport import Request, Transport

ROOT = Path(__file__).resolve().parents[2]
BODIES = list(yaml.safe_load_all((ROOT / "manifests" / "rbac.yaml").read_text(encoding="utf-8")))
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
OFF_LIMITS = [
    access.Target("", "secrets"),
    access.Target("", "configmaps"),
    access.Target("", "pods", "kube-system"),
    access.Target("", "serviceaccounts/token"),
    access.Target("", "nodes/proxy"),
    access.Target("rbac.authorization.k8s.io", "clusterroles"),
    access.Target("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    access.Target("coordination.k8s.io", "leases", "kube-system"),
]
"""Of these the agents may do nothing."""


def review(account: str, target: access.Target, verb: str) -> dict[str, Any]:
    """Ask whether an account may do something."""
    resource, _, part = target.resource.partition("/")
    asked = {"verb": verb, "group": target.group, "resource": resource, "subresource": part}
    where = {"namespace": target.namespace, "name": target.name}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{accounts.NAMESPACE}", "system:authenticated"]
    user = f"system:serviceaccount:{accounts.NAMESPACE}:{account}"
    spec = {"user": user, "groups": groups, "resourceAttributes": asked | where}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


async def granted(world: World, account: str, target: access.Target) -> frozenset[str]:
    """Ask for every verb."""
    allowed = set()
    async with Transport(read_kubeconfig(world.state / "kubeconfig"), user_agent="somebody", limit=8) as transport:
        for verb in access.VERBS:
            answer = await transport.send(Request("POST", REVIEWS, {}, review(account, target, verb)))
            assert isinstance(answer, dict), answer
            allowed |= {verb} if answer["status"]["allowed"] else set()
    return frozenset(allowed)


def cells() -> Iterator[Any]:
    """Yield every row of the tables."""
    for account in access.ACCOUNTS:
        rights = access.rights(BODIES, account)
        for target, verbs in rights.items():
            wider = [other for other in rights if (other.group, other.resource) == (target.group, target.resource)]
            inherited = frozenset().union(*(rights[other] for other in wider if covers(other, target)))
            yield pytest.param(account, target, verbs | inherited, id=f"{account} {target.text} {target.name}".strip())


def covers(wider: access.Target, target: access.Target) -> bool:
    """Whether a right to the one is a right to the other."""
    return wider.namespace in {"", target.namespace} and wider.name in {"", target.name}


@pytest.mark.parametrize(("account", "target", "verbs"), list(cells()))
async def test_an_account_may_do_what_its_row_says_and_no_more(
    cluster_sandbox: World, account: str, target: access.Target, verbs: frozenset[str]
) -> None:
    assert await granted(cluster_sandbox, account, target) == verbs


@pytest.mark.parametrize("target", OFF_LIMITS, ids=lambda target: target.text)
async def test_an_agent_may_do_nothing_about_what_is_not_in_its_table(
    cluster_sandbox: World, target: access.Target
) -> None:
    assert await granted(cluster_sandbox, accounts.AGENT, target) == frozenset()


def refused(log: Path, since: int) -> list[str]:
    """What our accounts were refused since a place in the audit log; a namespace that ends takes no Events."""
    with log.open(encoding="utf-8") as lines:
        lines.seek(since)
        entries = [json.loads(line) for line in lines if line.endswith("}\n")]
    ours = [each for each in entries if f":{accounts.NAMESPACE}:drover-" in each["user"]["username"]]
    denied = (each for each in ours if each.get("responseStatus", {}).get("code") == 403)
    return [f"{each['verb']} {each['requestURI']}" for each in denied if each["objectRef"].get("resource") != "events"]


async def test_a_whole_life_under_these_accounts_is_never_refused_anything(cluster_sandbox: World) -> None:
    log = cluster_sandbox.state / "logs" / "audit.log"
    async with staged(cluster_sandbox) as stage:
        before = log.stat().st_size
        await stage.start()
        await stage.make("web", disks=[{"name": "root", "size": "1Gi"}])
        await stage.reach("Running")
        await stage.change(powerState="Stopped")
        await stage.reach("Stopped")
        await stage.delete(kinds.VIRTUALMACHINE, "web")
        await stage.empty()
        assert refused(log, before) == []
