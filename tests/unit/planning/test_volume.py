"""Volumes: which are made, taken, enlarged, kept or deleted with a machine, and what is said of each."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.machines import NOW, POLICY, UID, make_catalog, make_domain, make_machine, make_volume, notes

from drover.planning.catalog import Catalog
from drover.planning.conditions import find
from drover.planning.resolve import Effective, resolve
from drover.planning.view import DomainView, VolumeView
from drover.planning.volume import (
    Provision,
    body,
    claimants,
    detached,
    forsaken,
    grown,
    in_use,
    provision,
    status,
    to_delete,
    to_disown,
    wants,
)

LOCKED: dict[str, Any] = {"encryption": {"keySecretRef": {"name": "vault-key", "key": "passphrase"}}}
ROOT = {"name": "root", "size": "1Gi"}
KEPT = {"name": "old", "volume": "kept"}
GIB = 1 << 30
FOREIGN: Mapping[str, Any] = {"annotations": notes(machine_uid="uid-other"), "owner": "uid-other"}
DELETING = {"deleting": NOW}


def _resolve(
    disks: list[dict[str, str]], *volumes: VolumeView, held: Mapping[str, str] | None = None
) -> tuple[Effective, Catalog]:
    catalog = make_catalog(volumes={each.meta.key.name: each for each in volumes}, held=held or {})
    return resolve("web", make_machine(disks=disks).spec, catalog, POLICY), catalog


def _provision(disks: list[dict[str, str]], *volumes: VolumeView, held: Mapping[str, str] | None = None) -> Provision:
    effective, catalog = _resolve(disks, *volumes, held=held)
    return provision(UID, effective, catalog, [_naming("kept")])


def _naming(volume: str = "web.root", meta: Any = None, **fact: Any) -> DomainView:
    disk = {"name": "root", "volume": volume, "volumeUid": f"uid-{volume}", "pool": "default"}
    facts = {"volumes": [{"name": volume, **fact}]} if fact else {}
    return make_domain(meta, facts, disks=[disk])


@pytest.mark.parametrize(
    ("disks", "volumes", "ready"),
    [
        pytest.param([], [], True, id="no disks"),
        pytest.param([ROOT], [], False, id="to be made"),
        pytest.param([ROOT], [make_volume()], True, id="made"),
        pytest.param([KEPT], [make_volume("kept", {"annotations": (), "owner": ""})], False, id="to be taken"),
        pytest.param([KEPT], [make_volume("kept", {"annotations": notes(used_by=UID)})], True, id="taken"),
        pytest.param(
            [KEPT], [make_volume("kept", {"annotations": notes(used_by=UID), "finalizers": ()})], False, id="loose"
        ),
        pytest.param([ROOT], [make_volume(meta=FOREIGN)], False, id="of a machine that had the name before"),
    ],
)
def test_a_machine_is_provided_for_when_every_volume_is_its_own(
    disks: list[dict[str, str]], volumes: list[VolumeView], *, ready: bool
) -> None:
    assert _provision(disks, *volumes).ready is ready


def test_a_volume_is_made_taken_or_enlarged_as_its_disk_asks() -> None:
    found = _provision([ROOT, KEPT], make_volume("kept", FOREIGN))
    assert ([disk.volume for disk in found.create], [meta.key.name for meta in found.take]) == (["web.root"], ["kept"])
    larger = _provision([{"name": "root", "size": "2Gi"}], make_volume())
    assert [(volume.meta.key.name, size) for volume, size in larger.grow] == [("web.root", 2 * GIB)]
    assert grown(larger.grow[0][0], 2 * GIB) == {"pool": "default", "size": "2Gi"}


@pytest.mark.parametrize(
    ("size", "meta"),
    [
        pytest.param("1Gi", {}, id="as large as asked"),
        pytest.param("2Gi", FOREIGN, id="another machine's"),
        pytest.param("2Gi", DELETING, id="going"),
    ],
)
def test_only_own_volumes_that_are_too_small_are_enlarged(size: str, meta: Any) -> None:
    assert _provision([{"name": "root", "size": size}], make_volume(meta=meta)).grow == ()


def test_a_volume_of_its_images_size_is_enlarged_to_a_size_that_is_asked_for() -> None:
    assert len(_provision([ROOT], make_volume(size=None)).grow) == 1


@pytest.mark.parametrize(
    ("volume", "held", "reason"),
    [
        pytest.param(make_volume("kept"), {"kept": "db"}, "VolumeInUse", id="in use"),
        pytest.param(make_volume("kept", DELETING), {}, "", id="going, but already part of the machine"),
        pytest.param(make_volume("kept"), {}, "", id="free"),
    ],
)
def test_a_volume_that_cannot_be_had_blocks_with_a_reason(
    volume: VolumeView, held: dict[str, str], reason: str
) -> None:
    blocked = _provision([KEPT], volume, held=held).blocked
    assert (blocked.reason if blocked else "") == reason


def test_a_volume_that_is_going_is_not_used_anew() -> None:
    found = _provision([ROOT], make_volume(meta=DELETING))
    assert found.blocked is not None
    assert (found.blocked.reason, found.take) == ("VolumeTerminating", ())


def test_data_pins_a_machine_to_its_node() -> None:
    bound = make_volume("kept", status={"nodeName": "n2"})
    assert _provision([ROOT, KEPT], make_volume(status={"nodeName": "n2"}), bound).pins == ("n2",)


def test_a_machine_wants_the_volumes_it_names() -> None:
    machine = make_machine(disks=[ROOT, KEPT])
    assert [wants(machine, name) for name in ("web.root", "kept", "other")] == [True, True, False]
    assert not wants(make_machine(), "web.root")


def test_who_took_a_volume_comes_before_whom_it_was_made_for() -> None:
    assert claimants(make_volume(meta={"annotations": notes(machine_uid=UID, used_by="uid-db")}).meta) == (
        "uid-db",
        UID,
    )
    assert claimants(make_volume(meta={"annotations": (), "owner": ""}).meta) == ()


def test_volumes_of_removed_disks_are_detached() -> None:
    effective, _ = _resolve([ROOT])
    assert detached(effective, [make_volume(), make_volume("web.data")]) == ("web.data",)


@pytest.mark.parametrize(
    ("disks", "meta", "deleted", "disowned"),
    [
        pytest.param([ROOT], {}, True, False, id="its own"),
        pytest.param([ROOT | {"reclaimPolicy": "Retain"}], {}, False, True, id="retained since"),
        pytest.param([ROOT | {"reclaimPolicy": "Retain"}], {"owner": ""}, False, False, id="retained from the start"),
        pytest.param([], {}, True, False, id="detached"),
        pytest.param([], {"owner": ""}, False, False, id="detached and retained"),
        pytest.param([ROOT], {"owner": ""}, True, False, id="orphaned by the way it was deleted"),
        pytest.param([ROOT], DELETING, False, False, id="going already"),
        pytest.param(
            [ROOT], {"annotations": notes(machine_uid=UID, used_by="uid-db")}, False, False, id="taken by another"
        ),
    ],
)
def test_what_becomes_of_volumes_is_decided_by_the_spec_at_the_end(
    disks: list[dict[str, str]], meta: Any, *, deleted: bool, disowned: bool
) -> None:
    effective, _ = _resolve(disks)
    machine, owned = make_machine().meta, [make_volume(meta=meta)]
    assert (len(to_delete(machine, effective, owned)), len(to_disown(machine, effective, owned))) == (deleted, disowned)


@pytest.mark.parametrize(
    ("disk", "spec", "owned"),
    [
        pytest.param(ROOT, {"pool": "default", "source": {"type": "Blank"}, "size": "1Gi"}, True, id="blank"),
        pytest.param(
            {"name": "root", "image": "debian"},
            {"pool": "default", "source": {"type": "Image", "image": "shop/debian"}},
            True,
            id="from an image",
        ),
        pytest.param(
            ROOT | LOCKED,
            {"pool": "default", "source": {"type": "Blank"}, "size": "1Gi"} | LOCKED,
            True,
            id="encrypted",
        ),
        pytest.param(
            ROOT | {"reclaimPolicy": "Retain"},
            {"pool": "default", "source": {"type": "Blank"}, "size": "1Gi"},
            False,
            id="retained",
        ),
    ],
)
def test_a_volume_is_built_from_its_disk(disk: dict[str, str], spec: dict[str, Any], *, owned: bool) -> None:
    effective, _ = _resolve([disk])
    built: Any = body(effective.disks[0], make_machine().meta)
    assert (built["spec"], "ownerReferences" in built["metadata"]) == (spec, owned)
    assert built["metadata"]["finalizers"] == ["drover.dev/volume"]


@pytest.mark.parametrize(
    ("volume", "domains", "node"),
    [
        pytest.param(make_volume(), [], None, id="nobody needs it"),
        pytest.param(make_volume(), [_naming()], None, id="not made yet"),
        pytest.param(make_volume(), [_naming(ready=False)], None, id="being made"),
        pytest.param(make_volume(), [_naming(ready=True)], "n1", id="made"),
        pytest.param(make_volume(), [_naming(meta=DELETING)], "n1", id="the machine goes: there may be data"),
        pytest.param(make_volume(meta=DELETING), [_naming()], "n1", id="it goes itself: there may be data"),
        pytest.param(make_volume(status={"nodeName": "n2"}), [_naming(ready=True)], "n2", id="it stays where it is"),
    ],
)
def test_a_volume_is_bound_where_its_data_is_or_may_be(
    volume: VolumeView, domains: list[DomainView], node: str | None
) -> None:
    found = status(volume, domains, now=NOW)
    assert (found.node_name, found.phase) == (node, "Bound" if node else "Pending")


def test_a_bound_volume_says_what_it_holds_and_who_uses_it() -> None:
    found = status(make_volume(), [_naming(ready=True, capacityBytes=GIB, allocatedBytes=1 << 20)], now=NOW)
    assert (found.capacity, found.allocated, found.pool) == ("1Gi", "1Mi", "default")
    assert found.used_by == "VirtualMachine/web"


def test_what_was_known_stays_known_when_nobody_uses_it() -> None:
    used = status(make_volume(), [_naming(ready=True, capacityBytes=GIB)], now=NOW)
    told = used.model_dump(by_alias=True, exclude_none=True)
    free = status(make_volume(status=told), [], now=NOW)
    assert (free.node_name, free.capacity, free.used_by) == ("n1", "1Gi", None)
    assert free.conditions == used.conditions


@pytest.mark.parametrize(("ephemeral", "capacity"), [("Enabled", None), ("Disabled", "1Gi")])
def test_data_that_were_dropped_as_asked_are_not_missed(ephemeral: str, capacity: str | None) -> None:
    disk = {"name": "root", "volume": "web.root", "volumeUid": "uid-web.root", "pool": "default"}
    facts = {"volumes": [{"name": "web.root", "ready": False}]}
    domain = make_domain(None, facts, disks=[disk | {"hardware": {"ephemeral": ephemeral}}])
    before = {"nodeName": "n1", "capacity": "1Gi", "allocated": "1Mi"}

    found = status(make_volume(status=before), [domain], now=NOW)
    assert (found.node_name, found.capacity) == ("n1", capacity)


@pytest.mark.parametrize(
    ("before", "domains", "ready", "reason"),
    [
        pytest.param({}, [], "False", "Pending", id="pending"),
        pytest.param({"nodeName": "n1"}, [_naming(ready=True)], "True", "Bound", id="there"),
        pytest.param({"nodeName": "n1"}, [_naming(ready=False)], "False", "NotThere", id="lost"),
        pytest.param({"nodeName": "n1"}, [], "False", "NotThere", id="never seen"),
    ],
)
def test_a_volume_is_ready_when_its_data_is_there(
    before: dict[str, str], domains: list[DomainView], ready: str, reason: str
) -> None:
    condition = find(status(make_volume(status=before), domains, now=NOW).conditions, "Ready")
    assert condition is not None
    assert (condition.status, condition.reason) == (ready, reason)


@pytest.mark.parametrize(
    ("volume", "domains", "free"),
    [
        pytest.param(make_volume(meta=DELETING), [], True, id="never had data"),
        pytest.param(make_volume(), [], False, id="it is wanted"),
        pytest.param(make_volume(meta={**DELETING, "finalizers": ()}), [], False, id="let go already"),
        pytest.param(make_volume(meta=DELETING, status={"nodeName": "n1"}), [], False, id="its node lets it go"),
        pytest.param(make_volume(meta=DELETING), [_naming()], False, id="a Domain names it"),
    ],
)
def test_a_volume_without_data_is_let_go(volume: VolumeView, domains: list[DomainView], *, free: bool) -> None:
    assert forsaken(volume, domains) is free


def test_volumes_in_use_are_those_that_domains_name() -> None:
    assert in_use([_naming("a"), _naming("b")]) == {"a", "b"}


@pytest.mark.parametrize("there", [(), (make_volume("web.root", {"uid": "another"}),)], ids=["gone", "made anew"])
def test_a_disk_whose_volume_object_was_lost_is_never_made_anew(there: tuple[VolumeView, ...]) -> None:
    effective, catalog = _resolve([ROOT], *there)

    found = provision(UID, effective, catalog, [_naming()])

    assert found.create == ()
    assert found.blocked is not None
    assert found.blocked.reason == "VolumeLost"
