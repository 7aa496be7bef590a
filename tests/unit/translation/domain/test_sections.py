"""Each part of a domain document by itself: what it says of which guest."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from tests.support.blueprints import KERNEL, make_blueprint, make_host

from drover.api.virtualmachine import LinkState
from drover.errors import Unsupported
from drover.state.guest import Blueprint, Kernel
from drover.translation.domain.boot import system
from drover.translation.domain.channel import channel
from drover.translation.domain.clock import clock
from drover.translation.domain.console import console
from drover.translation.domain.cpu import model, processors
from drover.translation.domain.disks import disks
from drover.translation.domain.document import Section
from drover.translation.domain.identity import identity
from drover.translation.domain.interfaces import interfaces, relinked
from drover.translation.domain.lifecycle import lifecycle, panic
from drover.translation.domain.memory import balloon, memory
from drover.translation.domain.platform import buses, features, power_management
from drover.translation.domain.rng import rng
from drover.translation.domain.seed import seed
from drover.translation.xml import attribute, element, parse, text

KVM = make_host(accelerator="KVM")
ARM = make_host(architecture="aarch64", machine="virt-7.2", emulator="/usr/bin/qemu-system-aarch64")
BOOT = Kernel(PurePosixPath("/images/k"), PurePosixPath("/images/i"), "console=ttyS0 quiet")


def texts(section: Section, guest: Blueprint, *paths: str) -> list[str]:
    """What a section writes at each path."""
    tree = element("all", *section(guest))
    return [text(tree, path) for path in paths]


def attributes(section: Section, guest: Blueprint, *places: str) -> list[str]:
    """What a section writes at each ``path@attribute``."""
    tree = element("all", *section(guest))
    return [attribute(tree, *place.split("@")) for place in places]


def count(section: Section, guest: Blueprint) -> int:
    return len(list(section(guest)))


@pytest.mark.parametrize(
    ("section", "guest", "expected"),
    [
        pytest.param(identity, make_blueprint(), {"name": "shop.web"}, id="name"),
        pytest.param(memory, make_blueprint(memory_bytes=1 << 30), {"memory": str(1 << 30)}, id="memory"),
        pytest.param(processors, make_blueprint(cores=4), {"vcpu": "4"}, id="cores"),
        pytest.param(system, make_blueprint(kernel=BOOT), {"os/kernel": "/images/k"}, id="kernel"),
        pytest.param(system, make_blueprint(kernel=BOOT), {"os/initrd": "/images/i"}, id="ram-disk"),
        pytest.param(system, make_blueprint(kernel=BOOT), {"os/cmdline": "console=ttyS0 quiet"}, id="arguments"),
        pytest.param(system, make_blueprint(kernel=None), {"os/kernel": "", "os/type": "hvm"}, id="boot-loader"),
        pytest.param(
            lifecycle,
            make_blueprint(),
            {"on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "destroy"},
            id="ends-at-power-off-and-panic-but-not-at-reboot",
        ),
        pytest.param(rng, make_blueprint(), {"rng/backend": "/dev/urandom"}, id="randomness"),
    ],
)
def test_a_section_says(section: Section, guest: Blueprint, expected: dict[str, str]) -> None:
    assert texts(section, guest, *expected) == list(expected.values())


@pytest.mark.parametrize(
    ("section", "guest", "expected"),
    [
        pytest.param(model, make_blueprint(), {"cpu@mode": "maximum"}, id="emulated-processor"),
        pytest.param(model, make_blueprint(host=KVM), {"cpu@mode": "host-model"}, id="host-processor"),
        pytest.param(model, make_blueprint(cores=3), {"cpu/topology@cores": "3"}, id="one-socket"),
        pytest.param(clock, make_blueprint(), {"clock@offset": "utc", "clock/timer@name": ""}, id="clock"),
        pytest.param(clock, make_blueprint(host=KVM), {"clock/timer@name": "rtc"}, id="clock-under-kvm"),
        pytest.param(power_management, make_blueprint(), {"pm/suspend-to-mem@enabled": "no"}, id="no-sleep"),
        pytest.param(buses, make_blueprint(), {"controller@model": "none"}, id="no-usb"),
        pytest.param(balloon, make_blueprint(), {"memballoon@freePageReporting": "on"}, id="balloon"),
        pytest.param(panic, make_blueprint(), {"panic@model": "isa"}, id="panic-device"),
        pytest.param(
            channel, make_blueprint(), {"channel/target@name": "org.qemu.guest_agent.0"}, id="guest-agent-channel"
        ),
        pytest.param(
            console, make_blueprint(), {"serial@type": "pty", "serial/log@append": "on"}, id="serial-line-and-log"
        ),
        pytest.param(
            disks,
            make_blueprint(disks=("root",)),
            {"disk/driver@error_policy": "enospace", "disk/driver@discard": "unmap", "disk/target@dev": "vda"},
            id="disk",
        ),
        pytest.param(disks, make_blueprint(disks=("root",)), {"disk/boot@order": ""}, id="kernel-boots-no-disk"),
        pytest.param(
            disks, make_blueprint(kernel=None, disks=("root",)), {"disk/boot@order": "1"}, id="first-disk-boots"
        ),
        pytest.param(
            interfaces,
            make_blueprint(interfaces=("lan",)),
            {"interface/source@network": "drover-default", "interface/mac@address": "02:00:00:00:00:01"},
            id="interface",
        ),
    ],
)
def test_a_section_sets(section: Section, guest: Blueprint, expected: dict[str, str]) -> None:
    assert attributes(section, guest, *expected) == list(expected.values())


@pytest.mark.parametrize(
    ("section", "guest", "expected"),
    [
        pytest.param(disks, make_blueprint(), 0, id="no-disk"),
        pytest.param(disks, make_blueprint(disks=tuple("abcdefghijklmnop")), 16, id="sixteen-disks"),
        pytest.param(interfaces, make_blueprint(), 0, id="no-interface"),
        pytest.param(interfaces, make_blueprint(interfaces=("a", "b")), 2, id="two-interfaces"),
        pytest.param(panic, make_blueprint(host=ARM), 0, id="no-panic-device-on-arm"),
        pytest.param(power_management, make_blueprint(host=ARM), 0, id="no-sleep-states-on-arm"),
    ],
)
def test_a_section_has_as_many_elements_as_there_are_things(section: Section, guest: Blueprint, expected: int) -> None:
    assert count(section, guest) == expected


@pytest.mark.parametrize(("host", "controller"), [(make_host(), "apic"), (ARM, "gic")])
def test_features_name_the_interrupt_controller_of_the_board(host: object, controller: str) -> None:
    (found,) = features(make_blueprint(host=host))  # type: ignore[arg-type]

    assert [part.tag for part in found] == ["acpi", controller]


def test_disks_keep_the_order_of_the_spec() -> None:
    found = [attribute(disk, "target", "dev") for disk in disks(make_blueprint(disks=("root", "data", "logs")))]

    assert found == ["vda", "vdb", "vdc"]


def test_a_disk_is_found_by_its_name_inside_the_guest() -> None:
    assert texts(disks, make_blueprint(disks=("data",)), "disk/serial") == ["data"]


def test_a_boot_loader_on_arm_is_not_offered() -> None:
    with pytest.raises(Unsupported, match="arm64") as caught:
        list(system(make_blueprint(host=ARM, kernel=None)))

    assert caught.value.reason == "KernelRequired"


def test_a_kernel_without_arguments_gets_no_empty_line() -> None:
    (found,) = system(make_blueprint(kernel=KERNEL))

    assert [part.tag for part in found] == ["type", "kernel"]


PLUGGED = """<domain><devices>
  <interface type="network"><mac address="02:00:00:00:00:01"/><link state="down"/></interface>
  <interface type="network"><mac address="02:00:00:00:00:02"/></interface>
