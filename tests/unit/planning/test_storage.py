"""Volumes that are copied, shared or spread; disks that grow: what becomes of the machines that have them."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support import domains as node_side
from tests.support.machines import (
    FENCED,
    NOW,
    POLICY,
    SILENT,
    UID,
    make_catalog,
    make_domain,
    make_found,
    make_hypervisor,
    make_machine,
    make_off,
    make_pod,
    make_pool,
    make_volume,
)

from drover.api.domain import DomainDisk
from drover.planning import disk, domainspec, live, pool, power, references, volume
from drover.planning import domain as node
from drover.planning.action import Abandon, CreateDomain, Delete
from drover.planning.catalog import Catalog
from drover.planning.domain_action import DropVolume, EnsurePool, Launch, ResizeDisk, WriteRecord
from drover.planning.domainspec import Parts
from drover.planning.resolve import Effective, resolve
from drover.planning.view import VolumeView
from drover.planning.virtualmachine import decide
from drover.planning.volume import Provision, Surroundings, provision

GIB = 1 << 30
LOOSE: dict[str, Any] = {"annotations": (), "owner": ""}
COPY: dict[str, Any] = {"name": "root", "from": {"volume": "template"}}
ON_N2 = {"nodeName": "n2", "capacity": "2Gi", "pool": "default"}
SHARED = {"pools": {"default": make_pool(access="Shared")}}
DISK = {"name": "root", "volume": "web.root", "volumeUid": "uid-web.root", "pool": "default"}


def template(**changes: Any) -> VolumeView:
    """A volume with data on n2."""
    return make_volume("template", **({"meta": LOOSE, "status": ON_N2} | changes))


def _resolve(disks: list[Any], *volumes: VolumeView, **catalog: Any) -> tuple[Effective, Catalog]:
    found = make_catalog(volumes={each.meta.key.name: each for each in volumes}, **catalog)
    return resolve("web", make_machine(disks=disks).spec, found, POLICY), found


def _provision(disks: list[Any], *volumes: VolumeView, **catalog: Any) -> Provision:
    effective, found = _resolve(disks, *volumes, **catalog)
    return provision(UID, effective, found, [])


# --- copies ----------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_a_copy_is_made_where_its_origin_is() -> None:
    effective, _ = _resolve([COPY], template())
    built: Any = volume.body(effective.disks[0], make_machine().meta)
    assert built["spec"] == {"pool": "default", "source": {"type": "Volume", "volume": "template"}}
    assert _provision([COPY], template()).pins == ("n2",)
    assert _provision([COPY], template(), **SHARED).pins == ()


def test_a_copy_that_has_its_data_needs_its_origin_no_more() -> None:
    copied = make_volume(source={"type": "Volume", "volume": "template"}, status={"nodeName": "n1", "capacity": "2Gi"})
    assert _provision([COPY], copied, template()).pins == ("n1",)
    effective, catalog = _resolve([COPY], copied)
    assert references.accepted(effective, catalog).status == "True"
    assert provision(UID, effective, catalog, []).blocked is None


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        pytest.param(template(), "", id="with data"),
        pytest.param(template(status={}), "SourceNotBound", id="that nobody has used"),
        pytest.param(template(meta=LOOSE | {"deleting": NOW}), "VolumeTerminating", id="that is going"),
    ],
)
def test_a_copy_waits_for_the_data_of_its_origin(origin: VolumeView, reason: str) -> None:
    blocked = _provision([COPY], origin).blocked
    assert (blocked.reason if blocked else "") == reason


@pytest.mark.parametrize(
    ("disk", "volumes", "reason"),
    [
        pytest.param(COPY, [template()], "Accepted", id="sound"),
        pytest.param(COPY, [], "VolumeNotFound", id="of nothing"),
        pytest.param(COPY | {"from": {"volume": "web.root"}}, [make_volume()], "VolumeNotFound", id="of itself"),
        pytest.param(COPY | {"size": "1Gi"}, [template()], "DiskSmallerThanSource", id="too small"),
        pytest.param(COPY | {"size": "2Gi"}, [template()], "Accepted", id="as large"),
    ],
)
def test_what_a_copy_needs_is_told_by_name(disk: Any, volumes: list[VolumeView], reason: str) -> None:
    if reason == "VolumeNotFound" and volumes:
        volumes = [make_volume(source={"type": "Volume", "volume": "web.root"})]
    assert references.accepted(*_resolve([disk], *volumes)).reason == reason


def test_a_domain_says_which_lun_a_disk_is_and_keeps_to_it() -> None:
    portal = {"server": "san", "target": "iqn.2026-01.com.example:disks", "luns": [{"lun": 0, "volume": "shop/data"}]}
    san = make_pool("san", type="ISCSI", directory=None, default=False, iscsi=portal)
    data = make_volume("data", pool="san", size=None, source={"type": "Existing"})
    disks = [{"name": "data", "volume": "data"}, {"name": "root", "size": "1Gi"}]
    wish, before = power.first_wish(make_machine()), None
    for pools in ({"san": san, "default": make_pool()}, {}):
        effective, catalog = _resolve(disks, data, pools=pools)
        parts = Parts(make_machine().meta, effective, catalog, {})
        before = domainspec.build(parts, node="n2", epoch=1, wish=wish, before=before)
        assert [disk.lun for disk in before.disks] == [0, None]


def _built(before: Any = None, **volumes: VolumeView) -> DomainDisk:
    effective, catalog = _resolve([COPY], *volumes.values())
    parts = Parts(make_machine().meta, effective, catalog, {})
    wish = power.first_wish(make_machine())
    return domainspec.build(parts, node="n2", epoch=1, wish=wish, before=before).disks[0]


def test_a_domain_says_what_to_copy_until_there_is_data_and_does_not_change_by_it() -> None:
    fresh = make_volume(source={"type": "Volume", "volume": "template"})
    first = _built(fresh=fresh, origin=template())
    assert first.clone is not None
    assert (first.clone.volume, first.clone.volume_uid, first.clone.pool) == ("template", "uid-template", "default")

    bound = make_volume(source={"type": "Volume", "volume": "template"}, status=ON_N2)
    before = make_domain(disks=[first.model_dump(by_alias=True)]).spec
    assert _built(before, bound=bound) == first
    assert (_built(bound=bound).clone, _built(bound=bound).data) == (None, "Seen")


def test_a_file_is_copied_and_made_as_large_as_asked() -> None:
    copied = DomainDisk.model_validate(DISK | {"clone": {"volume": "t", "volumeUid": "u", "pool": "fast"}})
    assert disk.plan(copied, None, had_data=False, image_bytes=None) == disk.Copy(0)
    sized = copied.model_copy(update={"size_bytes": GIB})
    assert disk.plan(sized, None, had_data=False, image_bytes=None) == disk.Copy(GIB)


def test_a_copy_needs_the_pool_of_its_origin_too() -> None:
    copied = node_side.DISK | {"clone": {"volume": "t", "volumeUid": "u", "pool": "fast"}}
    order = node_side.make_order(disks=[copied])
    steps = node.decide(order, node_side.make_seen()).actions
    assert [step.pool for step in steps if isinstance(step, EnsurePool)] == ["default", "fast"]


def test_data_on_several_nodes_is_named() -> None:
    disks = [COPY, {"name": "old", "volume": "kept"}]
    blocked = _provision(disks, template(), make_volume("kept", status={"nodeName": "n1"})).blocked
    assert blocked is not None
    assert (blocked.reason, "that of disk old on n1, that of disk root on n2" in blocked.message) == (
        "VolumesApart",
        True,
    )


# --- nodes that see the same bytes -----------------------------------------------------------------------------------

ON_N1 = {"nodeName": "n1", "capacity": "1Gi", "pool": "default"}
LIVE = {"live": {"cores": 1, "memoryBytes": 1}}
FIRST = make_domain(status=LIVE, disks=[DISK], nodeUID="uid-n1")


def _machine(pools: Mapping[str, Any], status: Any = ON_N1, **found: Any) -> list[Any]:
    """What is done about a machine with a disk that was on n1."""
    own = make_volume(status=status)
    catalog = make_catalog(volumes={"web.root": own}, **pools)
    base = {"domains": (FIRST,), "anchors": (make_pod(),), "owned": (own,)} | found
    decision = decide(make_found(make_machine(disks=[{"name": "root", "size": "1Gi"}]), catalog, **base), now=NOW)
    return [each for stage in decision.stages for each in stage]


@pytest.mark.parametrize(
    ("pools", "lost", "torn"),
    [
        pytest.param(SHARED, FENCED, True, id="shared, its node is off"),
        pytest.param(SHARED, SILENT, False, id="shared, its node is only silent"),
        pytest.param({}, FENCED, False, id="of its node alone"),
        pytest.param({"pools": {}}, FENCED, False, id="in a pool that is gone"),
    ],
)
def test_only_what_other_nodes_see_starts_there_and_only_when_the_node_is_off(
    pools: Mapping[str, Any], lost: Any, *, torn: bool
) -> None:
    assert any(isinstance(each, Abandon) for each in _machine(pools, lost=lost)) is torn


def test_a_machine_that_comes_to_another_node_leaves_its_old_domain_first() -> None:
    off = make_off(disks=[DISK], nodeUID="uid-n1")
    steps = _machine(SHARED, domains=(off,), anchors=(make_pod(2, node="n2"),))
    assert [type(each) for each in steps] == [Delete]
    steps = _machine(SHARED, domains=(), anchors=(make_pod(2, node="n2"),))
    (created,) = steps
    assert isinstance(created, CreateDomain)
    assert (created.body["spec"]["nodeName"], created.body["spec"]["disks"][0]["data"]) == ("n2", "Seen")


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        pytest.param({"state": "Pending", "reason": "Preparing"}, False, id="it was never begun"),
        pytest.param({"state": "Running"}, True, id="it ran"),
        pytest.param({"state": "Pending", "volumes": [{"name": "web.root", "ready": False}]}, True, id="it was begun"),
    ],
)
def test_only_a_volume_that_may_have_data_keeps_a_machine_on_a_node_that_is_off(told: Any, *, kept: bool) -> None:
    domain = make_domain(status=told, disks=[DISK], nodeUID="uid-n1")
    steps = _machine({}, status={}, domains=(domain,), lost=FENCED)
    assert any(isinstance(each, Abandon) for each in steps) is not kept


def test_a_volume_without_data_in_a_pool_that_others_see_keeps_nobody() -> None:
    assert any(isinstance(each, Abandon) for each in _machine(SHARED, status={}, lost=FENCED))


READY = {"volumes": [{"name": "web.root", "ready": True, "capacityBytes": GIB}]}
BOTH = Surroundings(sharers=("n1", "n2"))
GOING = {"deleting": NOW}


@pytest.mark.parametrize(
    ("own", "domains", "around", "found"),
    [
        pytest.param({}, [make_domain(status=READY, disks=[DISK], nodeName="n2")], BOTH, "n2", id="used elsewhere"),
        pytest.param({}, [make_domain(disks=[DISK], nodeName="n2")], BOTH, "n1", id="not yet used elsewhere"),
        pytest.param(
            {}, [make_domain(GOING, READY, disks=[DISK], nodeName="n2")], BOTH, "n1", id="used elsewhere no more"
        ),
        pytest.param(
            {},
            [make_domain(status=READY, disks=[DISK], nodeName="n2")],
            Surroundings(),
            "n1",
            id="named elsewhere, but of one node alone",
        ),
        pytest.param({"meta": GOING}, [], BOTH, "n1", id="to be deleted by the node that had it"),
        pytest.param({"meta": GOING}, [], Surroundings(("n2",)), "n2", id="to be deleted by another"),
        pytest.param({"meta": GOING}, [], Surroundings(), "n1", id="to be deleted by nobody else"),
        pytest.param({}, [], Surroundings(("n2",)), "n1", id="unused"),
    ],
)
def test_a_volume_that_several_see_is_where_it_was_used_last(
    own: Any, domains: list[Any], around: Surroundings, found: str
) -> None:
    status = volume.status(make_volume(**({"status": ON_N1} | own)), domains, around, now=NOW)
    assert status.node_name == found


def test_a_volume_says_that_its_namespace_has_too_much() -> None:
    said = volume.status(make_volume(), [], Surroundings(beyond="too much"), now=NOW).conditions or []
    assert next((each.type, each.status, each.message) for each in said) == ("Accepted", "False", "too much")


def test_a_volume_that_cannot_go_says_why() -> None:
    around = Surroundings(unusable="pool fast on n1: no such group")
    stays, goes = (
        volume.status(make_volume(meta=meta, status=ON_N1), [], around, now=NOW).conditions for meta in ({}, GOING)
    )
    assert "no such group" not in str(stays)
    assert "PoolUnusable" in str(goes)
    assert "it goes when its data can be deleted: pool fast on n1: no such group" in str(goes)


@pytest.mark.parametrize(("access", "capacity"), [("Shared", "10Gi"), ("NodeLocal", "20Gi")])
def test_a_pool_that_several_see_is_counted_once(access: str, capacity: str) -> None:
    told = {"name": "default", "ready": True, "capacity": "10Gi", "allocated": "1Gi", "available": "9Gi"}
    nodes = [make_hypervisor(name, pools=[told]) for name in ("n1", "n2")]
    found = pool.status(make_pool(access=access), nodes, now=NOW, promised={"n1": 3 * GIB, "": GIB})
    assert (found.capacity, found.promised) == (capacity, "4Gi")
    assert [each.promised for each in found.nodes or []] == ["3Gi", None]


# --- on the node -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "size", "grows"),
    [
        pytest.param("root web.root 1073741824", 2 * GIB, True, id="larger"),
        pytest.param("root web.root 1073741824 dev=vda", 2 * GIB, True, id="larger, with more words"),
        pytest.param("root web.root", GIB, True, id="of its image's size"),
        pytest.param("root web.root 1073741824", GIB, False, id="as large"),
        pytest.param("root web.root 1073741824", None, False, id="of any size"),
        pytest.param("root other 1073741824", 2 * GIB, False, id="another volume"),
    ],
)
def test_a_disk_in_flight_grows_when_it_is_to_be_larger(live: str, size: int | None, *, grows: bool) -> None:
    record = node_side.make_record()
    assert record.live is not None
    before = node_side.make_record(live=record.live.model_copy(update={"disks": [live]}))
    order = node_side.make_order(disks=[node_side.DISK | {"sizeBytes": size}])
    steps = node.decide(order, node_side.make_seen(node_side.make_guest(record=before))).actions
    assert [type(step) for step in steps] == ([ResizeDisk, WriteRecord] if grows else [])
    if grows:
        written = steps[1].record  # type: ignore[union-attr]
        assert written.live is not None
        assert written.live.disks == [" ".join(["root", "web.root", str(size), *live.split()[3:]])]


def test_nothing_is_plugged_in_while_another_node_may_have_it() -> None:
    more = [node_side.DISK, node_side.DISK | {"name": "data", "volume": "d", "volumeUid": "v"}]
    seen = node_side.make_seen(node_side.make_guest(), in_touch=False)
    decision = node.decide(node_side.make_order(disks=more), seen)
    assert (decision.actions, decision.state, decision.again) == ((), "Running", 5.0)


@pytest.mark.parametrize(("in_touch", "drops"), [(True, 1), (False, 0)])
def test_what_a_guest_wrote_is_dropped_only_while_no_other_node_may_have_it(*, in_touch: bool, drops: int) -> None:
    passing = [node_side.DISK | {"hardware": {"ephemeral": "Enabled"}}]
    order = node_side.make_order(disks=passing)
    ended = node_side.make_guest("Off", "Shutdown", node_side.make_record(live=live.machine(order.spec)))
    steps = node.decide(order, node_side.make_seen(ended, in_touch=in_touch)).actions
    assert sum(isinstance(step, DropVolume) for step in steps) == drops


def test_a_disk_that_is_plugged_in_is_copied_from_another_pool() -> None:
    clone = {"volume": "template", "volumeUid": "t", "pool": "fast"}
    more = [node_side.DISK, node_side.DISK | {"name": "data", "volume": "d", "volumeUid": "v", "clone": clone}]
    steps = node.decide(node_side.make_order(disks=more), node_side.make_seen(node_side.make_guest())).actions
    assert [each.pool for each in steps if isinstance(each, EnsurePool)] == ["default", "fast"]


@pytest.mark.parametrize(
    "more", [{"from": {"volume": "template"}}, {"reclaimPolicy": "Retain", "size": "1Gi"}, {"volume": "old"}]
)
def test_nothing_is_dropped_that_is_to_be_kept(more: dict[str, Any]) -> None:
    disks = [{"name": "root", "ephemeral": "Enabled", **more}]
    effective, catalog = _resolve(disks, template(), make_volume("old"))
    told = references.accepted(effective, catalog)
    assert (told.reason, "not allowed with ephemeral" in told.message) == ("InvalidSpec", True)


def test_a_guest_is_not_started_while_another_node_may_have_it() -> None:
    seen = node_side.make_seen(node_side.make_guest("Off", "Shutdown", node_side.make_off()), in_touch=False)
    decision = node.decide(node_side.make_order(), seen)
    assert (decision.actions, decision.reason, decision.again) == ((), "WaitingForAPI", 5.0)
    assert any(isinstance(step, Launch) for step in node.decide(node_side.make_order(), node_side.make_seen()).actions)
