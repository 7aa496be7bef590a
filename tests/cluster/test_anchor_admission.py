"""Marks that stand for something real are written by nobody but those who know whether it is true."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster import caller
from tests.cluster.caller import FORBIDDEN, OK
from tests.support import accounts
from tests.system.world import World, make_object

from drover.api.kinds import POD
from drover.kube.connection import read_kubeconfig
from drover.kube.transport import Request
from drover.state.resource import Body

SPACE = "marks"
TENANT = "--as=tenant"
MARK = {"drover.dev/anchor": "true"}


@pytest.fixture(scope="module")
def space(cluster_sandbox: World) -> Iterator[World]:
    """A namespace in which somebody has the role edit."""
    world = cluster_sandbox
    world.kubectl("create", "namespace", SPACE)
    world.kubectl("create", "rolebinding", "tenant", "--clusterrole=edit", "--user=tenant", "-n", SPACE)
    world.kubectl("wait", "--for=create", "serviceaccount/default", "-n", SPACE, "--timeout=30s")
    yield world
    world.kubectl("delete", "namespace", SPACE)


def pod(name: str = "any", labels: Body | None = None, **spec: Any) -> Body:
    """Build a pod, one that the controller may make unless told otherwise."""
    container = {"name": "main", "image": "example.com/any:1"}
    metadata = {"name": name, "namespace": SPACE, "labels": MARK if labels is None else labels}
    return {"metadata": metadata, "spec": {"containers": [container], "automountServiceAccountToken": False, **spec}}


async def make_pod(world: World, account: str, body: Body) -> tuple[int, str]:
    """Have an account make a pod, without storing it; an administrator when the account is empty."""
    end = accounts.endpoint(world, account) if account else read_kubeconfig(world.state / "kubeconfig")
    async with caller.calling(end) as somebody:
        content = {"apiVersion": "v1", "kind": "Pod", **body}
        return await somebody.ask(Request("POST", POD.path(SPACE), {"dryRun": "All"}, content))


PODS = [
    pytest.param(pod(), OK, id="an anchor"),
    pytest.param(pod(labels={}), FORBIDDEN, id="without the mark"),
    pytest.param(pod(nodeName="n1"), FORBIDDEN, id="past the scheduler"),
    pytest.param(pod(hostNetwork=True), FORBIDDEN, id="in the node's network"),
    pytest.param(pod(automountServiceAccountToken=True), FORBIDDEN, id="with a token"),
    pytest.param(pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), FORBIDDEN, id="with files of the node"),
]


@pytest.mark.parametrize(("body", "expected"), PODS)
async def test_the_controller_makes_no_pods_but_anchors(space: World, body: Body, expected: int) -> None:
    code, text = await make_pod(space, accounts.CONTROLLER, body)

    assert code == expected, text


async def test_nobody_else_makes_an_anchor(space: World) -> None:
    code, text = await make_pod(space, "", pod())

    assert (code, "only the controller makes anchor pods" in text) == (FORBIDDEN, True)


def test_no_pod_becomes_an_anchor_afterwards(space: World) -> None:
    body = {"apiVersion": "v1", "kind": "Pod", **pod("later", {})}
    space.kubectl("create", "-f", "-", given=json.dumps(body))
    done = space.try_kubectl("label", "pod", "later", "drover.dev/anchor=true", "-n", SPACE, TENANT)

    assert "only the controller makes anchor pods" in done.stderr
    space.kubectl("label", "pod", "later", "other=true", "-n", SPACE, TENANT)


def test_nobody_else_rewrites_what_an_anchor_books(space: World) -> None:
    account = f"--as=system:serviceaccount:{accounts.NAMESPACE}:{accounts.CONTROLLER}"
    body = {"apiVersion": "v1", "kind": "Pod", **pod("booked")}
    body["metadata"]["annotations"] = {"drover.dev/books": '{"cpu": "100m"}'}
    space.kubectl("create", "-f", "-", account, given=json.dumps(body))
    for note in ('drover.dev/books={"cpu":"64"}', "drover.dev/books-"):
        done = space.try_kubectl("annotate", "pod", "booked", note, "--overwrite", "-n", SPACE, TENANT)
        assert "only the controller says what an anchor pod books" in done.stderr


def test_the_controller_deletes_no_pods_but_anchors(space: World) -> None:
    account = f"--as=system:serviceaccount:{accounts.NAMESPACE}:{accounts.CONTROLLER}"
    body = {"apiVersion": "v1", "kind": "Pod", **pod("kept", {})}
    space.kubectl("create", "-f", "-", given=json.dumps(body))

    assert "touches no pods but anchors" in space.try_kubectl("delete", "pod", "kept", "-n", SPACE, account).stderr


VOLUME = {**make_object("StorageVolume", "disk", {"size": "1Gi"})}
MARKS = [
    pytest.param({"finalizers": None}, "stands for the volume's data", id="finalizer taken off"),
    pytest.param({"annotations": {"drover.dev/used-by": "me"}}, "whose the volume is", id="taken over"),
    pytest.param({"annotations": {"drover.dev/machine-uid": None}}, "whose the volume is", id="disowned"),
]


@pytest.fixture
def volume(space: World) -> Iterator[World]:
    """A volume with data on a node, of a machine."""
    marks = {"finalizers": ["drover.dev/volume"], "annotations": {"drover.dev/machine-uid": "u"}}
    body = {**VOLUME, "metadata": {**VOLUME["metadata"], **marks}}
    space.kubectl("apply", "--server-side", "-n", SPACE, "-f", "-", given=json.dumps(body))
    yield space
    free = json.dumps({"metadata": {"finalizers": None}})
    space.kubectl("patch", "vol", "disk", "-n", SPACE, "--type=merge", "-p", free)
    space.kubectl("delete", "vol", "disk", "-n", SPACE)


@pytest.mark.parametrize(("change", "words"), MARKS)
def test_who_may_edit_a_volume_does_not_change_what_stands_for_its_data(
    volume: World, change: Body, words: str
) -> None:
    patch = json.dumps({"metadata": change})
    done = volume.try_kubectl("patch", "vol", "disk", "-n", SPACE, "--type=merge", "-p", patch, TENANT)

    assert words in done.stderr, done.stdout


def test_who_may_edit_a_volume_labels_and_enlarges_it(volume: World) -> None:
    patch = json.dumps({"metadata": {"labels": {"tier": "db"}}, "spec": {"size": "2Gi"}})

    volume.kubectl("patch", "vol", "disk", "-n", SPACE, "--type=merge", "-p", patch, TENANT)


def test_people_get_their_rights_from_the_roles_that_every_cluster_has(space: World) -> None:
    def may(verb: str, kind: str, *more: str) -> str:
        return space.try_kubectl("auth", "can-i", verb, kind, *more, "-n", SPACE, TENANT).stdout.strip()

    allowed = {kind: may("create", kind) for kind in ("vm", "vmimage", "vol", "dom", "pool", "hv")}
    assert allowed == {"vm": "yes", "vmimage": "yes", "vol": "yes", "dom": "no", "pool": "no", "hv": "no"}
    parts = [may("update", "vol", "--subresource=finalizers"), may("update", "vm", "--subresource=status")]
    assert [may("get", "dom"), *parts] == ["yes", "no", "no"]
