"""Accepted: what is missing or not allowed is named, and nothing else is refused."""

from typing import Any

import pytest
from tests.support.machines import (
    NOW,
    POLICY,
    UID,
    make_address,
    make_catalog,
    make_image,
    make_kernel,
    make_machine,
    make_network,
    make_pool,
    make_volume,
)

from drover.planning.catalog import Catalog
from drover.planning.inheritance import Inheritance
from drover.planning.references import accepted, allows, clashes, contains, selects
from drover.planning.resolve import Effective, resolve

DISK = {"name": "root", "size": "1Gi"}
ELSEWHERE = {"library/debian": make_image(namespace="library")}

LUN = {"name": "data", "volume": "data"}
EXISTING: dict[str, Any] = {"pool": "san", "size": None, "source": {"type": "Existing"}}
DATA = {"data": make_volume("data", **EXISTING)}
MORE, OTHER = make_volume("more", **EXISTING), make_volume("data", pool="san")
ELSEWHERE_LUN = make_volume("data", **(EXISTING | {"pool": "default"}))
PORTAL = {"server": "san", "target": "iqn.2026-01.com.example:disks", "luns": [{"lun": 7, "volume": "shop/data"}]}
SAN = {"san": make_pool("san", type="ISCSI", directory=None, default=False, iscsi=PORTAL)}
GROUP = {"group": make_pool("group", type="LVM", directory=None, default=False, lvm={"volumeGroup": "vg0"})}
DIRECT = make_network(type="Direct", direct={"device": "eth1"}, antiSpoofing="Disabled", subnets=[])
NOT_ACCEPTED = {
    "type": "Accepted",
    "status": "False",
    "reason": "VNITaken",
    "message": "VNI 7",
    "lastTransitionTime": NOW,
}
REFUSED = make_network(status={"conditions": [NOT_ACCEPTED]})


KERNEL = {"source": {"type": "HTTP", "http": {"url": "http://images.example/vmlinuz"}}}
LOCKED = {"encryption": {"keySecretRef": {"name": "vault-key", "key": "passphrase"}}}
OTHERWISE = {"encryption": {"keySecretRef": {"name": "other", "key": "k"}}}


def _volume(**fields: Any) -> dict[str, Any]:
    return {"volumes": {"web.root": make_volume(**fields)}}


def _resolve(catalog: Catalog, spec: dict[str, Any]) -> Effective:
    inherited = Inheritance("library/nginx", "nginx-1") if "plugin" in spec else None
    return resolve("web", make_machine(**spec).spec, catalog, POLICY, inherited)


def _lan(**fields: Any) -> dict[str, Any]:
    return {"interfaces": [{"name": "lan", **fields}]}


