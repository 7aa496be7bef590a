"""The small decisions: sweep, defaults, Events, names, quantities."""

from ipaddress import IPv4Network
from typing import Any

import pytest
from tests.support.machines import NOW, UID, make_address, make_machine, make_meta

from drover.api.kinds import NETWORK, POOL
from drover.api.virtualmachine import VirtualMachineStatus
from drover.errors import InvalidSpec
from drover.planning import names, quantity
from drover.planning.defaults import bodies, due
from drover.planning.ownership import machine_uid
from drover.planning.sweep import suspects
from drover.planning.transition import news
from drover.state.resource import Key


@pytest.mark.parametrize(
    ("meta", "uid", "suspected"),
    [
        pytest.param({}, UID, False, id="its machine is there"),
        pytest.param({}, None, True, id="its machine is gone"),
        pytest.param({}, "uid-of-another", True, id="another machine has the name"),
        pytest.param({"deleting": NOW}, None, False, id="it is going already"),
    ],
)
def test_an_address_without_its_machine_is_suspected(meta: Any, uid: str | None, *, suspected: bool) -> None:
    found = list(suspects([make_address(meta=meta)], {Key("shop", "web"): uid}.get))
    assert bool(found) is suspected


def test_defaults_are_made_once_in_the_life_of_a_cluster() -> None:
    lease = make_meta("drover-controller")
    made = make_meta("drover-controller", annotations=(("drover.dev/defaults", "made"),))
    assert (due(None), due(lease), due(made)) == (False, True, False)


def test_the_default_network_has_its_gateway_at_the_first_address() -> None:
    made: dict[Any, Any] = dict(bodies("/pool", IPv4Network("10.9.0.0/16")))
    assert made[POOL]["spec"] == {"type": "Directory", "directory": {"path": "/pool"}, "default": True}
    assert made[NETWORK]["spec"]["subnets"] == [{"name": "v4", "cidr": "10.9.0.0/16", "gateway": "10.9.0.1"}]


def _status(**conditions: tuple[str, str]) -> VirtualMachineStatus:
    listed = [
        {"type": name, "status": status, "reason": reason, "lastTransitionTime": NOW, "message": f"words of {name}"}
        for name, (status, reason) in conditions.items()
    ]
    return VirtualMachineStatus.model_validate({"conditions": listed})


FINE = ("True", "Fine")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(
            {}, {"Scheduled": FINE, "Running": FINE, "Ready": FINE}, ["Scheduled", "Started", "Ready"], id="start"
        ),
        pytest.param({"Running": FINE}, {"Running": FINE}, [], id="it lasts"),
        pytest.param({}, {"Accepted": ("False", "ImageNotFound")}, ["!ImageNotFound"], id="not accepted"),
        pytest.param({}, {"VolumesReady": ("False", "Fetching")}, ["Fetching"], id="it is being done"),
        pytest.param(
            {"Accepted": ("False", "ImageNotFound")},
            {"Accepted": ("False", "PoolNotFound")},
            ["!PoolNotFound"],
            id="for another reason",
        ),
        pytest.param({}, {"Scheduled": ("False", "Waiting"), "Running": ("False", "Stopped")}, [], id="it only waits"),
        pytest.param({"Running": FINE}, {"Running": ("Unknown", "NodeLost")}, ["!NodeLost"], id="lost from sight"),
        pytest.param(
            {"Running": ("Unknown", "NodeLost")}, {"Running": ("Unknown", "NodeLost")}, [], id="still lost from sight"
        ),
    ],
)
def test_only_transitions_are_events(before: Any, after: Any, told: list[str]) -> None:
    found = news(_status(**before), _status(**after))
    assert [f"{'!' if each.warning else ''}{each.reason}" for each in found] == told


@pytest.mark.parametrize(
    ("stop", "message", "warning"),
    [
        ({"reason": "Requested", "actor": "kubectl"}, "Requested by kubectl", False),
        ({"reason": "GuestShutdown"}, "GuestShutdown", False),
        ({"reason": "HypervisorKilled", "detail": "signal 9"}, "HypervisorKilled: signal 9", True),
    ],
)
def test_a_stop_is_told_once_with_its_reason(stop: dict[str, str], message: str, *, warning: bool) -> None:
    after = VirtualMachineStatus.model_validate({"lastStop": {**stop, "time": NOW}})
    (told,) = news(VirtualMachineStatus(), after)
    assert (told.reason, told.message, told.warning) == ("Stopped", message, warning)
    assert list(news(after, after)) == []


def test_names_are_functions_of_their_owners() -> None:
    assert (names.domain("web", 3), names.volume("web", "root"), names.anchor("web", 2)) == (
        "web-3",
        "web.root",
        "web.anchor.2",
    )
    assert (names.libvirt("shop", "web"), names.qualified("a/b", "shop"), names.qualified("b", "shop")) == (
        "shop.web",
        "a/b",
        "shop/b",
    )
    assert names.address("lan", "fd00::1") == "lan-fd00-0000-0000-0000-0000-0000-0000-0001"


def test_hardware_addresses_are_stable_local_and_unicast() -> None:
    first = names.mac(UID, "lan")
    assert first == names.mac(UID, "lan") != names.mac(UID, "dmz")
    assert first.startswith("02:")


@pytest.mark.parametrize(
    ("text", "count"), [("1", 1), (5, 5), ("1500m", 2), ("2k", 2000), ("1Ki", 1024), ("1.5Gi", 3 << 29)]
)
def test_quantities_are_whole_numbers_rounded_up(text: int | str, count: int) -> None:
    assert quantity.whole(text) == count


@pytest.mark.parametrize("text", ["", "Gi", "1X", "-1", "1 Gi"])
def test_what_is_no_quantity_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(InvalidSpec, match=repr(text)):
        quantity.number(text)


@pytest.mark.parametrize(("count", "text"), [(1 << 30, "1Gi"), (3 << 20, "3Mi"), (1000, "1000"), (0, "0")])
def test_bytes_are_written_as_the_largest_exact_quantity(count: int, text: str) -> None:
    assert quantity.binary(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(64 << 20, "64Mi"), (0, "0"), (264212084 << 10, "251Gi"), (1234567, "1205Ki"), (25 << 40, "25Ti")],
)
def test_bytes_are_written_so_that_people_can_read_them(count: int, text: str) -> None:
    assert quantity.readable(count) == text


def test_a_child_belongs_to_the_machine_it_was_made_for_even_when_it_was_orphaned() -> None:
    marked = (("drover.dev/machine-uid", UID),)
    assert machine_uid(make_meta("a", annotations=marked)) == machine_uid(make_meta("b", owner=UID)) == UID
    assert machine_uid(make_machine().meta) == ""
