"""What is done about a machine, case by case; whole lives are told in the controllers' simulation."""

from typing import Any

import pytest
from tests.support.machines import (
    MAC,
    NOW,
    SILENT,
    SUBNET,
    UID,
    make_address,
    make_catalog,
    make_domain,
    make_found,
    make_machine,
    make_meta,
    make_network,
    make_off,
    make_pod,
    make_pool,
    make_volume,
    notes,
)

from drover.planning import action
from drover.planning.action import Action
from drover.planning.found import Found
from drover.planning.teardown import release
from drover.planning.virtualmachine import decide

DELETING = {"deleting": NOW}
ROOT = {"name": "root", "size": "1Gi"}
LAN = [{"name": "lan"}]


def _actions(found: Found) -> list[Action]:
    return [each for stage in decide(found, now=NOW).stages for each in stage]


def _words(found: Found) -> list[str]:
    """Name each action with the kind it is about."""
    return [_word(each) for each in _actions(found)]


def _word(each: Any) -> str:
    kind = getattr(each, "kind", None)
    return type(each).__name__ + (f" {kind.name}" if kind else "")


def _running(**changes: Any) -> Found:
    """A machine that is on n1, in its place."""
    return make_found(**({"domains": (make_domain(),), "anchors": (make_pod(),)} | changes))


def test_a_machine_that_is_as_it_should_be_costs_nothing() -> None:
    assert _actions(_running()) == []


def test_the_first_step_holds_the_machine_and_the_next_makes_everything_at_once() -> None:
    found = make_found(make_machine({"finalizers": ()}, disks=[ROOT], interfaces=LAN))
    first, second = decide(found, now=NOW).stages
    assert [_word(each) for each in first] == ["AddFinalizer VirtualMachine"]
    assert [_word(each) for each in second] == ["Create StorageVolume", "Allocate", "Create Pod"]


def test_a_bound_anchor_gets_a_domain_on_its_node() -> None:
    (found,) = _actions(make_found(anchors=(make_pod(node="n2"),)))
    assert isinstance(found, action.CreateDomain)
    assert (found.body["metadata"]["name"], found.body["spec"]["nodeName"]) == ("web-1", "n2")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"anchors": (make_pod(node=""),)}, [], id="the anchor is not bound"),
        pytest.param(
            {"machine": make_machine(disks=[ROOT]), "anchors": (make_pod(),)}, ["Create StorageVolume"], id="disk"
        ),
        pytest.param({"machine": make_machine(interfaces=LAN), "anchors": (make_pod(),)}, ["Allocate"], id="address"),
        pytest.param({"anchors": (make_pod(),), "closing": True}, [], id="the namespace is closing"),
        pytest.param({"closing": True}, [], id="nothing can be made in a namespace that is closing"),
        pytest.param({"machine": make_machine(kernel={"image": "gone"})}, [], id="it is not accepted"),
    ],
)
def test_a_domain_waits_until_all_is_there(changes: dict[str, Any], words: list[str]) -> None:
    assert _words(make_found(**changes)) == words


def test_an_epoch_is_higher_than_any_that_was() -> None:
    machine = make_machine(status={"epoch": 4})
    (found,) = _actions(make_found(machine, anchors=(make_pod(),)))
    assert isinstance(found, action.CreateDomain)
    assert found.body["metadata"]["name"] == "web-5"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"machine": make_machine(powerState="Stopped")}, ["UpdateSpec Domain"], id="stop it first"),
        pytest.param(
            {"machine": make_machine(powerState="Stopped"), "domains": (make_off(),)},
            ["ReleaseAnchor"],
            id="off: let go",
        ),
        pytest.param(
            {"machine": make_machine(powerState="Stopped"), "domains": (make_off(),), "anchors": ()}, [], id="at rest"
        ),
        pytest.param(
            {"machine": make_machine(powerState="Stopped"), "domains": ()}, ["ReleaseAnchor"], id="never started"
        ),
        pytest.param(
            {"domains": (make_domain(status={"state": "Stopped", "reason": "RestartPolicy"}),)},
            ["ReleaseAnchor"],
            id="it rests",
        ),
    ],
)
def test_a_place_is_given_up_once_the_guest_is_off(changes: dict[str, Any], words: list[str]) -> None:
    assert _words(_running(**changes)) == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"anchors": (make_pod(meta=DELETING, grace=86400),)}, ["UpdateSpec Domain"], id="stop it"),
        pytest.param(
            {"anchors": (make_pod(meta=DELETING, grace=86400),), "domains": (make_off(stopReason="Evicted"),)},
            ["ReleaseAnchor", "Create Pod"],
            id="off: on to the next place",
        ),
        pytest.param(
            {"anchors": (make_pod(phase="Failed"),)}, ["ReleaseAnchor", "Create Pod"], id="failed: it goes on"
        ),
        pytest.param({"anchors": ()}, ["Create Pod"], id="vanished: it goes on"),
        pytest.param({"anchors": (make_pod(meta={"finalizers": ()}),)}, ["AddFinalizer Pod"], id="lost its finalizer"),
        pytest.param(
            {"anchors": (make_pod(meta={"finalizers": (), **DELETING}, grace=1),), "domains": ()},
            ["Create Pod"],
            id="let go already",
        ),
        pytest.param({"anchors": (make_pod(), make_pod(2, "n2"))}, ["ReleaseAnchor"], id="one too many"),
    ],
)
def test_trouble_with_the_anchor_is_answered(changes: dict[str, Any], words: list[str]) -> None:
    assert _words(_running(**changes)) == words


