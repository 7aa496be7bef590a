from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drover.api.plugin import PluginRevision
from drover.api.virtualmachine import VirtualMachineSpec
from drover.planning.merge import gaps, merge

ROOT = {"name": "root", "image": "rootfs", "size": "1Gi"}


def merged(template: dict[str, Any], spec: dict[str, Any], **workload: Any) -> dict[str, Any]:
    """The effective spec, as fields; power state left out."""
    revision = PluginRevision.model_validate({"template": template, "workload": workload or None})
    found = merge(VirtualMachineSpec.model_validate(spec), revision, "library")
    return found.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"power_state"})


@pytest.mark.parametrize(
    ("template", "spec", "expected"),
    [
        pytest.param({}, {"cpu": {"cores": 2}}, {"cpu": {"cores": 2}}, id="nothing to inherit"),
        pytest.param({"cpu": {"cores": 2}}, {}, {"cpu": {"cores": 2}}, id="nothing of its own"),
        pytest.param({"cpu": {"cores": 2}}, {"cpu": {"cores": 4}}, {"cpu": {"cores": 4}}, id="the machine wins"),
        pytest.param(
            {"cpu": {"cores": 2}},
            {"cpu": {"request": "1"}},
            {"cpu": {"cores": 2, "request": "1"}},
            id="maps are merged deep",
        ),
        pytest.param(
            {"disks": [ROOT]},
            {"disks": [{"name": "data", "size": "5Gi"}, {"name": "root", "size": "2Gi"}]},
            {"disks": [ROOT | {"image": "library/rootfs", "size": "2Gi"}, {"name": "data", "size": "5Gi"}]},
            id="lists by name, the plugin's first",
        ),
        pytest.param(
            {"disks": [ROOT]},
            {"disks": [{"name": "root", "volume": "old"}]},
            {"disks": [{"name": "root", "volume": "old"}]},
            id="a volume takes the plugin's source away",
        ),
        pytest.param({"disks": [ROOT]}, {"disks": []}, {"disks": []}, id="an empty list stays empty"),
        pytest.param(
            {"disks": [ROOT | {"image": "other/x"}]},
            {},
            {"disks": [ROOT | {"image": "other/x"}]},
            id="an image with a namespace is meant as it is",
        ),
        pytest.param({"kernel": {"image": "tiny"}}, {}, {"kernel": {"image": "library/tiny"}}, id="the kernel's image"),
        pytest.param(
            {"kernel": {"arguments": "quiet"}}, {}, {"kernel": {"arguments": "quiet"}}, id="a kernel without image"
        ),
        pytest.param(
            {"readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 2}},
            {"readinessProbe": {"tcpSocket": {"port": 22}}},
            {"readinessProbe": {"tcpSocket": {"port": 22}, "periodSeconds": 2}},
            id="one member of a union",
        ),
        pytest.param(
            {"cloudInit": {"userData": "#!/bin/sh", "hostname": "a"}},
            {"cloudInit": {"userDataSecretRef": {"name": "s", "key": "k"}}},
            {"cloudInit": {"userDataSecretRef": {"name": "s", "key": "k"}, "hostname": "a"}},
            id="a Secret takes the plugin's text away",
        ),
        pytest.param(
            {"cloudInit": {"sshAuthorizedKeys": ["a"]}},
            {"cloudInit": {"sshAuthorizedKeys": ["b"]}},
            {"cloudInit": {"sshAuthorizedKeys": ["b"]}},
            id="other lists are replaced",
        ),
    ],
)
def test_a_machine_goes_over_its_plugin(
    template: dict[str, Any], spec: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert merged(template, spec) == expected


@pytest.mark.parametrize(
    ("kind", "member"), [pytest.param("HTTP", "httpGet", id="http"), pytest.param("TCP", "tcpSocket", id="tcp")]
)
def test_a_workload_is_asked_on_its_port_unless_somebody_says_otherwise(kind: str, member: str) -> None:
    assert merged({}, {}, type=kind, port=81) == {"readinessProbe": {member: {"port": 81}}}
    own: dict[str, Any] = {"readinessProbe": {"guestAgent": {}}}
    assert merged(own, {}, type=kind, port=81) == own
    assert merged({}, own, type=kind, port=81) == own
    assert merged({}, {}, entrypoint=["/bin/true"]) == {}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"disks": [ROOT]}, [], id="whole"),
        pytest.param({"disks": [{"name": "a", "volume": "v"}]}, [], id="a volume"),
        pytest.param({}, [], id="nothing"),
        pytest.param({"disks": [{"name": "a", "pool": "p"}]}, ["spec.disks[a]: one of"], id="a disk of nothing"),
        pytest.param({"readinessProbe": {"tcpSocket": {"port": 1}}}, [], id="a probe"),
        pytest.param({"readinessProbe": {"periodSeconds": 1}}, ["spec.readinessProbe: one of"], id="a probe of nobody"),
    ],
)
def test_what_is_missing_after_the_merge_is_named_by_its_path(spec: dict[str, Any], expected: list[str]) -> None:
    found = list(gaps(VirtualMachineSpec.model_validate(spec)))

    assert [text[: len(start)] for text, start in zip(found, expected, strict=True)] == expected


SIZES = st.sampled_from(["1Gi", "2Gi"])
DISKS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc"), "size": SIZES}), unique_by=lambda disk: disk["name"]
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.fixed_dictionaries({}, optional={"cores": st.integers(1, 4), "request": st.just("1")}),
        "disks": DISKS,
        "restartPolicy": st.sampled_from(["Always", "Never"]),
    },
)


@given(SPECS, SPECS)
def test_nothing_of_the_machine_is_lost_and_merging_again_changes_nothing(
    template: dict[str, Any], spec: dict[str, Any]
) -> None:
    once = merged(template, spec)

    assert merged(template, once) == once
    assert merged({}, spec) == merged(spec, {})
    assert {disk["name"]: disk for disk in spec.get("disks", [])}.items() <= {
        disk["name"]: disk for disk in once.get("disks", [])
    }.items()