@pytest.mark.parametrize(
    ("spec", "catalog", "reason", "named"),
    [
        pytest.param({}, {}, "Accepted", "", id="nothing is asked for"),
        pytest.param({"disks": [DISK | {"image": "debian"}], **_lan()}, {}, "Accepted", "", id="all is there"),
        pytest.param({"disks": [DISK | {"image": "gone"}]}, {}, "ImageNotFound", "shop/gone", id="no image"),
        pytest.param(
            {"disks": [DISK | {"image": "debian"}], "architecture": "arm64"},
            {"images": {"shop/debian": make_image(architecture="amd64")}},
            "InvalidSpec",
            "architecture: arm64 does not go with disk root: shop/debian, which is for amd64",
            id="an image of another architecture",
        ),
        pytest.param(
            {"kernel": {"image": "tiny"}, "memory": {"size": "64Mi"}},
            {
                "images": {
                    "shop/tiny": make_image("tiny", type="Kernel", source=None, kernel=KERNEL, minimumMemory="128Mi")
                }
            },
            "InvalidSpec",
            "memory.size: 64Mi is less than the 128Mi that kernel: shop/tiny needs",
            id="less memory than an image needs",
        ),
        pytest.param(
            {"disks": [DISK | {"image": "debian"}], "memory": {"size": "64Mi"}},
            _volume(source={"type": "Image", "image": "debian"}, status={"nodeName": "n1"})
            | {"images": {"shop/debian": make_image(minimumMemory="128Mi")}},
            "Accepted",
            "",
            id="data that is there already",
        ),
        pytest.param(
            {"disks": [DISK, {"name": "again", "volume": "web.root"}]},
            _volume(),
            "InvalidSpec",
            "disk again: StorageVolume web.root is that of disk root already",
            id="one volume twice",
        ),
        pytest.param({"disks": [LUN]}, {"volumes": DATA, "pools": SAN}, "Accepted", "", id="a LUN"),
        pytest.param(
            {"disks": [LUN]},
            {"volumes": {"data": OTHER}, "pools": SAN},
            "SourceUnsupported",
            "nothing is made",
            id="a blank volume among LUNs",
        ),
        pytest.param(
            {"disks": [DISK | {"pool": "san"}]}, {"pools": SAN}, "SourceUnsupported", "nothing is made", id="no LUN"
        ),
        pytest.param(
            {"disks": [LUN | {"volume": "more"}]},
            {"volumes": {"more": MORE}, "pools": SAN},
            "LUNNotGiven",
            "no LUN to shop/more",
            id="a LUN that was not given",
        ),
        pytest.param(
            {"disks": [LUN]},
            {"volumes": {"data": ELSEWHERE_LUN}},
            "SourceUnsupported",
            "default is of Directory",
            id="an existing volume among files",
        ),
        pytest.param(
            {"disks": [{"name": "root", "from": {"volume": "data"}}]},
            {"volumes": DATA, "pools": SAN | {"default": make_pool()}},
            "SourceUnsupported",
            "no copies",
            id="a copy of a LUN",
        ),
        pytest.param({"disks": [DISK | {"image": "tiny"}]}, {}, "InvalidSpec", "holds no disk", id="no disk in it"),
        pytest.param(
            {"disks": [DISK | {"image": "cd"}]},
            {"images": {"shop/cd": make_image("cd", type="ISO")}},
            "InvalidSpec",
            "is an ISO",
            id="a disk of a CD",
        ),
        pytest.param({"kernel": {"image": "debian"}}, {}, "InvalidSpec", "holds no kernel", id="no kernel in it"),
        pytest.param({"kernel": {"image": "gone"}}, {}, "ImageNotFound", "shop/gone", id="no kernel image"),
        pytest.param({"kernel": {"arguments": "quiet"}}, {}, "InvalidSpec", "kernel.arguments", id="no kernel at all"),
        pytest.param(
            {"plugin": "library/nginx", "disks": [{"name": "a"}]}, {}, "InvalidSpec", "spec.disks[a]", id="too little"
        ),
        pytest.param(
            {"cloudInit": {"userData": "#cloud-config\na: ["}},
            {},
            "InvalidCloudInit",
            "cloudInit.userData: line 2",
            id="no yaml",
        ),
        pytest.param(
            {"disks": [DISK | {"image": "library/debian"}]},
            {"images": ELSEWHERE},
            "NotAllowed",
            "shop",
            id="not shared",
        ),
        pytest.param({"disks": [DISK | {"pool": "fast"}]}, {}, "PoolNotFound", "fast", id="no pool"),
        pytest.param({"disks": [DISK]}, {"default_pool": ""}, "NoDefaultPool", "root", id="no default pool"),
        pytest.param({"disks": [{"name": "old", "volume": "kept"}]}, {}, "VolumeNotFound", "kept", id="no volume"),
        pytest.param({"disks": [DISK | LOCKED]}, {"volumes": {}}, "Accepted", "", id="to be encrypted"),
        pytest.param({"disks": [DISK | LOCKED]}, _volume(**LOCKED), "Accepted", "", id="encrypted as it says"),
        pytest.param(
            {"disks": [DISK | LOCKED | {"pool": "group"}]},
            {"volumes": {}, "pools": GROUP},
            "EncryptionUnsupported",
            "group is of type LVM",
            id="encrypted on a device",
        ),
        pytest.param({"disks": [DISK]}, _volume(**LOCKED), "Accepted", "", id="encrypted though it says nothing"),
        pytest.param(
            {"disks": [DISK | LOCKED]}, _volume(), "EncryptionDiffers", "is not encrypted", id="plain already"
        ),
        pytest.param(
            {"disks": [DISK | LOCKED]}, _volume(**OTHERWISE), "EncryptionDiffers", "Secret other, key k", id="otherwise"
        ),
        pytest.param(
            {"disks": [{"name": "copy", "from": {"volume": "web.root"}}]},
            _volume(**LOCKED),
            "SourceEncrypted",
            "web.root is encrypted",
            id="a copy of what is encrypted",
        ),
        pytest.param(_lan(network="dmz"), {}, "NetworkNotFound", "dmz", id="no network"),
        pytest.param(_lan(), {"default_network": ""}, "NoDefaultNetwork", "lan", id="no default network"),
        pytest.param(_lan(address="10.9.0.1"), {}, "AddressOutsideSubnet", "10.20.0.0/29", id="outside"),
        pytest.param(_lan(address="10.20.0.0"), {}, "AddressReserved", "10.20.0.0", id="network address"),
        pytest.param(_lan(address="10.20.0.7"), {}, "AddressReserved", "10.20.0.7", id="broadcast address"),
        pytest.param(_lan(address="10.20.0.1"), {}, "AddressReserved", "10.20.0.1", id="gateway"),
        pytest.param(_lan(address="10.20.0.6"), {}, "Accepted", "", id="an address to have"),
        pytest.param(_lan(securityGroups=["web"]), {}, "SecurityGroupNotFound", "web", id="no group"),
        pytest.param(_lan(securityGroups=["web"]), {"groups": frozenset({"web"})}, "Accepted", "", id="a group"),
        pytest.param(
            _lan(address="10.20.0.6", addressMode="Unmanaged"), {}, "InvalidSpec", "Unmanaged", id="unmanaged"
        ),
        pytest.param(_lan(), {"networks": {"default": REFUSED}}, "NetworkNotAccepted", "VNI 7", id="refused network"),
        pytest.param(_lan(), {"networks": {"default": DIRECT}}, "Accepted", "", id="direct"),
        pytest.param(
            _lan(limits={"bytesPerSecond": "1M"}),
            {"networks": {"default": DIRECT}},
            "Unsupported",
            "Direct",
            id="direct with a limit",
        ),
        pytest.param(
            _lan(address="10.20.0.6"),
            {"networks": {"default": DIRECT}},
            "AddressOutsideSubnet",
            "every",
            id="no subnet",
        ),
    ],
)
def test_a_spec_is_accepted_or_the_first_problem_is_named(
    spec: dict[str, Any], catalog: dict[str, Any], reason: str, named: str
) -> None:
    offered = make_catalog(**catalog)
    found = accepted(_resolve(offered, spec), offered)
    assert (found.reason, found.status) == (reason, "True" if reason == "Accepted" else "False")
    assert named in found.message


