"""The chart as it renders for three clusters, and values that it refuses."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from scripts.chart import render
from tests.support.helm import helm, run_helm

CASES = sorted((Path(__file__).parent / "chart").glob("*.values.yaml"))


def written(case: Path) -> Path:
    """Where the rendered manifests of a case are kept."""
    return case.with_name(case.name.replace(".values", ""))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_manifests_are_as_they_were(case: Path, *, regenerate: bool) -> None:
    found = render.dump(render.template(helm(), "-f", str(case)))
    if regenerate:
        written(case).write_text(found, encoding="utf-8")

    assert found == written(case).read_text(encoding="utf-8")


def test_no_manifest_is_without_its_case() -> None:
    found = {path.name for path in (Path(__file__).parent / "chart").glob("*.yaml")}

    assert found == {path.name for case in CASES for path in (case, written(case))}


def test_lint_finds_nothing() -> None:
    done = run_helm("lint", "--strict", "--kube-version", render.KUBERNETES, str(render.CHART))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.partition(".")[0])
def test_lint_finds_nothing_with_the_values_of_a_case(case: Path) -> None:
    done = run_helm("lint", "--strict", "--kube-version", render.KUBERNETES, "-f", str(case), str(render.CHART))

    assert done.returncode == 0, done.stdout + done.stderr


OFFER = "hostDevices[0].selector"
REFUSED = [
    pytest.param(["controller.replicas=0"], "replicas", id="no controller"),
    pytest.param(["controller.replicas=two"], "replicas", id="a word for a number"),
    pytest.param(["controller.replica=2"], "replica", id="a slip of the pen"),
    pytest.param(["agents.port=9000"], "agents", id="a slip at the top"),
    pytest.param(["image.pullPolicy=Sometimes"], "pullPolicy", id="not a policy"),
    pytest.param(["image.digest=sha256:abc"], "digest", id="half a digest"),
    pytest.param(["image.tag=not a tag"], "tag", id="not a tag"),
    pytest.param(["defaults.network.cidr=10.0.0.0/8"], "cidr", id="network too large"),
    pytest.param(["defaults.network.cidr=default"], "cidr", id="not a network"),
    pytest.param(["defaults.pool.path=pools"], "path", id="relative path"),
    pytest.param(["agent.stateDir=/var/../etc"], "stateDir", id="path with dots"),
    pytest.param(["agent.port=80"], "port", id="port of others"),
    pytest.param(["agent.maxUnavailable=0"], "maxUnavailable", id="an update that never goes on"),
    pytest.param(["agent.privileged=sometimes"], "privileged", id="not a truth"),
    pytest.param(["agent.capabilities={net raw}"], "capabilities", id="not a capability"),
    pytest.param(["agent.extraEnv.DROVER_NODE_NAME=n1"], "DROVER_NODE_NAME", id="what the chart sets"),
    pytest.param(["controller.extraEnv.path=x"], "'path' does not match", id="not a variable"),
    pytest.param(["hostDevices[0].resource=a.b/c"], "selector", id="an offer of everything"),
    pytest.param([f"{OFFER}.vendor=10DE", f"{OFFER}.product=2204"], "vendor", id="not a vendor"),
    pytest.param(["hostDevices[0].resource=cpu"], "resource", id="a resource of Kubernetes"),
    pytest.param(["hostDevices[0].resource=node.kubernetes.io/x"], "resource", id="a resource of the cluster's own"),
    pytest.param(["monitoring.runbooks=here"], "runbooks", id="not an address"),
    pytest.param(["agent.listen=Loopback", "monitoring.monitors=Enabled"], "monitors", id="metrics nobody can collect"),
    pytest.param(
        ["networkPolicy.enabled=false", "networkPolicy.metricsFrom[0].podSelector.matchLabels.a=b"],
        "metricsFrom",
        id="peers of no policy",
    ),
    pytest.param(["priorityClasses.create=false"], "priorityClassName", id="ranks that are not there"),
    pytest.param(["defaults.pool.path=/srv/pool"], "poolDirs", id="a pool the agent cannot see"),
]


@pytest.mark.parametrize(("settings", "named"), REFUSED)
def test_values_that_make_no_sense_are_refused_by_name(settings: Sequence[str], named: str) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    with pytest.raises(RuntimeError, match=named):
        render.template(helm(), *words)


def test_nothing_is_tied_to_a_namespace() -> None:
    elsewhere = yaml.safe_dump(render.template(helm(), namespace="somewhere-else"))

    assert "drover-system" not in elsewhere


def test_every_object_is_told_to_be_ours() -> None:
    bodies = render.template(helm())

    assert [
        body["metadata"]["name"] for body in bodies if "app.kubernetes.io/part-of" not in body["metadata"]["labels"]
    ] == []
