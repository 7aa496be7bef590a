"""Devices for guests: whole IOMMU groups, nothing that is not offered or in use, and the same at every look."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from drover.api.hostdevice import Device
from drover.planning import hostdevice
from drover.planning.hostdevice import NO_IOMMU, Choice, Unit, choose, counted, shown, units, usable
from drover.state.hostdevice import Claim, DeviceModel, Offer, PciDevice

CARD, SOUND, OTHER = DeviceModel("10de", "2204"), DeviceModel("10de", "1aef"), DeviceModel("8086", "10fb")
SCREEN, AUDIO, NETWORK, BRIDGE, ISA, DISK = "030000", "040300", "020000", "060400", "060100", "010802"
CARDS, NETS = "nvidia.com/GA102", "intel.com/X520"
OFFERS = (Offer(CARDS, CARD, companions=frozenset({SOUND})), Offer(NETS, OTHER))
A, B = "0000:01:00.0", "0000:02:00.0"
GPU = Device(name="gpu", resource=CARDS)
NIC = Device(name="nic", resource=NETS)


def card(address: str = A, group: int | None = 1, **facts: Any) -> PciDevice:
    """A card that is offered."""
    return replace(PciDevice(address, CARD, SCREEN, "nvidia", group), **facts)


def claim(uuid: str, *addresses: str, name: str = "gpu", ours: bool = True, holds: bool = True) -> Claim:
    """What a guest has."""
    return Claim(uuid, f"shop/{uuid}", ours, holds, tuple((address, name) for address in addresses))


def found(*devices: PciDevice, claims: Sequence[Claim] = ()) -> tuple[Unit, ...]:
    """What of some devices guests can have."""
    return units(devices, OFFERS, claims)


def test_a_device_comes_with_all_of_its_group_but_bridges() -> None:
    port = PciDevice("0000:00:01.0", DeviceModel("8086", "1901"), BRIDGE, "pcieport", 1)
    (unit,) = found(port, card(), PciDevice("0000:01:00.1", SOUND, AUDIO, "snd_hda_intel", 1))

    assert (unit.resource, unit.address, unit.group, unit.trouble) == (CARDS, A, 1, "")
    assert unit.members == (A, "0000:01:00.1")


BESIDE = "0000:01:00.7"


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        pytest.param([card(group=None)], NO_IOMMU, id="no IOMMU"),
        pytest.param(
            [card(), PciDevice(BESIDE, OTHER, NETWORK, "ixgbe", 1)],
            f"{A} shares its IOMMU group with {NETS}",
            id="two resources in one group",
        ),
        pytest.param(
            [card(), PciDevice(BESIDE, DeviceModel("10de", "1ad6"), "0c0330", "xhci_hcd", 1)],
            f"{A} cannot be had: {BESIDE} (10de:1ad6) of its IOMMU group 1 is not offered",
            id="a member that is not offered",
        ),
        pytest.param(
            [card(), PciDevice(BESIDE, SOUND, AUDIO, "", 1, ("it plays",))],
            f"{A} cannot be had: {BESIDE} (10de:1aef) is in use by the node: it plays",
            id="a member that the node uses",
        ),
        pytest.param(
            [card(), PciDevice(BESIDE, DeviceModel("8086", "a30d"), ISA, "lpc_ich", 1)],
            f"bridge {BESIDE} (8086:a30d) of its IOMMU group 1 has the driver lpc_ich",
            id="a bridge that keeps its driver",
        ),
        pytest.param([card(uses=("network interface eth0 is up",))], "network interface eth0 is up", id="used"),
        pytest.param([card(kind=DISK, driver="nvme")], "storage driver nvme", id="storage"),
        pytest.param([card(kind="0c0500")], "is the board's SMBus", id="part of the board"),
        pytest.param([card(kind=BRIDGE)], "is a bridge", id="a bridge that is offered"),
        pytest.param(
            [card(f"0000:01:{number:02x}.0") for number in range(17)], "has 17 devices, more than 16", id="a crowd"
        ),
    ],
)
def test_what_cannot_be_had_says_why(devices: list[PciDevice], words: str) -> None:
    first = found(*devices)[0]

    assert words in first.trouble
    assert [each.state for each in shown(found(*devices))][:1] == ["Unusable"]
    assert choose([replace_resource(GPU, first.resource)], found(*devices), "u", ()).reason


def replace_resource(device: Device, resource: str) -> Device:
    """The same device, of another resource."""
    return device.model_copy(update={"resource": resource})


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(PciDevice(A, OTHER, NETWORK), id="no group, not offered"),
        pytest.param(PciDevice(A, DeviceModel("10de", "ffff"), SCREEN, "", 1), id="of another model"),
    ],
)
def test_what_is_not_offered_is_not_told_of(device: PciDevice) -> None:
    assert units([device], OFFERS[:1], ()) == ()


def test_an_offer_of_some_addresses_is_of_no_others() -> None:
    only = replace(OFFERS[0], addresses=frozenset({B}))

    assert [each.address for each in units([card(), card(B, 2)], [only], ())] == [B]


def test_a_storage_controller_that_nothing_drives_and_a_quiet_bridge_are_no_obstacle() -> None:
    (unit,) = found(card(kind=DISK, driver="vfio-pci"), PciDevice(BESIDE, DeviceModel("8086", "a30d"), ISA, "", 1))

    assert (unit.trouble, unit.members) == ("", (A,))


def test_what_a_guest_has_the_node_does_not_use() -> None:
    (unit,) = found(card(uses=("disk sda",)), claims=[claim("u", A)])

    assert (unit.trouble, unit.obstacle("u"), unit.obstacle("v")) == ("", "", f"{A} is in use by shop/u")


# --- who gets which --------------------------------------------------------------------------------------------------


def names(choice: Choice) -> list[tuple[str, tuple[str, ...]]]:
    """Who got what."""
    return [(each.name, each.members) for each in choice.devices]


def test_the_first_free_device_is_taken() -> None:
    choice = choose([GPU], found(card(B, 2), card(), claims=[claim("v", A)]), "u", ())

    assert names(choice) == [("gpu", (B,))]


def test_a_guest_keeps_what_it_had_by_name() -> None:
    before = (claim("u", B, name="gpu", holds=False), claim("u", A, name="more", holds=False))
    more = Device(name="more", resource=CARDS)

    assert names(choose([GPU, more], found(card(), card(B, 2)), "u", before)) == [("gpu", (B,)), ("more", (A,))]
    assert names(choose([more, GPU], found(card(), card(B, 2)), "u", ())) == [("more", (A,)), ("gpu", (B,))]


def test_what_a_guest_had_and_another_one_has_is_not_waited_for() -> None:
    claims = (claim("u", A, holds=False), claim("v", A))

    assert names(choose([GPU], found(card(), card(B, 2), claims=claims), "u", claims)) == [("gpu", (B,))]


@pytest.mark.parametrize(
    ("wanted", "units_found", "reason", "message"),
    [
        pytest.param([GPU], (), "DeviceUnavailable", f"device gpu: no {CARDS} is offered here", id="none"),
        pytest.param([GPU], found(card(group=None)), "Unsupported", f"device gpu: {NO_IOMMU}", id="no IOMMU"),
        pytest.param(
            [GPU],
            found(card(), claims=[claim("v", A)]),
            "DeviceUnavailable",
            f"device gpu: no {CARDS} is free: {A} is in use by shop/v",
            id="taken",
        ),
        pytest.param(
            [GPU, Device(name="more", resource=CARDS)],
            found(card()),
            "DeviceUnavailable",
            f"device more: no {CARDS} is free: {A} is the machine's gpu",
            id="too few",
        ),
    ],
)
def test_who_gets_none_is_told_why(
    wanted: list[Device], units_found: tuple[Unit, ...], reason: str, message: str
) -> None:
    assert choose(wanted, units_found, "u", ()) == Choice(reason=reason, message=message)


def test_a_message_names_not_too_many() -> None:
    cards = [card(f"0000:{number:02x}:00.0", number) for number in range(12)]
    taken = [claim("v", each.address) for each in cards]

    message = choose([GPU], found(*cards, claims=taken), "u", ()).message
    assert (message.count("is in use"), message.endswith("…")) == (hostdevice.NAMED, True)


# The machine may be busy with other tests: how long a draw takes says nothing.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@some.composite
def nodes(draw: some.DrawFn) -> tuple[list[PciDevice], list[Claim]]:
    """A node with groups of all sorts, some of them in use."""
    models, kinds = [CARD, SOUND, OTHER, DeviceModel("ffff", "0001")], [SCREEN, AUDIO, NETWORK, BRIDGE, ISA, DISK]
    count = draw(some.integers(0, 10))
    devices = [
        PciDevice(
            f"0000:{number:02x}:00.0",
            draw(some.sampled_from(models)),
            draw(some.sampled_from(kinds)),
            draw(some.sampled_from(["", "driver", "vfio-pci"])),
            draw(some.one_of(some.none(), some.integers(0, 3))),
            draw(some.sampled_from([(), ("something",)])),
        )
        for number in range(count)
    ]
    addresses = some.sampled_from([each.address for each in devices] or [A])
    claims = [
        claim(uuid, *draw(some.sets(addresses, max_size=3)), holds=draw(some.booleans()), ours=draw(some.booleans()))
        for uuid in draw(some.sets(some.sampled_from("uvw")))
    ]
    return devices, claims


@patient
@given(nodes(), some.lists(some.sampled_from([CARDS, NETS]), max_size=4))
def test_what_is_given_is_whole_offered_and_nobody_elses(
    node: tuple[list[PciDevice], list[Claim]], resources: list[str]
) -> None:
    devices, claims = node
    wanted = [Device(name=f"d{number}", resource=resource) for number, resource in enumerate(resources)]
    choice = choose(wanted, units(devices, OFFERS, claims), "u", claims)
    again = choose(wanted, units(list(reversed(devices)), OFFERS, list(reversed(claims))), "u", list(reversed(claims)))
    given_away = list(chain.from_iterable(each.members for each in choice.devices))

    assert (again.devices, bool(choice.reason)) == (choice.devices, len(choice.devices) < len(wanted))
    assert len(given_away) == len(set(given_away))
    assert not set(given_away) & {a for each in claims if each.holds and each.uuid != "u" for a in each.addresses}
    _are_whole(devices, set(given_away))


def _are_whole(devices: list[PciDevice], given_away: set[str]) -> None:
    """Of each group nothing is given, or everything but bridges, and all of that is offered."""
    touched = {each.group for each in devices if each.address in given_away}
    rest = [each for each in devices if each.group in touched and each.kind[:2] != "06"]
    assert None not in touched
    assert {each.address for each in rest} == given_away
    assert {each.model for each in rest} <= {CARD, SOUND, OTHER}


@patient
@given(nodes())
def test_what_is_counted_can_be_given(node: tuple[list[PciDevice], list[Claim]]) -> None:
    devices, claims = node
    mine = [replace(each, ours=True) for each in claims]
    told = shown(units(devices, OFFERS, [replace(each, holds=False) for each in mine]))

    for resource, count in counted(told).items():
        wanted = [Device(name=f"d{number}", resource=resource) for number in range(count)]
        assert choose(wanted, units(devices, OFFERS, ()), "u", ()).reason == ""


# --- what is said of it ----------------------------------------------------------------------------------------------


def test_devices_are_told_with_who_has_them() -> None:
    claims = [claim("u", A), replace(claim("v", B), ours=False, owner="mine")]
    free = "0000:03:00.0"
    told = shown(found(card(), card(B, 2), card(free, 3), claims=claims))

    assert [(each.state, each.in_use_by) for each in told] == [("InUse", "shop/u"), ("Unusable", ""), ("Free", "")]
    assert "in use by a guest that is no machine: mine" in told[1].message
    assert counted(told) == {CARDS: 2}


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        pytest.param([], [], id="nothing offered is here"),
        pytest.param([card()], [("True", "Usable")], id="all well"),
        pytest.param([card(group=None)], [("False", "NoIOMMU")], id="no IOMMU"),
        pytest.param([card(), card(B, 2, kind=BRIDGE)], [("False", "DeviceUnavailable")], id="one cannot be had"),
    ],
)
def test_a_condition_says_whether_what_is_offered_can_be_had(
    devices: list[PciDevice], expected: list[tuple[str, str]]
) -> None:
    assert [(each.status, each.reason) for each in usable(shown(found(*devices)))] == expected
