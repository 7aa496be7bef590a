"""Each part of a domain document by itself: what it says of which guest."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from tests.support.blueprints import KERNEL, make_blueprint, make_disk, make_host

from drover.api.domain import Artifact, DomainImage, DomainMedium
from drover.api.hardware import DiskBounds
from drover.api.interface import LinkState
from drover.state.guest import Blueprint, Kernel
from drover.translation.domain.boot import firmware, has_variables, system
from drover.translation.domain.channel import channel
from drover.translation.domain.clock import clock
from drover.translation.domain.console import console
from drover.translation.domain.cpu import model, processors
from drover.translation.domain.disks import bounds, disks, loaded, plugged
from drover.translation.domain.document import Section, document
from drover.translation.domain.graphics import audio, graphics
from drover.translation.domain.hostdevices import hostdevices, passed
from drover.translation.domain.identity import identity
from drover.translation.domain.interfaces import interfaces, relinked
from drover.translation.domain.interfaces import plugged as plugged_interface
from drover.translation.domain.lifecycle import lifecycle, panic
from drover.translation.domain.memory import backing, balloon, memory
from drover.translation.domain.platform import buses, features, power_management
from drover.translation.domain.rng import rng
from drover.translation.domain.seed import seed
from drover.translation.domain.tpm import has_tpm, tpm
from drover.translation.domain.watchdog import watchdog
from drover.translation.xml import attribute, element, parse, render, text

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
        pytest.param(model, make_blueprint(host=ARM), {"cpu@mode": "custom"}, id="emulated-processor-of-arm64"),
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


@pytest.mark.parametrize(
    ("guest", "expected"),
    [
        pytest.param(make_blueprint(), ["acpi", "apic"], id="amd64"),
        pytest.param(make_blueprint(host=ARM, kernel=None), ["acpi", "gic"], id="arm64"),
        pytest.param(make_blueprint(host=ARM), ["gic"], id="arm64-without-uefi"),
    ],
)
def test_features_are_those_of_the_board(guest: Blueprint, expected: list[str]) -> None:
    (found,) = features(guest)

    assert [part.tag for part in found] == expected


def test_disks_keep_the_order_of_the_spec() -> None:
    found = [attribute(disk, "target", "dev") for disk in disks(make_blueprint(disks=("root", "data", "logs")))]

    assert found == ["vda", "vdb", "vdc"]


def test_a_disk_is_found_by_its_name_inside_the_guest() -> None:
    assert texts(disks, make_blueprint(disks=("data",)), "disk/serial") == ["data"]


def test_a_boot_loader_on_arm_is_found_by_uefi() -> None:
    assert attributes(system, make_blueprint(host=ARM, kernel=None), "os@firmware") == ["efi"]


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


# --- firmware, screens, watchdogs, TPMs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "guest", "expected"),
    [
        pytest.param(system, make_blueprint(firmware="UEFI"), {"os@firmware": "efi"}, id="uefi"),
        pytest.param(
            system,
            make_blueprint(firmware="UEFI", secure_boot="Enabled"),
            {"os/loader@secure": "yes", "os/firmware/feature@enabled": "yes"},
            id="secure-boot",
        ),
        pytest.param(system, make_blueprint(host=ARM), {"os@firmware": ""}, id="arm-with-a-kernel"),
        pytest.param(features, make_blueprint(secure_boot="Enabled"), {"features/smm@state": "on"}, id="smm"),
        pytest.param(tpm, make_blueprint(tpm="Enabled"), {"tpm@model": "tpm-crb"}, id="tpm"),
        pytest.param(tpm, make_blueprint(tpm="Enabled", host=ARM), {"tpm@model": "tpm-tis"}, id="tpm-on-arm"),
        pytest.param(watchdog, make_blueprint(watchdog="PowerOff"), {"watchdog@action": "poweroff"}, id="watchdog"),
        pytest.param(
            graphics,
            make_blueprint(),
            {"graphics@type": "vnc", "graphics/listen@type": "socket", "graphics@port": "", "video/model@type": "vga"},
            id="screen",
        ),
        pytest.param(graphics, make_blueprint(host=ARM), {"video/model@type": "virtio"}, id="screen-on-arm"),
        pytest.param(audio, make_blueprint(), {"audio@type": "none"}, id="no-sound"),
        pytest.param(backing, make_blueprint(hugepages="2Mi"), {"memoryBacking/hugepages/page@size": "2048"}, id="2Mi"),
        pytest.param(processors, make_blueprint(max_cores=4), {"vcpu@current": "1"}, id="cores-to-come"),
        pytest.param(model, make_blueprint(max_cores=4), {"cpu/topology@cores": "4"}, id="sockets-for-them"),
        pytest.param(model, make_blueprint(cpu_model="Nehalem"), {"cpu@mode": "custom"}, id="named-processor"),
        pytest.param(model, make_blueprint(cpu_model="Maximum", host=KVM), {"cpu@mode": "maximum"}, id="all-of-it"),
        pytest.param(
            model,
            make_blueprint(cpu_model="HostPassthrough", host=KVM),
            {"cpu@mode": "host-passthrough"},
            id="as-it-is",
        ),
    ],
)
def test_hardware_is_as_the_machine_says(section: Section, guest: Blueprint, expected: dict[str, str]) -> None:
    assert attributes(section, guest, *expected) == list(expected.values())


@pytest.mark.parametrize("section", [tpm, watchdog, backing])
def test_what_nobody_asks_for_is_left_out(section: Section) -> None:
    assert count(section, make_blueprint()) == 0


@pytest.mark.parametrize("section", [graphics, audio])
def test_a_headless_machine_has_no_screen(section: Section) -> None:
    assert count(section, make_blueprint(graphics="Headless")) == 0


def test_memory_above_its_size_is_left_to_the_balloon() -> None:
    guest = make_blueprint(memory_bytes=1 << 28, max_memory_bytes=1 << 29)
    assert texts(memory, guest, "memory", "currentMemory") == [str(1 << 29), str(1 << 28)]


def test_a_board_has_slots_for_what_is_there_and_some_more() -> None:
    drive = DomainMedium(name="cd", bus="SCSI")
    few, more = make_blueprint(), make_blueprint(disks=("a",), media=(drive,), interfaces=("lan",), watchdog="Reset")
    assert (count(buses, few), count(buses, more)) == (2 + 3 + 4, 3 + 3 + 4 + 4)


# --- disks ------------------------------------------------------------------------------------------------------------

DISC = DomainImage(image="shop/disc", source=Artifact(url="http://x/disc"))


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        pytest.param({"bus": "SCSI"}, {"target@bus": "scsi", "target@dev": "sda", "address@unit": "0"}, id="scsi"),
        pytest.param({"bus": "SATA"}, {"target@bus": "sata", "address@controller": "0"}, id="sata"),
        pytest.param({"cache": "WriteThrough"}, {"driver@cache": "writethrough"}, id="cache"),
        pytest.param({}, {"driver@cache": "", "target@bus": "virtio"}, id="plain"),
    ],
)
def test_a_disk_is_plugged_in_as_it_says(hardware: dict[str, str], expected: dict[str, str]) -> None:
    (disk,) = disks(make_blueprint(disks=(make_disk("root", **hardware),)))
    assert [attribute(disk, *place.split("@")) for place in expected] == list(expected.values())


def test_a_disk_is_bounded_read_only_and_numbered() -> None:
    limits = {"iops": 10, "burstIops": 20, "burstSeconds": 5}
    (disk,) = disks(make_blueprint(disks=(make_disk("root", readOnly="Enabled", serial="S1", limits=limits),)))
    assert [text(disk, path) for path in ("serial", "iotune/total_iops_sec", "iotune/total_iops_sec_max")] == [
        "S1",
        "10",
        "20",
    ]
    assert text(disk, "iotune/total_iops_sec_max_length") == "5"
    assert disk.find("readonly") is not None


def test_drives_follow_the_disks_and_may_be_empty() -> None:
    media = (DomainMedium(name="cd", image=DISC), DomainMedium(name="empty", bus="SCSI", boot_order=1))
    _, full, empty = disks(make_blueprint(kernel=None, disks=("root",), media=media))
    assert [attribute(full, *place) for place in (("source", "file"), ("target", "bus"))] == ["/images/iso", "sata"]
    assert [attribute(empty, *place) for place in (("source", "file"), ("boot", "order"))] == ["", "1"]


def test_a_drive_on_arm_is_on_scsi() -> None:
    (drive,) = disks(make_blueprint(host=ARM, media=(DomainMedium(name="cd"),)))
    assert attribute(drive, "target", "bus") == "scsi"


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, ""), (PurePosixPath("/images/other"), "/images/other"), (PurePosixPath("/images/iso"), None)],
    ids=["ejected", "changed", "as it is"],
)
def test_what_is_in_a_drive_is_changed_only_if_it_differs(content: PurePosixPath | None, expected: str | None) -> None:
    (full,) = disks(make_blueprint(media=(DomainMedium(name="cd", image=DISC),)))
    document = f"<domain><devices>{render(full)}</devices></domain>"
    drive = plugged(document, "cd")
    assert drive is not None
    changed = loaded(drive, content)
    assert (
        changed if changed is None else attribute(element("all", parse(changed)), "disk/source", "file")
    ) == expected


def test_a_device_that_is_not_there_is_not_found() -> None:
    document = "<domain><devices><disk/><interface/></devices></domain>"
    assert plugged(document, "cd") is None
    assert plugged_interface(document, "lan") is None


def test_an_interface_in_flight_is_found_by_its_name() -> None:
    document = f"<domain><devices>{render(next(interfaces(make_blueprint(interfaces=('lan',)))))}</devices></domain>"
    assert plugged_interface(document, "lan") is not None


def test_bounds_that_are_lifted_are_told_as_none() -> None:
    assert set(bounds(DiskBounds()).values()) == {0}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("<domain><os><nvram/></os></domain>", True),
        ("<domain><os firmware='efi'/></domain>", True),
        ("<domain><os/></domain>", False),
        ("<domain/>", False),
    ],
)
def test_variables_of_a_firmware_are_noticed(document: str, *, expected: bool) -> None:
    assert has_variables(document) is expected


@pytest.mark.parametrize("switch", ["Enabled", "Disabled"])
def test_a_tpm_is_noticed(switch: str) -> None:
    assert has_tpm(document(make_blueprint(firmware="UEFI", tpm=switch))) is (switch == "Enabled")


def test_variables_are_made_for_one_firmware() -> None:
    kinds: tuple[dict[str, Any], ...] = ({}, {"firmware": "UEFI"}, {"firmware": "UEFI", "secure_boot": "Enabled"})
    found = [firmware(document(make_blueprint(**kind))) for kind in kinds]

    assert found == [("", ""), ("efi", "no"), ("efi", "yes")]


def test_devices_of_the_node_are_taken_from_their_drivers_and_given_back() -> None:
    guest = replace(make_blueprint(), devices=(("gpu-0", ("0000:01:00.0", "0000:01:00.1")), ("nic", ("0001:3b:02.7",))))
    tree = element("all", *hostdevices(guest))
    paths = ("managed", "type", "mode")

    assert {tuple(device.get(name) for name in paths) for device in tree} == {("yes", "pci", "subsystem")}
    assert count(buses, guest) == count(buses, make_blueprint()) + 3
    assert passed(document(guest)) == (
        ("0000:01:00.0", "gpu-0"),
        ("0000:01:00.1", "gpu-0"),
        ("0001:3b:02.7", "nic"),
    )


def test_devices_that_somebody_else_gave_a_guest_are_read_too() -> None:
    address = "<address domain='0' bus='0x1' slot='0x00' function='0x0'/>"
    foreign = f"<hostdev type='pci'><source>{address}</source><alias name='hostdev0'/></hostdev><hostdev type='usb'/>"

    assert passed(f"<domain><devices>{foreign}</devices></domain>") == (("0000:01:00.0", ""),)
    assert passed("<domain/>") == ()