def test_a_guest_that_lost_its_place_is_booked_on_its_node_even_if_its_spec_has_become_unfit() -> None:
    machine = make_machine(kernel={"image": "gone"})
    (created,) = _actions(_running(machine=machine, anchors=()))
    assert isinstance(created, action.Create)
    assert "kubernetes.io/hostname" in str(created.body["spec"]["affinity"])


@pytest.mark.parametrize(
    ("pod", "deleted"),
    [
        pytest.param(make_pod(), (True, False), id="alive"),
        pytest.param(
            make_pod(meta=DELETING, grace=660), (True, True), id="going slowly, as no kubelet heeds a new grace"
        ),
        pytest.param(make_pod(meta=DELETING, grace=1), (False, False), id="going at once"),
        pytest.param(make_pod(meta=DELETING), (False, False), id="going at once, as it never ran"),
    ],
)
def test_an_anchor_is_deleted_unless_it_goes_at_once_anyway(pod: Any, deleted: tuple[bool, bool]) -> None:
    done = release(pod)

    assert (done.delete, done.force) == deleted


def test_a_new_anchor_follows_the_data_and_what_pools_and_networks_ask_of_nodes() -> None:
    catalog = make_catalog(
        pools={"default": make_pool(nodeSelector={"disk": "ssd"})},
        networks={"default": make_network(nodeSelector={"zone": "b"})},
        volumes={"web.root": make_volume(status={"nodeName": "n2"})},
    )
    machine = make_machine(disks=[ROOT], interfaces=LAN)
    created = next(each for each in _actions(make_found(machine, catalog)) if _word(each) == "Create Pod")
    assert isinstance(created, action.Create)
    affinity = str(created.body["spec"]["affinity"])
    assert all(f"'values': ['{value}']" in affinity for value in ("ssd", "b", "n2"))


def test_a_place_on_a_node_without_the_data_is_given_up() -> None:
    catalog = make_catalog(volumes={"web.root": make_volume(status={"nodeName": "n2"})})
    found = make_found(make_machine(disks=[ROOT]), catalog, anchors=(make_pod(node="n1"),))
    assert _words(found) == ["ReleaseAnchor", "Create Pod"]


def test_a_machine_that_starts_elsewhere_leaves_its_old_domain_first() -> None:
    found = _running(domains=(make_off(),), anchors=(make_pod(node="n2"),))
    assert _words(found) == ["Delete Domain"]


def test_saved_memory_does_not_move() -> None:
    found = _running(domains=(make_off(power="Hibernated"),), anchors=(make_pod(node="n2"),))
    assert _words(found) == ["ReleaseAnchor", "Create Pod"]


def test_an_outdated_incarnation_is_deleted() -> None:
    domains = (make_off(), make_domain(epoch=2))
    assert _words(_running(domains=domains)) == ["Delete Domain"]
    assert _words(_running(domains=(make_off(DELETING), make_domain(epoch=2)))) == []


def test_a_domain_that_somebody_deletes_is_waited_for() -> None:
    assert _actions(_running(domains=(make_domain(DELETING),))) == []


def test_volumes_are_taken_and_enlarged() -> None:
    volumes = {"kept": make_volume("kept", {"annotations": (), "owner": ""}), "web.root": make_volume()}
    machine = make_machine(disks=[{"name": "root", "size": "2Gi"}, {"name": "old", "volume": "kept"}])
    found = make_found(machine, make_catalog(volumes=volumes), anchors=(make_pod(node=""),))
    assert _words(found) == ["TakeVolume", "UpdateSpec StorageVolume"]


def test_a_domain_is_told_of_changes_it_applies_at_once_or_at_its_next_start() -> None:
    (told,) = _actions(_running(machine=make_machine(restartPolicy="Never", cpu={"cores": 4})))
    assert isinstance(told, action.UpdateSpec)
    assert (told.spec["restartPolicy"], told.spec["machine"]["cores"]) == ("Never", 4)


