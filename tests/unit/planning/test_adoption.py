"""A machine that was applied anew and the guest that one of its name left."""

from typing import Any

import pytest
from tests.support.machines import SHOP, UID, make_address, make_catalog, make_domain, make_machine, make_volume, notes

from drover.api.hypervisor import Orphan
from drover.api.kinds import ADDRESS, VOLUME
from drover.planning import action
from drover.planning.adoption import Inherit, Left, heir, still_left
from drover.planning.found import Found, assess
from drover.planning.node import Lost
from drover.planning.resolve import Policy
from drover.planning.view import VolumeView
from drover.planning.virtualmachine import decide
from drover.state.resource import Key

NOW = "2026-11-21T12:00:00Z"
OLD = "uid-of-old"
ROOT = {"disks": [{"name": "root", "size": "1Gi", "pool": "default"}]}
LAN = {"interfaces": [{"name": "lan", "network": "default"}]}
FILLED = {"status": {"nodeName": "n1", "capacity": "1Gi", "pool": "default"}}


def left(node: str = "n1", **changes: Any) -> Left:
    facts = {"uuid": OLD, "name": "shop.web", "epoch": 4, "machineUID": OLD, "state": "Running"} | changes
    return Left(node, Orphan.model_validate(facts))


def volume(uid: str = OLD, **more: str) -> VolumeView:
    marks = notes(machine_uid=uid, **more)
    return make_volume("web.root", {"annotations": marks, "owner": "", "finalizers": ("drover.dev/volume",)}, **FILLED)


def found(*guests: Left, spec: Any = None, **changes: Any) -> Found:
    volumes = changes.pop("volumes", [volume()])
    return Found(
        machine=make_machine(**(spec or ROOT)),
        catalog=make_catalog(volumes={each.meta.key.name: each for each in volumes}),
        policy=Policy(anchor_image="anchor"),
        left=guests or (left(),),
        **changes,
    )


def actions(what: Found) -> list[Any]:
    return [each for stage in decide(what, now=NOW).stages for each in stage]


def inherited(what: Found) -> list[tuple[str, bool]]:
    return [(each.meta.key.name, each.owned) for each in actions(what) if isinstance(each, Inherit)]


def test_the_heir_takes_over_volumes_and_addresses_first_and_books_a_place_where_the_guest_is() -> None:
    address = make_address(uid=OLD)
    what = found(spec=ROOT | LAN, estate=(address,))

    assert inherited(what) == [("web.root", True), (address.meta.key.name, False)]
    assert not [each for each in actions(what) if isinstance(each, (action.Allocate, action.TakeVolume))]
    assert assess(what).pins == ("n1",)


@pytest.mark.parametrize(
    ("disk", "volumes", "taken"),
    [
        pytest.param({"reclaimPolicy": "Retain"}, [volume()], [("web.root", False)], id="retained"),
        pytest.param({}, [volume(used_by="uid-of-db")], [], id="another machine's by now"),
        pytest.param({}, [volume(uid="uid-of-db")], [], id="made for another machine"),
    ],
)
def test_only_what_was_the_guests_is_inherited(disk: Any, volumes: Any, taken: Any) -> None:
    spec = {"disks": [{"name": "root", "size": "1Gi", "pool": "default", **disk}]}

    assert inherited(found(spec=spec, volumes=volumes)) == taken


@pytest.mark.parametrize(
    "owner",
    [{"uid": "uid-of-db"}, {"name": "db"}, {"namespace": "library"}, {}],
    ids=["another-uid", "another-name", "another-namespace", "going"],
)
def test_no_other_machines_addresses_are_inherited(owner: Any) -> None:
    whose = {"namespace": SHOP, "name": "web", "uid": OLD} | owner
    address = make_address(meta={} if owner else {"deleting": NOW}, virtualMachine=whose)

    assert inherited(found(spec=LAN, estate=(address,), volumes=[])) == []


@pytest.mark.parametrize(
    "guest",
    [left(name="library.web"), left(name="shop.web2"), left(machineUID=UID, uuid=UID)],
    ids=["another-namespace", "another-name", "its-own"],
)
def test_a_guest_of_another_machine_is_not_taken_over(guest: Left) -> None:
    situation = assess(found(guest))

    assert (situation.left, situation.adoption.blocked) == (None, None)


def test_a_machine_that_has_a_domain_takes_over_nothing() -> None:
    assert assess(found(domains=(make_domain(),))).left is None


@pytest.mark.parametrize(
    ("guests", "changes", "reason", "words"),
    [
        ([left(), left("n2", uuid="b")], {}, "OrphanInTheWay", "remove all but one"),
        ([left()], {"lost": {"n1": Lost("node", fenced=False)}}, "NodeLost", "no sign of life"),
        ([left()], {"volumes": []}, "VolumeLost", "web.root is gone"),
    ],
    ids=["two-guests", "unseen", "without-its-volume"],
)
def test_nothing_is_made_beside_a_guest_that_cannot_be_taken_over(
    guests: Any, changes: Any, reason: str, words: str
) -> None:
    what = found(*guests, **changes)
    blocked = assess(what).blocked

    assert blocked is not None
    assert (blocked.reason, words in blocked.message) == (reason, True)
    assert [each for each in actions(what) if isinstance(each, (action.Create, action.CreateDomain))] == []


def test_a_guest_that_went_off_with_its_node_is_nobodys() -> None:
    situation = assess(found(lost={"n1": Lost("node", fenced=True)}))

    assert (situation.left, situation.adoption.blocked) == (None, None)


def test_a_machine_that_is_to_be_off_takes_the_guest_over_in_order_to_stop_it() -> None:
    assert assess(found(spec=ROOT | {"powerState": "Stopped"})).wants


def test_an_inherited_volume_goes_with_its_new_machine() -> None:
    meta = make_machine().meta
    body = {"metadata": {"annotations": {"a": "b", "drover.dev/used-by": OLD, "drover.dev/machine-uid": OLD}}}

    made = heir(body, Inherit(VOLUME, volume().meta, meta, owned=True))["metadata"]
    kept = heir(body, Inherit(VOLUME, volume().meta, meta))["metadata"]

    assert made["annotations"] == {"a": "b", "drover.dev/machine-uid": UID}
    assert ([each["uid"] for each in made["ownerReferences"]], kept["ownerReferences"]) == ([UID], [])


def test_of_an_inherited_address_only_the_uid_changes() -> None:
    owner = {"namespace": SHOP, "name": "web", "uid": OLD}
    body = {"spec": {"network": "default", "virtualMachine": owner}}

    made = heir(body, Inherit(ADDRESS, make_address().meta, make_machine().meta))

    assert made["spec"] == {"network": "default", "virtualMachine": owner | {"uid": UID}}


@pytest.mark.parametrize(
    ("orphans", "there"),
    [
        ([{"uuid": OLD, "name": "shop.web", "epoch": 4}], True),
        ([{"uuid": OLD, "name": "shop.web", "epoch": 5}], False),
        ([{"uuid": "b", "name": "shop.web", "epoch": 4}], False),
        (None, False),
    ],
)
def test_a_guest_is_left_as_long_as_its_agent_says_so(orphans: Any, *, there: bool) -> None:
    assert still_left(left(), {"status": {"orphans": orphans}}) is there
    assert not still_left(left(), None)


def test_a_guest_reported_by_an_older_agent_was_the_machine_of_its_uuid() -> None:
    guest = left(machineUID=None)

    assert (guest.uid, guest.machine) == (OLD, Key("shop", "web"))
