"""What a node says of itself."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.fake_host import FACTS, QEMU

from drover.api.hypervisor import HeldImage, HypervisorStatus, Orphan
from drover.planning.hostdevice import Unit
from drover.planning.hypervisor import FAILING, IMAGES, Findings, Shared, can_wait, describe, pick_images
from drover.state.host import PoolFacts

GIB = 1 << 30
FOUND = Findings(
    boot_id="boot-1",
    version="0.1.0",
    libvirt_trouble="",
    host=FACTS,
    domains=3,
    pools={"default": Shared(facts=PoolFacts("default", "/pool", 100 * GIB, 60 * GIB + 5))},
    networks={"default": Shared()},
)


def told(before: HypervisorStatus | None = None, **changes: Any) -> HypervisorStatus:
    now = "2026-11-21T12:00:00Z"
    return describe(replace(FOUND, **changes), before or HypervisorStatus(), now=now, generation=1)


def pool(available: int, capacity: int = 100 * GIB) -> dict[str, Shared]:
    return {"default": Shared(facts=PoolFacts("default", "/pool", capacity, available))}


def status(found: HypervisorStatus, kind: str) -> tuple[str, str]:
    return next((each.status, each.reason) for each in found.conditions or () if each.type == kind)


def test_a_node_that_was_asked_and_answers_is_ready() -> None:
    assert (status(told(), "Ready"), status(told(), "LibvirtConnected")) == (
        ("True", "AsSpecified"),
        ("True", "Connected"),
    )


def test_a_node_without_libvirt_says_so_and_keeps_what_was_known() -> None:
    found = told(told(), libvirt_trouble="connection refused", host=None, domains=None)

    assert status(found, "Ready") == ("False", "LibvirtStopped")
    assert (found.accelerator, found.domains, found.qemu_version) == ("TCG", 3, "7.2.0")


def test_what_guests_can_be_given_is_told_by_architecture() -> None:
    able = replace(FACTS, guests=(replace(QEMU, tpm=True),), hugepages=frozenset({"2Mi"}))
    found = told(host=able)

    assert [(each.architecture, each.machine_type, each.features) for each in found.guests or ()] == [
        ("amd64", "pc-q35-7.2", ["BIOS", "TPM", "VNC"])
    ]
    assert found.hugepages == ["2Mi"]
    assert (told(host=replace(FACTS, guests=())).guests, told().hugepages) == (None, None)


def test_the_same_findings_give_the_same_words() -> None:
    assert told(told()) == told()


@pytest.mark.parametrize(
    ("available", "expected"),
    [(60 * GIB, "60Gi"), (59 * GIB, "60Gi"), (61 * GIB, "60Gi"), (50 * GIB, "50Gi"), (GIB // 2, "0")],
    ids=["same", "a-little-less", "a-little-more", "much-less", "full"],
)
def test_free_space_is_told_in_steps_and_stands_still_in_between(available: int, expected: str) -> None:
    found = told(told(), pools=pool(available))

    assert [each.available for each in found.pools or ()] == [expected]


def test_the_steps_of_a_large_pool_are_a_hundredth_of_it() -> None:
    found = told(pools=pool(1000 * GIB - 1, capacity=1000 * GIB))

    assert [each.available for each in found.pools or ()] == ["990Gi"]


def test_what_is_taken_of_a_pool_is_what_is_not_free() -> None:
    assert [(each.capacity, each.allocated) for each in told().pools or ()] == [("100Gi", "40Gi")]


def test_of_many_files_so_many_are_told_the_failing_ones_first() -> None:
    whole = [HeldImage(image="shop/a", url=f"http://a/{number:04}", digest="sha256:1") for number in range(600)]
    failing = [HeldImage(image="shop/z", url=f"http://z/{number:04}", reason="Stalled") for number in range(600)]

    picked = pick_images([*whole, *failing])

    assert len(picked) == IMAGES
    assert sum(bool(each.reason) for each in picked) == FAILING


def test_a_pool_and_a_network_that_cannot_be_used_say_why() -> None:
    found = told(pools={"p": Shared("no such directory")}, networks={"n": Shared("no bridge")})

    assert [(each.ready, each.message) for each in (*(found.pools or ()), *(found.networks or ()))] == [
        (False, "no such directory"),
        (False, "no bridge"),
    ]


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ({"domains": 4}, True),
        ({"pools": pool(20 * GIB)}, True),
        ({"boot_id": "boot-2"}, False),
        ({"orphans": (Orphan(uuid="u", name="shop.web", state="Running"),)}, False),
        ({"libvirt_trouble": "gone"}, False),
        ({"pools": {"default": None}}, False),
        ({"networks": {"default": Shared("down")}}, False),
    ],
)
def test_only_numbers_that_change_with_every_guest_can_wait(changes: Any, *, waits: bool) -> None:
    assert can_wait(told(told(), **changes), told()) is waits


def test_what_is_offered_is_told_and_stands_while_it_cannot_be_looked_at() -> None:
    found = told(devices=(Unit("nvidia.com/GA102", "0000:01:00.0", 1, ("0000:01:00.0",)),))

    assert [(each.address, each.state) for each in found.devices or ()] == [("0000:01:00.0", "Free")]
    assert status(found, "DevicesUsable") == ("True", "Usable")
    assert told(found, devices=None).devices == found.devices
    assert (told(found).devices, told(found, devices=None, boot_id="boot-2").devices) == (None, None)
