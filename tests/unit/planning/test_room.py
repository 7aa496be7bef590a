"""Room in pools: what is promised, who comes too late, and that it heals."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.machines import (
    NOW,
    POLICY,
    make_catalog,
    make_domain,
    make_found,
    make_image,
    make_machine,
    make_pod,
    make_pool,
    make_volume,
)

from drover.planning import room
from drover.planning.action import Create, CreateDomain
from drover.planning.catalog import Catalog
from drover.planning.conditions import find
from drover.planning.ledger import Ledger, Room, promised
from drover.planning.resolve import Effective, resolve
from drover.planning.view import PoolView, VolumeView
from drover.planning.virtualmachine import decide

GIB = 1 << 30
LOOSE: Mapping[str, Any] = {"annotations": (), "owner": ""}
ROOT = {"name": "root", "size": "10Gi"}
BOUND = {"nodeName": "n1", "capacity": "10Gi", "pool": "default"}


def nodes(**capacities: str) -> dict[str, Any]:
    """Status of a pool."""
    return {"nodes": [{"name": name, "capacity": size, "ready": True} for name, size in capacities.items()]}


def asked(
    disks: list[dict[str, Any]], pool: PoolView, promises: Room | None, *volumes: VolumeView
) -> tuple[Effective, Catalog]:
    """A machine's disks and what there is for them."""
    rooms = {"default": promises} if promises else {}
    found = {each.meta.key.name: each for each in volumes}
    catalog = make_catalog(pools={"default": pool}, rooms=rooms, volumes=found)
    return resolve("web", make_machine(disks=disks).spec, catalog, POLICY), catalog


# --- the limit of a namespace ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "limit", "reason"),
    [
        pytest.param(90, "100Gi", "", id="just fits"),
        pytest.param(91, "100Gi", "NamespaceLimitExceeded", id="does not fit"),
        pytest.param(91, None, "", id="no limit"),
    ],
)
def test_a_new_volume_must_fit_into_what_its_namespace_may_have(held: int, limit: str | None, reason: str) -> None:
    pool = make_pool(namespaceLimit=limit)
    found = room.refused(*asked([ROOT], pool, Room(namespace=held * GIB)), known=())
    assert (found.reason if found else "") == reason
    assert found is None or "shop would have 101Gi in pool default, where it may have 100Gi" in found.message


@pytest.mark.parametrize(("ahead", "refused"), [(100, False), (101, True)])
def test_a_volume_that_is_made_already_waits_for_those_before_it(ahead: int, *, refused: bool) -> None:
    promises = Room(namespace=500 * GIB, ahead={"web.root": ahead * GIB})
    pool = make_pool(namespaceLimit="100Gi")
    assert bool(room.refused(*asked([ROOT], pool, promises, make_volume()), known=())) is refused


@pytest.mark.parametrize(
    ("known", "status", "pools"),
    [
        pytest.param(("web.root",), {}, {}, id="its Domain has it"),
        pytest.param((), BOUND, {}, id="it has data"),
        pytest.param((), {}, {"pools": {}}, id="the pool is gone"),
    ],
)
def test_what_a_machine_has_is_not_refused(known: tuple[str, ...], status: Any, pools: Any) -> None:
    promises = Room(namespace=500 * GIB, ahead={"web.root": 500 * GIB})
    effective, _ = asked([ROOT], make_pool(), promises, volume := make_volume(status=status))
    catalog = make_catalog(
        **({"pools": {"default": make_pool(namespaceLimit="1Gi")}} | pools),
        rooms={"default": promises},
        volumes={"web.root": volume},
    )
    assert room.refused(effective, catalog, known) is None
    assert room.cramped(effective, catalog, known) == frozenset()


