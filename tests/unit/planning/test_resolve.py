"""The effective spec: what is left open gets its default, what is said stays."""

from typing import Any

import pytest
from tests.support.machines import (
    POLICY,
    make_catalog,
    make_image,
    make_kernel,
    make_machine,
    make_network,
    make_volume,
)

from drover.planning.catalog import Catalog
from drover.planning.resolve import Effective, Policy, home, overhead, resolve, shown

MIB = 1 << 20
BOOTABLE = make_image("bootable", kernel={"source": {"type": "HTTP", "http": {"url": "http://x/k"}}})


def _resolve(catalog: Catalog | None = None, policy: Policy = POLICY, **spec: Any) -> Effective:
    return resolve("web", make_machine(**spec).spec, catalog or make_catalog(), policy)


def test_a_machine_that_says_nothing_gets_all_defaults() -> None:
    found = _resolve(interfaces=...)
    assert (found.cores, found.memory, found.cpu_milli) == (1, 512 * MIB, 100)
    assert (found.restart_policy, found.grace, found.disks, found.kernel_image) == ("Always", 60, (), "")
    assert [(each.name, each.network) for each in found.interfaces] == [("default", "default")]


def test_an_empty_list_of_interfaces_means_none() -> None:
    assert _resolve(interfaces=[]).interfaces == ()


def test_what_is_said_is_kept() -> None:
    found = _resolve(
        cpu={"cores": 4, "request": "1500m"},
        memory={"size": "2Gi"},
        restartPolicy="Never",
        terminationGracePeriodSeconds=0,
        kernel={"image": "tiny", "arguments": "quiet"},
        readinessProbe={"tcpSocket": {"port": 22}},
    )
    assert (found.cores, found.memory, found.cpu_milli) == (4, 2048 * MIB, 1500)
    assert (found.restart_policy, found.grace) == ("Never", 0)
    assert (found.kernel_image, found.kernel_arguments) == ("shop/tiny", "quiet")
    assert found.probe is not None


@pytest.mark.parametrize(
    ("cores", "per_core", "milli"), [(1, 0.1, 100), (4, 0.25, 1000), (1, 0.0001, 1)], ids=["one", "four", "at least 1m"]
)
def test_cpu_is_booked_by_core(cores: int, per_core: float, milli: int) -> None:
    assert _resolve(policy=Policy("", per_core), cpu={"cores": cores}).cpu_milli == milli


@pytest.mark.parametrize(("emulated", "expected"), [(False, 64 + 16 + 16), (True, 64 + 16 + 16 + 128)])
def test_overhead_follows_memory_cores_and_emulation(*, emulated: bool, expected: int) -> None:
    assert overhead(2, 1024 * MIB, emulated=emulated) == expected * MIB


def test_a_new_disk_takes_the_default_pool_and_its_own_name() -> None:
    (disk,) = _resolve(disks=[{"name": "root", "image": "debian", "size": "2Gi", "reclaimPolicy": "Retain"}]).disks
    assert (disk.volume, disk.pool, disk.image) == ("web.root", "default", "shop/debian")
    assert (disk.own, disk.size, disk.retain) == (True, 2048 * MIB, True)


@pytest.mark.parametrize(
    ("disk", "status", "pool", "size"),
    [
        pytest.param({"name": "d", "volume": "kept"}, {}, "fast", 1 << 30, id="an existing one, as it is"),
        pytest.param({"name": "d", "volume": "kept"}, {"pool": "slow"}, "slow", 1 << 30, id="where its data is"),
    ],
)
def test_an_existing_volume_is_taken_as_it_is(
    disk: dict[str, str], status: dict[str, str], pool: str, size: int
) -> None:
    volume = make_volume("kept", status=status, pool="fast", source={"type": "Image", "image": "debian"})
    (found,) = _resolve(make_catalog(volumes={"kept": volume}), disks=[disk]).disks
    assert (found.pool, found.size, found.image, found.own) == (pool, size, "shop/debian", False)


LOCKED = {"encryption": {"keySecretRef": {"name": "vault-key", "key": "passphrase"}}}


