"""`drover crds apply` against a real API server, and what the processes say of CRDs that are not theirs."""

import asyncio
import json
import os
import sys

import pytest
from tests.cluster.stage import staged
from tests.system.world import World

from drover.api import crds
from drover.planning.definitions import MANAGER

NAMES = tuple(crds.definitions())
NAME = NAMES[0]


async def drover(world: World, *words: str, **variables: str) -> tuple[int, str]:
    """Run the program to its end; gives its exit code and all that it said."""
    settings = {"DROVER_KUBECONFIG": str(world.state / "kubeconfig"), "DROVER_HTTP_ADDRESS": "127.0.0.1:0"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "drover", *words),
        env={**os.environ, **settings, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, output.decode()


def change(world: World, patch: object, *words: str) -> None:
    """Change a CRD behind the program's back."""
    world.kubectl("patch", "crd", NAME, "--type=merge", "-p", json.dumps(patch), *words)


def released(version: str) -> object:
    return {"metadata": {"annotations": {"drover.dev/version": version}}}


async def test_applied_again_nothing_changes_and_every_kind_is_served(cluster_sandbox: World) -> None:
    await drover(cluster_sandbox, "crds", "apply")
    code, said = await drover(cluster_sandbox, "crds", "apply", "--wait")

    assert (code, said.count(": unchanged\n")) == (0, len(NAMES)), said
    assert f"all {len(NAMES)} kinds are served" in said


async def test_what_was_changed_by_hand_is_ours_again(cluster_sandbox: World) -> None:
    change(cluster_sandbox, {"spec": {"names": {"shortNames": ["odd"]}}})
    dry = await drover(cluster_sandbox, "crds", "apply", "--dry-run")
    wet = await drover(cluster_sandbox, "crds", "apply")
    found = json.loads(cluster_sandbox.kubectl("get", "crd", NAME, "-o", "json", "--show-managed-fields"))

    assert [f"{NAME}: changed" in said for _, said in (dry, wet)] == [True, True]
    assert "odd" not in found["spec"]["names"]["shortNames"]
    assert MANAGER in {each["manager"] for each in found["metadata"]["managedFields"]}


async def test_a_later_release_is_not_replaced(cluster_sandbox: World) -> None:
    change(cluster_sandbox, released("99.0.0"))
    code, said = await drover(cluster_sandbox, "crds", "apply")
    change(cluster_sandbox, released(""))

    assert (code, f"{NAME}: the cluster has the definition of release 99.0.0" in said) == (1, True), said


async def test_a_version_that_is_stored_is_not_dropped(cluster_sandbox: World) -> None:
    change(cluster_sandbox, {"status": {"storedVersions": ["v1alpha0", "v1alpha1"]}}, "--subresource=status")
    code, said = await drover(cluster_sandbox, "crds", "apply")
    change(cluster_sandbox, {"status": {"storedVersions": ["v1alpha1"]}}, "--subresource=status")

    assert (code, "objects are stored as v1alpha0" in said, "nothing was changed" in said) == (1, True, True), said


@pytest.mark.parametrize("version", ["0.0.1", None])
async def test_a_controller_does_not_work_with_older_definitions(cluster_sandbox: World, version: str) -> None:
    change(cluster_sandbox, released(version))
    code, said = await drover(cluster_sandbox, "controller")
    await drover(cluster_sandbox, "crds", "apply")

    assert (code, "run `drover crds apply`" in said) == (3, True), said


async def test_a_second_release_ends_and_names_the_first(cluster_sandbox: World) -> None:
    async with staged(cluster_sandbox) as stage:
        await stage.start()
        code, said = await drover(cluster_sandbox, "controller", DROVER_NAMESPACE=stage.namespace)

        assert (code, "the release in namespace drover-system works in this cluster" in said) == (6, True), said
