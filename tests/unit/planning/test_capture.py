"""Captured images: what stands in their way, where they come to be, and what machines that start from them wait for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.machines import (
    NOW,
    make_catalog,
    make_domain,
    make_found,
    make_hypervisor,
    make_image,
    make_kernel,
    make_machine,
    make_off,
    make_pool,
    make_volume,
)

from drover.api.kinds import VIRTUALMACHINE, VOLUME
from drover.planning import capture, image, imagesource, names
from drover.planning.capture import Origin
from drover.planning.conditions import find
from drover.planning.domainspec import Parts, build
from drover.planning.found import assess
from drover.planning.place import book
from drover.planning.power import Wish
from drover.planning.view import ImageView
from drover.state.resource import Key

SOURCE = {"type": "Volume", "volume": {"name": "notes"}}
PLACE = {"volume": "notes", "volumeUID": "uid-notes", "pool": "default"}
SHA = "sha256:" + "a" * 64
URL = "volume://default/uid-golden"
BOUND = {"nodeName": "n1", "capture": PLACE}
WHOLE = {**BOUND, "digest": SHA, "files": [{"url": URL, "digest": SHA}]}
NOTES = make_volume("notes", status={"nodeName": "n1", "pool": "default"})
KEY = {"keySecretRef": {"name": "vault", "key": "k"}}
LOCKED = make_volume("notes", status={"nodeName": "n1", "pool": "default"}, encryption=KEY)
HERE = Origin("notes", NOTES, (), make_pool())
HELD = {"image": "shop/golden", "url": URL, "digest": SHA, "size": 10, "format": "qcow2", "virtualSize": 1 << 30}
DISK = [{"name": "root", "image": "golden"}]


def golden(status: Any = None, meta: Mapping[str, Any] | None = None, **spec: Any) -> ImageView:
    """An image that is captured from the volume notes."""
    made = make_image("golden", status=status, **{"source": SOURCE, **spec})
    return replace(made, meta=replace(made.meta, finalizers=(names.FINALIZER_IMAGE,), **(meta or {})))


def ready(found: ImageView, origin: Origin, *reports: dict[str, Any]) -> tuple[str, str, str]:
    made = capture.capture(found, origin)
    hypervisors = [make_hypervisor(images=list(reports))] if reports else []
    condition = find(image.status(found, hypervisors, now=NOW, made=made).conditions, "Ready")
    assert condition is not None
    return condition.status, condition.reason, condition.message


@pytest.mark.parametrize(
    ("origin", "reason", "words"),
    [
        pytest.param(Origin("notes"), "VolumeNotFound", "no StorageVolume notes", id="no such volume"),
        pytest.param(
            Origin("notes", make_volume("notes", {"deleting": NOW}), (), make_pool()),
            "VolumeTerminating",
            "notes",
            id="going",
        ),
        pytest.param(
            Origin("notes", make_volume("notes"), (), make_pool()), "VolumeNotBound", "no data", id="without data"
        ),
        pytest.param(Origin("notes", LOCKED), "SourceEncrypted", "notes is encrypted", id="encrypted"),
        pytest.param(Origin("notes", NOTES), "PoolNotFound", "pool of StorageVolume notes", id="no pool"),
        pytest.param(
            Origin("notes", NOTES, (make_domain(),), make_pool()),
            "VolumeInUse",
            "VirtualMachine web, which is running",
            id="on",
        ),
        pytest.param(
            Origin("notes", NOTES, (make_domain(status={"state": None}),), make_pool()),
            "VolumeInUse",
            "pending",
            id="starting",
        ),
        pytest.param(
            Origin("notes", NOTES, (make_off(power="Hibernated"),), make_pool()),
            "VolumeInUse",
            "hibernated",
            id="saved",
        ),
    ],
)
def test_what_stands_in_the_way_of_a_capture_is_told(origin: Origin, reason: str, words: str) -> None:
    made = capture.capture(golden(), origin)
    assert (made.node, made.place) == (None, None)
    status, told, message = ready(golden(), origin)
    assert (status, told) == ("False", reason)
    assert words in message


def test_only_pools_of_files_keep_images() -> None:
    pool = make_pool(type="LVM", directory=None, lvm={"volumeGroup": "vg0"})
    status, reason, message = ready(golden(), Origin("notes", NOTES, (), pool))
    assert (status, reason) == ("False", "Unsupported")
    assert "type LVM: images are captured in pools of type Directory and NFS" in message


def test_the_node_with_the_volume_captures_it_when_its_machine_is_off() -> None:
    made = capture.capture(golden(), replace(HERE, users=(make_off(),)))
    assert (made.node, made.place and made.place.volume_uid, made.place and made.place.pool) == (
        "n1",
        "uid-notes",
        "default",
    )
    assert ready(golden(), HERE) == ("Unknown", "Capturing", "n1 captures notes")


def test_a_capture_that_was_begun_stays_where_it_is() -> None:
    busy = replace(HERE, users=(make_domain(),))
    made = capture.capture(golden(BOUND), busy)
    assert made.node == "n1"
    assert made.place == golden(BOUND).status.capture
    assert ready(golden(BOUND), busy)[1] == "VolumeInUse"
    assert ready(golden(BOUND), HERE) == ("Unknown", "Capturing", "n1 captures notes")


@pytest.mark.parametrize(
    ("node", "uid"),
    [pytest.param("n1", "uid-other", id="on the same node"), pytest.param("n2", "uid-notes", id="not on another node")],
)
def test_a_capture_that_did_not_come_about_takes_the_volume_that_has_the_name_by_now(node: str, uid: str) -> None:
    other = make_volume("notes", {"uid": "uid-other"}, status={"nodeName": node, "pool": "default"})
    made = capture.capture(golden(BOUND), Origin("notes", other, (), make_pool()))
    assert (made.node, made.place and made.place.volume_uid) == ("n1", uid)


def test_what_is_captured_does_not_need_its_volume() -> None:
    assert capture.origin(golden(BOUND)) == (VOLUME, Key("shop", "notes"))
    assert capture.origin(golden(WHOLE)) is None
    assert capture.origin(make_image()) is None
    assert capture.origin(make_kernel()) is None
    assert not capture.is_captured(make_kernel())
    assert capture.unready(make_image()) == ""
    assert capture.kept_in([golden(WHOLE), golden(), make_image()]) == {"default"}
    assert ready(golden(WHOLE), Origin(), HELD) == ("True", "Held", "a node holds it")
    assert ready(golden(WHOLE), Origin()) == ("Unknown", "NotReported", "n1 does not report it")


def test_the_digest_that_its_node_found_is_the_image() -> None:
    found = golden(BOUND)
    status = image.status(found, [make_hypervisor(images=[HELD])], now=NOW, made=capture.capture(found, HERE))
    assert (status.digest, status.node_name, status.virtual_size) == (SHA, "n1", "1Gi")
    assert status.capture == found.status.capture


def test_a_node_that_cannot_capture_says_why() -> None:
    failing = {"image": "shop/golden", "url": URL, "reason": "PoolFull", "message": "no room"}
    assert ready(golden(BOUND), HERE, failing) == ("False", "PoolFull", "n1: no room")
    assert ready(golden(WHOLE), HERE, HELD, failing | {"reason": "CaptureLost"})[1] == "CaptureLost"


@pytest.mark.parametrize(
    ("sharers", "node"), [((), "n1"), (("n1", "n2"), "n1"), (("n2", "n3"), "n2")], ids=["one", "heard", "silent"]
)
def test_of_nodes_that_share_a_pool_one_that_is_heard_looks_after_the_image(sharers: Any, node: str) -> None:
    assert capture.capture(golden(WHOLE), Origin(), sharers).node == node
    assert capture.capture(golden(WHOLE, {"deleting": NOW}), Origin(), sharers).node == node


@pytest.mark.parametrize(
    ("status", "meta", "gone", "forsaken"),
    [
        pytest.param({}, {"deleting": NOW}, False, True, id="nobody began"),
        pytest.param({}, {"deleting": NOW, "finalizers": ()}, False, False, id="let go already"),
        pytest.param({}, {}, False, False, id="wanted"),
        pytest.param(WHOLE, {"deleting": NOW}, False, False, id="its node clears it away"),
        pytest.param(WHOLE, {"deleting": NOW}, True, True, id="its node is gone"),
    ],
)
def test_who_lets_an_image_go(status: Any, meta: Any, gone: bool, forsaken: bool) -> None:  # noqa: FBT001
    found = golden(status)
    assert capture.forsaken(replace(found, meta=replace(found.meta, **meta)), gone=gone) is forsaken


MACHINE = {"type": "VirtualMachine", "virtualMachine": {"name": "web"}}


@pytest.mark.parametrize(
    ("source", "sealed"),
    [
        (SOURCE, False),
        (MACHINE, False),
        (SOURCE | {"volume": {"name": "notes", "seal": "Disabled"}}, False),
        (SOURCE | {"volume": {"name": "notes", "seal": "Enabled"}}, True),
        (MACHINE | {"virtualMachine": {"name": "web", "seal": "Enabled"}}, True),
    ],
)
def test_an_image_is_sealed_when_its_source_says_so(source: Any, sealed: bool) -> None:  # noqa: FBT001
    assert capture.is_sealed(golden(source=source)) is sealed
    assert not capture.is_sealed(make_image())
    assert not capture.is_sealed(make_kernel())


def test_a_captured_image_is_called_by_its_pool_and_uid() -> None:
    assert imagesource.kept(golden(BOUND)) == URL
    assert imagesource.kept(golden()) == ""
    assert imagesource.place(URL) == ("default", "uid-golden")
    assert imagesource.place("http://x/y") is None
    assert image.files(golden(BOUND).spec, URL) == {URL: ""}


MACHINE = {"type": "VirtualMachine", "virtualMachine": {"name": "web"}}
ROOT = {"name": "root", "size": "1Gi"}
CD = {"name": "cd", "type": "CDROM"}


def of_machine(users: Any = (), meta: Any = None, **spec: Any) -> Origin:
    """The first disk of the machine."""
    machine = make_machine(meta, **{"disks": [CD, ROOT], "powerState": "Stopped", **spec})
    volume = make_volume(status={"nodeName": "n1", "pool": "default"})
    return Origin(capture.first_volume(machine), volume, users, make_pool(), machine)


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        pytest.param(Origin(), "VirtualMachineNotFound", id="no such machine"),
        pytest.param(of_machine(meta={"deleting": NOW}), "VirtualMachineTerminating", id="going"),
        pytest.param(of_machine(disks=[CD]), "NoDisk", id="only a drive"),
        pytest.param(of_machine(powerState="Running"), "MachineRunning", id="to be running"),
        pytest.param(of_machine([make_domain(powerState="Stopped")]), "MachineRunning", id="still running"),
        pytest.param(of_machine([make_off()]), "Capturing", id="off"),
        pytest.param(of_machine(), "Capturing", id="never started anew"),
        pytest.param(replace(of_machine(), volume=None), "VolumeNotFound", id="no volume yet"),
    ],
)
def test_a_machine_is_captured_when_it_is_stopped(origin: Origin, reason: str) -> None:
    found = golden(source=MACHINE)
    assert capture.origin(found) == (VIRTUALMACHINE, Key("shop", "web"))
    assert image.files(found.spec, URL) == {URL: ""}
    assert ready(found, origin)[1] == reason


@pytest.mark.parametrize(("disk", "volume"), [(ROOT, "web.root"), ({"name": "root", "volume": "notes"}, "notes")])
def test_the_first_disk_of_a_machine_is_what_is_captured(disk: Any, volume: str) -> None:
    assert capture.first_volume(make_machine(disks=[CD, disk, {"name": "data", "size": "1Gi"}])) == volume
    assert capture.first_volume(make_machine()) == ""


# --- machines that start from one -----------------------------------------------------------------------------------


def situated(found: ImageView, volumes: Any = (), pools: Any = None, **disk: Any) -> Any:
    catalog = make_catalog(
        images={"shop/golden": found},
        volumes={each.meta.key.name: each for each in volumes},
        pools=pools or {"default": make_pool()},
    )
    return assess(make_found(make_machine(disks=[{**DISK[0], **disk}]), catalog))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(golden(), "golden is not captured yet", id="not yet"),
        pytest.param(golden(BOUND), "golden is not captured yet", id="being captured"),
        pytest.param(golden(WHOLE, {"deleting": NOW}), "golden is being deleted", id="going"),
    ],
)
def test_a_machine_waits_until_its_image_is_captured(found: ImageView, words: str) -> None:
    blocked = situated(found).blocked
    assert (blocked.type, blocked.reason) == ("VolumesReady", "ImageNotCaptured")
    assert words in blocked.message
    assert situated(found, [make_volume(status={"nodeName": "n1"}, source={"type": "Image", "image": "golden"})]).sound


def test_a_machine_starts_where_its_image_is() -> None:
    whole = golden(WHOLE)
    assert situated(whole).pins == ("n1",)
    assert situated(whole).sound
    made = make_volume(status={"nodeName": "n2"}, source={"type": "Image", "image": "golden"})
    assert situated(whole, [made]).pins == ("n2",)


def test_a_disk_that_is_made_at_every_start_is_made_where_its_image_is() -> None:
    made = make_volume(status={"nodeName": "n2"}, pool="shared", source={"type": "Image", "image": "golden"})
    pools = {"shared": make_pool("shared", access="Shared"), "default": make_pool()}
    assert situated(golden(WHOLE), [made], pools).pins == ()
    assert situated(golden(WHOLE), [made], pools, ephemeral="Enabled").pins == ("n1",)


def test_a_machine_starts_wherever_a_shared_pool_has_its_image() -> None:
    pool = make_pool(access="Shared", nodeSelector={"rack": "1"})
    found = situated(golden(WHOLE), pools={"default": pool})
    assert found.pins == ()
    terms = book(found).body["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    asked = terms["nodeSelectorTerms"][0]["matchExpressions"]
    assert {"key": "rack", "operator": "In", "values": ["1"]} in asked


def test_a_machine_asks_for_the_very_bytes_that_were_captured() -> None:
    found = situated(golden(WHOLE))
    parts = Parts(found.machine.meta, found.effective, found.found.catalog, {})
    spec = build(parts, node="n1", epoch=1, wish=Wish("Running", None, None, None))
    assert spec.disks[0].image is not None
    assert (spec.disks[0].image.source.url, spec.disks[0].image.source.checksum) == (URL, SHA)