</devices></domain>"""


@pytest.mark.parametrize(
    ("mac", "state", "expected"),
    [
        pytest.param("02:00:00:00:00:01", "Up", "up", id="plugged-in"),
        pytest.param("02:00:00:00:00:02", "Down", "down", id="pulled-out"),
        pytest.param("02:00:00:00:00:01", "Down", None, id="out-already"),
        pytest.param("02:00:00:00:00:02", "Up", None, id="in-already"),
        pytest.param("02:00:00:00:00:03", "Up", None, id="no-such-interface"),
    ],
)
def test_a_cable_is_plugged_in_or_out(mac: str, state: LinkState, expected: str | None) -> None:
    changed = relinked(PLUGGED, mac, state)
    assert (None if changed is None else attribute(parse(changed), "link", "state")) == expected


def test_an_overlays_interface_has_room_for_its_header() -> None:
    guest = make_blueprint(interfaces=("lan",))
    spec = guest.spec.model_copy(update={"interfaces": [guest.spec.interfaces[0].model_copy(update={"mtu": 1450})]})
    assert attributes(interfaces, replace(guest, spec=spec), "interface/mtu@size") == ["1450"]


def test_a_seed_is_the_last_disk_and_nobody_writes_to_it() -> None:
    plain = make_blueprint()
    told = replace(plain, files=replace(plain.files, seed=PurePosixPath("/seeds/a.iso")))

    assert count(seed, plain) == 0
    assert attributes(seed, told, "disk/source@file", "disk/target@bus", "disk/target@dev") == [
        "/seeds/a.iso",
        "virtio",
        "vdz",
    ]
    assert texts(seed, told, "disk/serial") == ["cidata"]
    assert next(seed(told)).find("readonly") is not None