def test_a_machine_whose_spec_became_unfit_runs_on_and_can_be_stopped() -> None:
    assert _actions(_running(machine=make_machine(kernel={"image": "gone"}))) == []
    stopped = make_machine({"manager": "argocd"}, kernel={"image": "gone"}, powerState="Stopped")
    (told,) = _actions(_running(machine=stopped))
    assert isinstance(told, action.UpdateSpec)
    assert (told.spec["powerState"], told.spec["actor"]) == ("Stopped", "argocd")


@pytest.mark.parametrize(
    ("asked", "disks"), [({}, []), ({"annotations": notes(restartedAt="2")}, ["root"])], ids=["woken", "restarted"]
)
def test_saved_memory_is_woken_with_what_it_was_saved_with(asked: dict[str, Any], disks: list[str]) -> None:
    catalog = make_catalog(volumes={"web.root": make_volume()})
    found = _running(
        machine=make_machine(asked, disks=[ROOT]), catalog=catalog, domains=(make_off(power="Hibernated"),)
    )
    (told,) = _actions(found)
    assert isinstance(told, action.UpdateSpec)
    assert (told.spec["powerState"], [disk["name"] for disk in told.spec["disks"]]) == ("Running", disks)


def test_a_guest_that_is_off_is_not_started_before_its_new_disk_is_there() -> None:
    found = _running(machine=make_machine(disks=[ROOT]), domains=(make_off(),))
    assert _words(found) == ["Create StorageVolume"]


def test_a_request_wakes_a_machine_that_rests() -> None:
    machine = make_machine({"annotations": notes(startedAt="2")})
    resting = make_domain(status={"state": "Stopped", "reason": "RestartPolicy"})
    assert _words(make_found(machine, domains=(resting,))) == ["Create Pod"]
    (told,) = _actions(_running(machine=machine, domains=(resting,)))
    assert isinstance(told, action.UpdateSpec)
    assert told.spec["startedAt"] == "2"


@pytest.mark.parametrize(
    ("domain", "freed"),
    [
        pytest.param(make_off(), ["Delete NetworkAddress"], id="off"),
        pytest.param(
            make_domain(status={"live": {"cores": 1, "memoryBytes": 1}}), ["Delete NetworkAddress"], id="never had"
        ),
        pytest.param(
            make_domain({"generation": 2}, {"observedGeneration": 1, "live": {"cores": 1, "memoryBytes": 1}}),
            [],
            id="it may get it still",
        ),
        pytest.param(
            make_domain({"generation": 2}, {"observedGeneration": 2, "live": {"cores": 1, "memoryBytes": 1}}),
            ["Delete NetworkAddress"],
            id="it let go of it while it runs",
        ),
        pytest.param(
            make_domain(
                {"generation": 2},
                {
                    "observedGeneration": 2,
                    "live": {"cores": 1, "memoryBytes": 1, "interfaces": [f"lan default {MAC} 10.20.0.2,fd00::2"]},
                },
            ),
            [],
            id="it has it still",
        ),
        pytest.param(
            make_domain(
                status={"state": "Stopped", "reason": "Requested"},
                powerState="Stopped",
                interfaces=[{"name": "lan", "network": "default", "mac": "02:00:00:00:00:01", "ip": "10.20.0.2"}],
            ),
            ["UpdateSpec Domain"],
            id="its order names it",
        ),
    ],
)
def test_an_address_that_nobody_asks_for_is_freed_when_no_guest_has_it(domain: Any, freed: list[str]) -> None:
    machine = make_machine(powerState="Stopped" if domain.spec.power_state == "Stopped" else "Running")
    anchors = () if domain.spec.power_state == "Stopped" else (make_pod(),)
    assert _words(make_found(machine, domains=(domain,), anchors=anchors, addresses=(make_address(),))) == freed


@pytest.mark.parametrize(("has", "freed"), [(MAC, []), ("02:00:00:00:00:09", ["Delete NetworkAddress"])])
def test_a_hardware_address_stays_reserved_while_a_guest_has_it(has: str, freed: list[str]) -> None:
    live = {"cores": 1, "memoryBytes": 1, "interfaces": [f"lan default {has} -"]}
    domain = make_domain({"generation": 2}, {"observedGeneration": 2, "live": live})
    assert _words(_running(domains=(domain,), addresses=(make_address(None),))) == freed