def test_a_machine_that_is_refused_makes_nothing_and_says_why_until_there_is_room() -> None:
    def found(held: int) -> Any:
        catalog = make_catalog(
            pools={"default": make_pool(namespaceLimit="100Gi")}, rooms={"default": Room(namespace=held * GIB)}
        )
        return decide(make_found(make_machine(disks=[ROOT]), catalog), now=NOW)

    told = find(found(95).status.conditions, "VolumesReady")
    assert told is not None
    assert (told.status, told.reason) == ("False", "NamespaceLimitExceeded")
    assert [each for stage in found(95).stages for each in stage if isinstance(each, Create)] == []
    assert len([each for stage in found(50).stages for each in stage if isinstance(each, Create)]) == 2


# --- overcommit ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overcommit", "promises", "cramped"),
    [
        pytest.param("1", {"n1": 90, "n2": 91}, {"n2"}, id="one is full"),
        pytest.param("1.5", {"n1": 141, "n2": 91}, {"n1"}, id="more than there is may be promised"),
        pytest.param(None, {"n1": 1000, "n2": 1000}, set(), id="without bound"),
    ],
)
def test_nodes_that_have_promised_too_much_are_avoided(
    overcommit: str | None, promises: dict[str, int], cramped: set[str]
) -> None:
    pool = make_pool(status=nodes(n1="100Gi", n2="100Gi"), overcommit=overcommit)
    effective, catalog = asked([ROOT], pool, Room(nodes={node: size * GIB for node, size in promises.items()}))
    assert room.cramped(effective, catalog, ()) == cramped
    assert room.refused(effective, catalog, ()) is None


def test_a_machine_for_which_no_node_has_room_is_refused_by_name() -> None:
    pool = make_pool(status=nodes(n1="100Gi"), overcommit="1.5")
    found = room.refused(*asked([ROOT], pool, Room(nodes={"n1": 145 * GIB})), known=())
    assert found is not None
    assert (found.reason, "n1 has promised 145Gi of 100Gi with overcommit 1.5" in found.message) == ("PoolFull", True)


def test_what_all_nodes_see_is_promised_once() -> None:
    pool = make_pool(status=nodes(n1="100Gi", n2="100Gi"), overcommit="1", access="Shared")
    effective, catalog = asked([ROOT], pool, Room(nodes={"n1": 50 * GIB, "": 45 * GIB}))
    assert room.refused(effective, catalog, ()) is not None
    assert room.cramped(effective, catalog, ()) == frozenset()


def test_a_place_on_a_node_without_room_is_given_up_before_anything_is_made_there() -> None:
    volume = make_volume(size="10Gi")
    pool = make_pool(status=nodes(n1="100Gi", n2="100Gi"), overcommit="1")
    catalog = make_catalog(
        pools={"default": pool}, rooms={"default": Room(nodes={"n1": 95 * GIB})}, volumes={"web.root": volume}
    )
    found = make_found(make_machine(disks=[ROOT]), catalog, owned=(volume,), anchors=(make_pod(),))
    steps = [each for stage in decide(found, now=NOW).stages for each in stage]
    assert [type(each).__name__ for each in steps] == ["ReleaseAnchor", "Create"]
    assert "'NotIn', 'values': ['n1']" in str(steps[1])
    assert not any(isinstance(each, CreateDomain) for each in steps)


DEBIAN = {"name": "root", "image": "debian"}
COPY = {"name": "root", "from": {"volume": "old"}}
OLD = make_volume("old", LOOSE, BOUND)


@pytest.mark.parametrize(
    ("disk", "image", "size"),
    [
        pytest.param(DEBIAN, {"virtualSize": "2Gi"}, 2, id="of an image"),
        pytest.param(DEBIAN | {"size": "3Gi"}, {"virtualSize": "2Gi"}, 3, id="as asked"),
        pytest.param(COPY, {}, 10, id="of another volume"),
        pytest.param(DEBIAN, {}, None, id="of an image that nobody has seen"),
    ],
)
def test_a_disk_in_a_bounded_pool_is_given_a_size_before_it_is_made(disk: Any, image: Any, size: int | None) -> None:
    pool = make_pool(namespaceLimit="100Gi")
    effective, catalog = asked([disk], pool, Room(), OLD)
    catalog = replace(catalog, images={"shop/debian": make_image(status=image)})
    effective = room.sized(effective, catalog)
    assert effective.disks[0].size == (None if size is None else size * GIB)
    found = room.refused(effective, catalog, known=())
    assert (found.reason if found else "") == ("" if size else "SizeUnknown")


