"""From machine to Domain: everything the agent needs, and no change that nobody asked for."""

from typing import Any

import pytest
from tests.support.machines import (
    INITRD_URL,
    KERNEL_URL,
    MAC,
    POLICY,
    UID,
    URL,
    make_address,
    make_catalog,
    make_domain,
    make_image,
    make_kernel,
    make_machine,
    make_volume,
)

from drover.api.domain import DomainSpec
from drover.planning import names
from drover.planning.catalog import Catalog
from drover.planning.domainspec import Parts, body, build, settle
from drover.planning.power import first_wish
from drover.planning.resolve import resolve

SHA = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
DISK = {"name": "root", "image": "debian", "size": "2Gi"}
FROM_IMAGE = {"type": "Image", "image": "debian"}


def _catalog(image: Any = None, **changes: Any) -> Catalog:
    images = {"shop/debian": image or make_image(), "shop/tiny": make_kernel()}
    return make_catalog(**({"images": images, "volumes": {"web.root": make_volume(source=FROM_IMAGE)}} | changes))


def _build(catalog: Catalog, before: DomainSpec | None = None, **spec: Any) -> DomainSpec:
    machine = make_machine(**spec)
    effective = resolve("web", machine.spec, catalog, POLICY)
    parts = Parts(machine.meta, effective, catalog, {("lan", 4): make_address()})
    return build(parts, node="n1", epoch=2, wish=first_wish(machine), before=before)


def test_a_domain_is_the_machine_on_one_node() -> None:
    spec = _build(_catalog(), cpu={"cores": 2}, restartPolicy="Never", terminationGracePeriodSeconds=5)
    assert (spec.node_name, spec.uuid, spec.epoch, spec.power_state) == ("n1", UID, 2, "Running")
    assert (spec.machine.cores, spec.machine.memory_bytes) == (2, 512 << 20)
    assert (spec.restart_policy, spec.termination_grace_period_seconds, spec.actor) == ("Never", 5, "kubectl")


def test_disks_and_interfaces_carry_what_was_allocated() -> None:
    spec = _build(_catalog(), disks=[DISK], interfaces=[{"name": "lan"}])
    (disk,), (interface,) = spec.disks, spec.interfaces
    assert (disk.volume, disk.volume_uid, disk.pool, disk.size_bytes) == (
        "web.root",
        "uid-web.root",
        "default",
        2 << 30,
    )
    assert disk.image is not None
    assert (disk.image.image, disk.image.source.url) == ("shop/debian", URL)
    assert (interface.network, interface.ip, interface.mac) == ("default", "10.20.0.2", MAC)


def test_a_blank_disk_starts_from_nothing() -> None:
    spec = _build(_catalog(volumes={"web.root": make_volume()}), disks=[{"name": "root", "size": "1Gi"}])
    assert spec.disks[0].image is None


def test_of_an_encrypted_disk_the_secret_is_named() -> None:
    key = {"name": "vault-key", "key": "passphrase"}
    volume = make_volume(encryption={"keySecretRef": key})
    spec = _build(_catalog(volumes={"web.root": volume}), disks=[{"name": "root", "size": "1Gi"}])

    assert [each.key.model_dump() for each in spec.disks if each.key] == [key]


def test_a_hardware_address_that_is_asked_for_wins() -> None:
    mac = "02:00:00:00:00:99"
    assert _build(_catalog(), interfaces=[{"name": "lan", "macAddress": mac}]).interfaces[0].mac == mac


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [pytest.param(None, "console=ttyS0", id="default"), pytest.param("quiet", "quiet", id="the machine's")],
)
def test_a_kernel_comes_with_its_initrd_and_arguments(arguments: str | None, expected: str) -> None:
    kernel = _build(_catalog(), kernel={"image": "tiny", "arguments": arguments}).kernel
    assert kernel is not None
    assert kernel.initrd is not None
    assert (kernel.image, kernel.kernel.url, kernel.initrd.url) == ("shop/tiny", KERNEL_URL, INITRD_URL)
    assert kernel.arguments == expected


def test_a_kernel_may_come_without_an_initrd_and_with_its_own_arguments() -> None:
    catalog = _catalog(images={"shop/tiny": make_kernel(initrd=None, arguments="panic=1")})
    kernel = _build(catalog, kernel={"image": "tiny"}).kernel
    assert kernel is not None
    assert (kernel.initrd, kernel.arguments) == (None, "panic=1")


@pytest.mark.parametrize(
    ("image", "checksum"),
    [
        pytest.param(make_image(checksum=SHA), SHA, id="the image's own"),
        pytest.param(
            make_image(status={"files": [{"url": URL, "digest": OTHER}]}), OTHER, id="what the first node saw"
        ),
        pytest.param(make_image(), None, id="nobody knows"),
    ],
)
def test_a_file_is_checked_against_what_is_known_of_it(image: Any, checksum: str | None) -> None:
    source = _build(_catalog(image), disks=[DISK]).disks[0].image
    assert source is not None
    assert source.source.checksum == checksum


@pytest.mark.parametrize(("kind", "told"), [("ISO", "ISO"), ("Disk", None)])
def test_the_node_is_told_which_file_is_an_iso(kind: str, told: str | None) -> None:
    source = _build(_catalog(make_image(type=kind)), disks=[DISK]).disks[0].image
    assert source is not None
    assert source.source.type == told