def test_all_problems_are_named() -> None:
    catalog = make_catalog(default_pool="")
    found = accepted(_resolve(catalog, {"disks": [DISK], **_lan(network="dmz")}), catalog)
    assert "root" in found.message
    assert "dmz" in found.message


def test_data_that_a_node_holds_needs_its_image_no_more() -> None:
    bound = make_volume(status={"nodeName": "n1"}, source={"type": "Image", "image": "gone"})
    catalog = make_catalog(volumes={"web.root": bound})
    assert accepted(_resolve(catalog, {"disks": [DISK | {"image": "gone"}]}), catalog).status == "True"


@pytest.mark.parametrize(
    ("sharing", "allowed"),
    [
        pytest.param(None, False, id="nothing said"),
        pytest.param({"from": "Same"}, False, id="its own namespace"),
        pytest.param({"from": "All"}, True, id="all"),
        pytest.param({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, True, id="selected"),
        pytest.param({"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}, False, id="not selected"),
        pytest.param({"from": "Selector"}, True, id="an empty selector selects all"),
    ],
)
def test_an_image_says_who_may_use_it(sharing: dict[str, Any] | None, *, allowed: bool) -> None:
    image = make_image(namespace="library", allowedNamespaces=sharing)
    assert allows(image, "shop", {"team": "a"}) is allowed
    assert allows(image, "library", {})


@pytest.mark.parametrize(
    ("operator", "key", "values", "matches"),
    [
        ("In", "team", ["a", "b"], True),
        ("In", "team", ["b"], False),
        ("NotIn", "team", ["b"], True),
        ("NotIn", "team", ["a"], False),
        ("Exists", "team", [], True),
        ("Exists", "other", [], False),
        ("DoesNotExist", "other", [], True),
        ("DoesNotExist", "team", [], False),
        ("Resembles", "team", ["a"], False),
    ],
)
def test_expressions_match_as_kubernetes_has_it(operator: str, key: str, values: list[str], *, matches: bool) -> None:
    expression = {"key": key, "operator": operator, "values": values}
    assert selects({"matchExpressions": [expression]}, {"team": "a"}) is matches


@pytest.mark.parametrize(("cidr", "inside"), [("10.20.0.0/16", True), ("10.20.7.0/24", True), ("10.20.6.0/24", False)])
def test_a_network_contains_its_addresses(cidr: str, *, inside: bool) -> None:
    assert contains(cidr, "10.20.7.9") is inside


@pytest.mark.parametrize(
    ("uid", "fields", "named"),
    [
        pytest.param("other", {"address": "10.20.0.2"}, "10.20.0.2", id="another machine's address"),
        pytest.param(
            "other", {"macAddress": "02:00:00:00:00:01"}, "02:00:00:00:00:01", id="another's hardware address"
        ),
        pytest.param(UID, {"address": "10.20.0.2"}, "", id="its own"),
        pytest.param("other", {}, "", id="nothing in particular"),
    ],
)
def test_what_others_hold_is_named_with_its_holder(uid: str, fields: dict[str, str], named: str) -> None:
    held = [make_address(uid=uid), make_address(None, uid=uid)]
    catalog = make_catalog(claimed={each.meta.key.name: each for each in held})
    found = list(clashes(UID, _resolve(catalog, _lan(**fields)), catalog))
    assert [reason for reason, _ in found] == (["AddressInUse"] if named else [])
    assert all(named in message and "shop/web" in message for _, message in found)


@pytest.mark.parametrize(("network", "clash"), [("default", True), ("shop", False)])
def test_a_hardware_address_that_another_machine_was_given_is_taken(network: str, *, clash: bool) -> None:
    given = make_address(uid="other")
    catalog = make_catalog(
        networks={name: make_network(name) for name in ("default", "shop")}, claimed={given.meta.key.name: given}
    )
    fields = _lan(network=network, macAddress=given.spec.mac_address)
    assert [reason for reason, _ in clashes(UID, _resolve(catalog, fields), catalog)] == ["AddressInUse"] * clash


def test_a_clash_needs_a_network_to_happen_on() -> None:
    catalog = make_catalog(default_network="", networks={"x": make_network("x")}, images={"shop/k": make_kernel("k")})
    fields = _lan(address="10.20.0.2", macAddress="02:00:00:00:00:01")
    assert list(clashes(UID, _resolve(catalog, fields), catalog)) == []