def test_a_volume_without_a_size_in_a_bounded_pool_has_its_machine_say_so() -> None:
    volume = make_volume("own", LOOSE, size=None, source={"type": "Image", "image": "debian"})
    found = room.refused(
        *asked([{"name": "root", "volume": "own"}], make_pool(overcommit="2"), Room(), volume), known=()
    )
    assert found is not None
    assert (found.reason, "StorageVolume own needs a size" in found.message) == ("SizeUnknown", True)


def test_a_lun_in_a_bounded_pool_needs_no_size() -> None:
    target = {"server": "10.0.0.1", "target": "iqn.2026-01.dev.drover:t", "luns": [{"lun": 1, "volume": "shop/own"}]}
    pool = make_pool(type="ISCSI", directory=None, default=False, iscsi=target, namespaceLimit="1Gi")
    volume = make_volume("own", LOOSE, size=None, source={"type": "Existing"})
    assert room.refused(*asked([{"name": "root", "volume": "own"}], pool, Room(), volume), known=()) is None


# --- growth ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pool", "promises", "reason"),
    [
        pytest.param({"namespaceLimit": "30Gi"}, Room(20 * GIB), "", id="within the limit"),
        pytest.param({"namespaceLimit": "29Gi"}, Room(20 * GIB), "NamespaceLimitExceeded", id="beyond the limit"),
        pytest.param({"overcommit": "1"}, Room(nodes={"n1": 90 * GIB}), "", id="the node has room"),
        pytest.param({"overcommit": "1"}, Room(nodes={"n1": 95 * GIB}), "PoolFull", id="the node has none"),
        pytest.param({"overcommit": "1"}, Room(nodes={"n2": 95 * GIB}), "", id="another node has none"),
        pytest.param({"namespaceLimit": "1Gi"}, None, "", id="nothing is asked for"),
    ],
)
def test_a_disk_that_may_not_grow_stays_as_it_is(pool: Any, promises: Room | None, reason: str) -> None:
    status = nodes(n1="100Gi", n2="100Gi")
    volume = make_volume(status=BOUND, size="10Gi")
    effective, found = room.bounded(
        *asked([{"name": "root", "size": "20Gi"}], make_pool(status=status, **pool), promises, volume)
    )
    assert (found.reason if found else "") == reason
    assert effective.disks[0].size == (10 if reason else 20) * GIB


@pytest.mark.parametrize(
    "kind", [{"type": "LVM", "lvm": {"volumeGroup": "vg0"}}, {"type": "ZFS", "zfs": {"pool": "t"}}]
)
@pytest.mark.parametrize(("size", "reason"), [("20Gi", "Unsupported"), ("10Gi", "")], ids=["larger", "as it is"])
def test_a_disk_whose_pool_cannot_make_it_larger_stays_as_it_is(size: str, reason: str, kind: Any) -> None:
    pool = make_pool(directory=None, **kind)
    volume = make_volume(status=BOUND, size="10Gi")
    effective, found = room.bounded(*asked([{"name": "root", "size": size}], pool, None, volume))
    assert (effective.disks[0].size, found.reason if found else "") == (10 * GIB, reason)


def test_a_disk_of_the_size_that_it_has_asks_for_nothing() -> None:
    volume = make_volume(status=BOUND, size="10Gi")
    pool = make_pool(namespaceLimit="1Gi")
    assert room.bounded(*asked([ROOT], pool, Room(20 * GIB), volume))[1] is None