def test_an_image_that_is_made_anew_with_another_secret_is_fetched_with_that() -> None:
    sources = ({"type": "HTTP", "http": {"url": URL, "headersSecretRef": {"name": each}}} for each in ("old", "new"))
    before, after = (_catalog(make_image(source=each)) for each in sources)
    (disk,) = _build(after, _build(before, disks=[DISK]), disks=[DISK]).disks

    assert disk.image is not None
    assert disk.image.source.secret == "new"


@pytest.mark.parametrize(
    ("was", "is_", "capacity", "data"),
    [
        pytest.param("Disabled", "Disabled", "2Gi", "New", id="what was said once stands"),
        pytest.param("Disabled", "Enabled", "2Gi", "New", id="nothing is kept from now on"),
        pytest.param("Enabled", "Disabled", "2Gi", "Seen", id="what the run wrote is to be kept"),
        pytest.param("Enabled", "Disabled", None, "New", id="it was dropped already"),
    ],
)
def test_data_of_an_ephemeral_disk_may_be_made_anew(was: str, is_: str, capacity: str | None, data: str) -> None:
    catalogs = [
        _catalog(volumes={"web.root": make_volume(source=FROM_IMAGE, status={"capacity": each} if each else {})})
        for each in (None, capacity)
    ]
    before = _build(catalogs[0], disks=[DISK | {"ephemeral": was}])

    assert _build(catalogs[1], before, disks=[DISK | {"ephemeral": is_}]).disks[0].data == data


def test_learning_an_images_digest_changes_no_domain() -> None:
    before = _build(_catalog(), disks=[DISK], kernel={"image": "tiny"})
    learned = make_image(status={"files": [{"url": URL, "digest": OTHER}]})
    assert _build(_catalog(learned), before, disks=[DISK], kernel={"image": "tiny"}) == before


def test_a_disk_whose_image_is_gone_remembers_it() -> None:
    before = _build(_catalog(), disks=[DISK])
    after = _build(_catalog(images={}), before, disks=[DISK])
    assert after.disks == before.disks
    assert _build(_catalog(images={}), disks=[DISK]).disks[0].image is None


def test_somebody_elses_write_alone_is_no_news_for_the_node() -> None:
    before = _build(_catalog())
    assert settle(before.model_copy(update={"actor": "helm"}), before) is before
    changed = before.model_copy(update={"actor": "helm", "restart_policy": "Never"})
    assert settle(changed, before) is changed


def test_a_domain_carries_its_lock_its_owner_and_its_agents_finalizer() -> None:
    built: Any = body(_build(_catalog()), {"uid": UID}, "shop")
    meta = built["metadata"]
    assert (meta["name"], meta["namespace"], meta["finalizers"]) == ("web-2", "shop", ["drover.dev/agent"])
    assert (meta["labels"], meta["ownerReferences"]) == ({"drover.dev/virtualmachine": "web"}, [{"uid": UID}])
    assert "restartedAt" not in built["spec"]


def test_an_unmanaged_interface_has_a_hardware_address_and_no_other() -> None:
    machine = make_machine(interfaces=[{"name": "lan", "addressMode": "Unmanaged"}])
    parts = Parts(machine.meta, resolve("web", machine.spec, _catalog(), POLICY), _catalog(), {})
    (lan,) = build(parts, node="n1", epoch=1, wish=first_wish(machine)).interfaces
    assert (lan.ip, lan.ipv6, lan.mac, lan.address_mode) == ("", "", names.mac(UID, "lan"), "Unmanaged")


def test_a_drive_carries_the_image_that_is_in_it() -> None:
    drives = [{"name": "cd", "type": "CDROM", "image": "debian", "bus": "SCSI"}, {"name": "empty", "type": "CDROM"}]
    full, empty = _build(_catalog(), disks=drives).media
    assert full.image is not None
    assert (full.name, full.bus, full.image.image, full.image.source.url) == ("cd", "SCSI", "shop/debian", URL)
    assert (empty.name, empty.image) == ("empty", None)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(None, "pc-q35-7.1"), ("q35", "pc-q35-7.1"), ("pc-q35-7.2", "pc-q35-7.2")],
    ids=["nothing", "its family", "another"],
)
def test_the_board_of_the_first_start_is_pinned(asked: str | None, expected: str) -> None:
    status: dict[str, Any] = {"resolved": {"cores": 1, "memory": "1Gi", "cpuRequest": "1", "memoryRequest": "1Gi"}}
    status["resolved"] |= {"restartPolicy": "Always", "terminationGracePeriodSeconds": 60, "machineType": "pc-q35-7.1"}
    machine = make_machine(status=status, machineType=asked)
    effective = resolve("web", machine.spec, _catalog(), POLICY)
    parts = Parts(machine.meta, effective, _catalog(), {}, status=machine.status)
    assert build(parts, node="n2", epoch=3, wish=first_wish(machine)).machine.machine_type == expected


def test_a_board_that_no_start_ever_chose_is_not_kept() -> None:
    machine = make_machine()
    parts = Parts(machine.meta, resolve("web", machine.spec, make_catalog(), POLICY), make_catalog(), {})
    before = make_domain(machine={"cores": 1, "memoryBytes": 1 << 27, "machineType": "pc-q35-99.0"}).spec

    assert build(parts, node="n1", epoch=1, wish=first_wish(machine), before=before).machine.machine_type == ""