@pytest.mark.parametrize(
    ("disk", "volumes"),
    [
        pytest.param({"name": "root", "size": "1Gi", **LOCKED}, {}, id="the machine's own"),
        pytest.param({"name": "d", "volume": "kept"}, {"kept": make_volume("kept", **LOCKED)}, id="an existing one"),
    ],
)
def test_an_encrypted_disk_names_its_secret(disk: dict[str, Any], volumes: Any) -> None:
    effective = _resolve(make_catalog(volumes=volumes), disks=[disk])

    assert [each.encryption for each in shown(effective).disks or ()] == ["Secret vault-key/passphrase"]


def test_a_disk_that_grew_in_the_spec_is_larger_than_its_volume() -> None:
    catalog = make_catalog(volumes={"web.root": make_volume()})
    (found,) = _resolve(catalog, disks=[{"name": "root", "size": "3Gi"}]).disks
    assert found.size == 3 << 30


@pytest.mark.parametrize(
    ("disks", "image"),
    [
        pytest.param([{"name": "root", "image": "bootable"}], "shop/bootable", id="the boot disk's image has one"),
        pytest.param([{"name": "root", "image": "debian"}], "", id="it has none"),
        pytest.param([{"name": "a", "size": "1Gi"}, {"name": "b", "image": "bootable"}], "", id="not the boot disk"),
        pytest.param([], "", id="no disk"),
    ],
)
def test_the_boot_disks_image_may_bring_its_kernel(disks: list[dict[str, str]], image: str) -> None:
    images = {"shop/bootable": BOOTABLE, "shop/debian": make_image(), "shop/tiny": make_kernel()}
    assert _resolve(make_catalog(images=images), disks=disks).kernel_image == image


def test_the_effective_spec_is_shown_in_the_words_of_the_api() -> None:
    found = shown(_resolve(disks=[{"name": "root", "size": "1Gi"}], interfaces=[{"name": "lan"}]))
    assert (found.cores, found.memory, found.cpu_request, found.memory_request) == (1, "512Mi", "100m", "592Mi")
    assert (found.pools, found.networks) == ({"root": "default"}, {"lan": "default"})


def test_nothing_is_shown_of_what_is_not_there() -> None:
    found = shown(_resolve())
    assert (found.pools, found.networks) == (None, None)


def test_an_interface_is_as_its_network_and_its_owner_say() -> None:
    over = make_network("over", type="Overlay", overlay={"vni": 7, "mtu": 1400})
    asked = {"name": "lan", "network": "over", "model": "E1000E", "link": "Down", "limits": {"bytesPerSecond": "1M"}}
    found = _resolve(make_catalog(networks={"over": over}), interfaces=[asked | {"securityGroups": ["b", "a"]}])
    (lan,) = found.interfaces
    assert (lan.mtu, lan.model, lan.link, lan.bytes_per_second, lan.groups) == (
        1400,
        "E1000E",
        "Down",
        1_000_000,
        ("a", "b"),
    )


@pytest.mark.parametrize(
    ("interface", "held", "network"),
    [
        pytest.param({}, (), "new", id="it never had an address"),
        pytest.param({}, ("old",), "old", id="it has one elsewhere"),
        pytest.param({}, ("old", "new"), "new", id="it has one on both"),
        pytest.param({}, ("gone",), "new", id="its network is gone"),
        pytest.param({"network": "old"}, ("old",), "new", id="that is of an interface which names its network"),
    ],
)
def test_interfaces_that_name_no_network_stay_where_they_are(interface: Any, held: Any, network: str) -> None:
    spec = make_machine(interfaces=[{"name": "lan", **interface}]).spec
    assert home(spec, "new", [("lan", each) for each in held], {"old", "new"}) == network


@pytest.mark.parametrize(
    ("spec", "architecture"),
    [
        pytest.param({"disks": [{"name": "root", "image": "debian"}]}, "arm64", id="its disk's image's"),
        pytest.param({"kernel": {"image": "tiny"}}, None, id="of an image that says none"),
        pytest.param({"architecture": "amd64", "disks": [{"name": "root", "image": "debian"}]}, "amd64", id="its own"),
    ],
)
def test_a_machine_is_of_the_architecture_of_its_image(spec: Any, architecture: str | None) -> None:
    images = {"shop/debian": make_image(architecture="arm64"), "shop/tiny": make_kernel()}
    assert _resolve(make_catalog(images=images), **spec).machine.architecture == architecture