def test_a_machine_in_flight_says_that_its_disk_may_not_grow_and_keeps_its_domain() -> None:
    volume = make_volume(status=BOUND, size="10Gi")
    disk = {"name": "root", "volume": "web.root", "volumeUid": "uid-web.root", "pool": "default", "sizeBytes": 10 * GIB}
    catalog = make_catalog(
        pools={"default": make_pool(namespaceLimit="15Gi")},
        rooms={"default": Room(10 * GIB)},
        volumes={"web.root": volume},
    )
    told = {"conditions": [{"type": "VolumesReady", "status": "True", "reason": "Ready", "lastTransitionTime": NOW}]}
    found = make_found(
        make_machine(disks=[{"name": "root", "size": "20Gi"}]),
        catalog,
        owned=(volume,),
        anchors=(make_pod(),),
        domains=(make_domain(status=told, disks=[disk | {"data": "Seen"}]),),
    )
    decision = decide(found, now=NOW)
    assert decision.stages == ()
    condition = find(decision.status.conditions if decision.status else [], "VolumesReady")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "NamespaceLimitExceeded")


@pytest.mark.parametrize(
    ("volumes", "wanted"),
    [
        pytest.param((), True, id="to be made"),
        pytest.param((make_volume(size="10Gi"),), True, id="without data"),
        pytest.param((make_volume(status=BOUND, size="10Gi"),), False, id="as large as asked"),
        pytest.param((make_volume(status=BOUND | {"capacity": "9Gi"}, size="9Gi"),), True, id="to grow"),
    ],
)
def test_only_who_asks_for_more_has_to_look_at_the_promises(volumes: tuple[VolumeView, ...], *, wanted: bool) -> None:
    found = {each.meta.key.name: each for each in volumes}
    assert room.is_wanted("web", make_machine(disks=[ROOT]).spec, found) is wanted
    assert not room.is_wanted("web", make_machine(disks=[{"name": "cd", "type": "CDROM"}]).spec, {})
    assert not room.is_wanted("web", make_machine().spec, {})


@pytest.mark.parametrize(
    ("volume", "promises", "said"),
    [
        pytest.param(make_volume("own", LOOSE, size="5Gi"), Room(ahead={"own": 30 * GIB}), True, id="comes too late"),
        pytest.param(make_volume("own", LOOSE, size="5Gi"), Room(ahead={"own": 20 * GIB}), False, id="in time"),
        pytest.param(make_volume("own", LOOSE, BOUND, size="25Gi"), Room(10 * GIB), True, id="grows too far"),
        pytest.param(make_volume("own", LOOSE, BOUND, size="15Gi"), Room(10 * GIB), False, id="grows a bit"),
        pytest.param(make_volume("own", LOOSE, BOUND, size="10Gi"), Room(90 * GIB), False, id="stays"),
    ],
)
def test_a_volume_says_what_it_asks_for_in_vain(volume: VolumeView, promises: Room, *, said: bool) -> None:
    assert bool(room.excess(volume, make_pool(namespaceLimit="20Gi"), promises)) is said


@pytest.mark.parametrize(
    ("bound", "namespace", "node", "beyond"),
    [
        pytest.param({"namespaceLimit": "10Gi"}, 10, 0, (False, False), id="just within its limit"),
        pytest.param({"namespaceLimit": "10Gi"}, 11, 0, (True, False), id="beyond its limit"),
        pytest.param({"overcommit": "1"}, 0, 100, (False, False), id="just what the node has"),
        pytest.param({"overcommit": "1"}, 0, 101, (False, True), id="more than the node has"),
        pytest.param({"overcommit": "1", "access": "Shared"}, 0, 101, (True, True), id="more than all nodes see"),
    ],
)
def test_what_is_promised_may_turn_out_to_be_too_much(bound: Any, namespace: int, node: int, beyond: Any) -> None:
    pool = make_pool(status=nodes(n1="100Gi"), **bound)
    promises = Room(namespace=namespace * GIB, nodes={"n1": node * GIB})
    assert (room.crowded(pool, promises), room.overfull(pool, promises, "n1")) == beyond
    assert not room.overfull(pool, promises, "n2")