@pytest.mark.parametrize(
    ("domain", "wish", "address", "freed"),
    [
        pytest.param(make_off(), "Stopped", "10.20.0.3", ["Delete NetworkAddress"], id="off"),
        pytest.param(make_off(), "Running", "10.20.0.3", ["Delete NetworkAddress"], id="off, and wanted"),
        pytest.param(make_off(), "Stopped", "10.20.0.9", [], id="it asks for one that nobody can have"),
        pytest.param(make_off(power="Hibernated"), "Hibernated", "10.20.0.3", [], id="its memory has it"),
        pytest.param(make_domain(), "Running", "10.20.0.3", [], id="on"),
    ],
)
def test_a_machine_that_waits_for_anothers_address_gives_its_own_up_when_it_is_off(
    domain: Any, wish: str, address: str, freed: list[str]
) -> None:
    machine = make_machine(powerState=wish, interfaces=[{"name": "lan", "address": address}])
    catalog = make_catalog(claimed={"a": make_address("10.20.0.3", "uid-db")})
    anchors = (make_pod(),) if wish == "Running" else ()
    assert (
        _words(make_found(machine, catalog, domains=(domain,), anchors=anchors, addresses=(make_address(),))) == freed
    )


def test_a_volume_that_is_to_be_retained_is_disowned_at_once() -> None:
    machine = make_machine(powerState="Stopped", disks=[ROOT | {"reclaimPolicy": "Retain"}])
    catalog = make_catalog(volumes={"web.root": make_volume()})
    assert _words(make_found(machine, catalog, owned=(make_volume(),))) == ["Disown"]


def test_nothing_is_made_while_others_hold_what_the_machine_needs() -> None:
    machine = make_machine(disks=[{"name": "old", "volume": "kept"}])
    catalog = make_catalog(volumes={"kept": make_volume("kept")}, held={"kept": "db"})
    assert _words(make_found(machine, catalog)) == []
    full = make_catalog(networks={"default": make_network(subnet=SUBNET)}, exhausted=frozenset({"default"}))
    assert _words(make_found(make_machine(interfaces=LAN), full)) == []


def test_a_machine_whose_node_is_silent_is_left_alone() -> None:
    assert _actions(_running(lost=SILENT)) == []
    assert _actions(_running(lost=SILENT, domains=(make_off(),), anchors=(make_pod(node="n2"),))) == []


# --- deleting --------------------------------------------------------------------------------------------------------


def _going(meta: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **changes: Any) -> Found:
    return make_found(make_machine({**DELETING, **(meta or {})}, **(spec or {})), **changes)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(_going({"finalizers": ("orphan",)}), [], id="let go already"),
        pytest.param(_going(domains=(make_domain(),), anchors=(make_pod(),)), ["Delete Domain"], id="the guest first"),
        pytest.param(_going(domains=(make_domain(DELETING),), anchors=(make_pod(),)), [], id="wait for it"),
        pytest.param(
            _going(spec={"terminationGracePeriodSeconds": 0}, domains=(make_domain(DELETING),)),
            ["UpdateSpec Domain"],
            id="somebody is in a hurry",
        ),
        pytest.param(
            _going(spec={"terminationGracePeriodSeconds": 0}, domains=(make_off(DELETING),)), [], id="no need to hurry"
        ),
        pytest.param(
            _going(anchors=(make_pod(),), addresses=(make_address(),), owned=(make_volume(),)),
            ["ReleaseAnchor", "Delete NetworkAddress", "Delete StorageVolume", "RemoveFinalizer VirtualMachine"],
            id="then all the rest",
        ),
        pytest.param(
            _going(
                anchors=(make_pod(meta={**DELETING, "finalizers": ()}),),
                addresses=(make_address(meta=DELETING),),
                owned=(make_volume(meta=DELETING),),
            ),
            ["RemoveFinalizer VirtualMachine"],
            id="all is going",
        ),
        pytest.param(
            _going(spec={"disks": [ROOT | {"reclaimPolicy": "Retain"}]}, owned=(make_volume(),)),
            ["Disown", "RemoveFinalizer VirtualMachine"],
            id="a volume stays",
        ),
        pytest.param(
            _going(owned=(make_volume(),), addresses=(make_address(),), kind_removed=True),
            ["Disown", "RemoveFinalizer VirtualMachine"],
            id="it goes only because its definition does",
        ),
    ],
)
def test_deleting_takes_one_step_after_the_other(found: Found, words: list[str]) -> None:
    assert _words(found) == words


def test_a_pod_of_a_foreign_name_is_no_anchor_of_ours_to_count() -> None:
    created = next(each for each in _actions(make_found(namesakes=(make_pod(4),))) if _word(each) == "Create Pod")
    assert isinstance(created, action.Create)
    assert created.body["metadata"]["name"] == "web.anchor.5"
    assert (make_meta("x").key.name, UID) == ("x", "uid-web")