# --- the ledger ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volume", "size"),
    [
        pytest.param(make_volume(size="10Gi"), 10, id="of a machine"),
        pytest.param(make_volume(size=None, source={"type": "Image", "image": "x"}), 0, id="of its image's size"),
        pytest.param(make_volume(status=BOUND, size="20Gi"), 20, id="of a machine, growing"),
        pytest.param(make_volume(status=BOUND, size="1Gi"), 10, id="larger than asked for"),
        pytest.param(make_volume("own", LOOSE, BOUND, size="20Gi"), 10, id="a user's, growing"),
        pytest.param(make_volume("own", LOOSE, size="20Gi"), 20, id="a user's, without data"),
    ],
)
def test_a_volume_was_promised_what_it_has_or_its_machine_may_have(volume: VolumeView, size: int) -> None:
    assert promised(volume) == size * GIB


def test_the_ledger_follows_volumes_and_domains() -> None:
    ledger, first, second = Ledger(), make_volume("a", size="1Gi"), make_volume("b", size="2Gi")
    assert ledger.observe(None, first) == {"default"}
    assert ledger.observe(first, first) == frozenset()
    ledger.observe(None, second)
    assert ledger.room("default", "shop") == Room(3 * GIB, {"": 3 * GIB}, {"a": GIB, "b": 3 * GIB})
    assert list(ledger.waiting("default")) == [("shop", "a"), ("shop", "b")]

    bound = make_volume("b", status={"nodeName": "n1"}, size="2Gi")
    ledger.observe(second, bound)
    assert ledger.room("default", "shop") == Room(3 * GIB, {"": GIB, "n1": 2 * GIB}, {"a": 3 * GIB})
    ledger.observe(bound, None)
    assert ledger.nodes("default") == {"": GIB}
    assert ledger.room("default", "elsewhere").namespace == 0


def test_a_volume_that_names_no_pool_counts_in_the_default_pool() -> None:
    ledger, volume = Ledger(), make_volume("a", LOOSE, pool=None, size="1Gi")
    ledger.default = "default"
    assert ledger.observe(None, volume) == {"default"}
    assert ledger.room("default", "shop") == Room(GIB, {"": GIB}, {"a": GIB})
    assert list(ledger.waiting("default")) == [("shop", "a")]
    assert ledger.nodes("slow") == {}
    ledger.observe(volume, make_volume("a", LOOSE, BOUND | {"pool": "slow"}, pool=None, size="1Gi"))
    assert (ledger.nodes("default"), ledger.nodes("slow")) == ({}, {"n1": 10 * GIB})


def test_growth_counts_from_when_a_domain_has_it() -> None:
    ledger, volume = Ledger(), make_volume("a", LOOSE, BOUND, size="30Gi")
    ledger.observe(None, volume)
    disk = {"name": "root", "volume": "a", "volumeUid": "u", "pool": "default", "sizeBytes": 30 * GIB}
    ledger.place(None, make_domain(disks=[disk]))
    promises = ledger.room("default", "shop")
    assert promises == Room(30 * GIB, {"n1": 30 * GIB}, granted={"a": 30 * GIB})
    pool, disks = make_pool(namespaceLimit="30Gi"), [{"name": "root", "volume": "a"}]
    assert room.bounded(*asked(disks, pool, promises, volume))[1] is None
    assert room.excess(volume, pool, promises) == ""


def test_a_volume_counts_where_its_machine_is_about_to_make_it() -> None:
    ledger = Ledger()
    disk = {"name": "root", "volume": "a", "volumeUid": "u", "pool": "default"}
    ledger.observe(None, make_volume("a", size="1Gi"))
    before, after = make_domain(disks=[disk]), make_domain(nodeName="n2", epoch=2, disks=[disk])
    ledger.place(None, before)
    assert ledger.nodes("default") == {"n1": GIB}
    ledger.place(None, after)
    ledger.place(before, None)
    assert ledger.nodes("default") == {"n2": GIB}
    ledger.place(after, None)
    assert ledger.nodes("default") == {"": GIB}
