"""What a guest in flight was given, told in short texts and read back."""

from typing import Any

import pytest

from drover.api.domain import DomainDisk, DomainMedium, LiveMachine
from drover.planning import live
from drover.planning.hostdevice import Assigned

PLAIN = {"name": "root", "volume": "web.root", "volumeUid": "u", "pool": "p"}
BOUND = {"limits": {"iops": 5}, "bus": "SCSI", "cache": "Unsafe", "serial": "s", "bootOrder": 2}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({}, "root web.root dev=vda", id="plain"),
        pytest.param({"sizeBytes": 1024}, "root web.root 1024 dev=vda", id="size"),
        pytest.param(
            {"hardware": BOUND}, "root web.root dev=vda bus=SCSI cache=Unsafe serial=s order=2 iops=5", id="plugged-in"
        ),
        pytest.param(
            {"hardware": {"readOnly": "Enabled", "ephemeral": "Enabled"}},
            "root web.root dev=vda readOnly=Enabled ephemeral=Enabled",
            id="switches",
        ),
    ],
)
def test_a_disk_is_told_in_words_and_read_back(changes: dict[str, Any], text: str) -> None:
    told = live.disk_text(DomainDisk.model_validate(PLAIN | changes), "vda")
    found = live.read_disk(told)
    assert told == text
    assert (found.name, found.volume, found.device, found.size) == ("root", "web.root", "vda", changes.get("sizeBytes"))


def test_bounds_may_change_and_the_rest_may_not() -> None:
    found = live.read_disk("root web.root 1048576 dev=sda bus=SCSI iops=5")
    assert (found.bounds, found.fixed, found.bus) == ({"iops": "5"}, {"bus": "SCSI"}, "SCSI")
    assert found.shown == "web.root 1Mi bus=SCSI iops=5"


def test_a_drive_is_told_in_words_and_read_back() -> None:
    image = {"image": "shop/disc", "source": {"url": "http://x/d"}}
    told = live.medium_text(DomainMedium.model_validate({"name": "cd", "bus": "SATA", "image": image}), "sda")
    assert told == "cd dev=sda bus=SATA image=shop/disc"
    assert live.read_medium("cd").shown == "empty"
    assert live.media(LiveMachine(cores=1, memory_bytes=1, media=[told]))["cd"].options["image"] == "shop/disc"


def test_devices_are_told_with_what_a_guest_got_for_them() -> None:
    asked = LiveMachine(cores=1, memory_bytes=1, devices=["gpu nvidia.com/GA102"])
    told = live.given(asked, [Assigned("gpu", "nvidia.com/GA102", ("0000:01:00.0", "0000:01:00.1"))])
    assert told.devices == ["gpu nvidia.com/GA102 0000:01:00.0,0000:01:00.1"]
    assert live.resources(told) == live.resources(asked) == {"gpu": "nvidia.com/GA102"}
    assert live.members(told) == (("gpu", ("0000:01:00.0", "0000:01:00.1")),)
    assert (live.members(asked), live.members(None)) == ((("gpu", ()),), ())


def test_what_an_earlier_release_wrote_is_understood() -> None:
    old = LiveMachine(cores=1, memory_bytes=1, disks=["root web.root 1024", "bare"])
    found = live.disks(old)
    assert (found["root"].volume, found["root"].size, found["root"].device, found["bare"].volume) == (
        "web.root",
        1024,
        "",
        "",
    )
    assert list(live.volumes(old)) == ["web.root", ""]
    assert list(live.volumes(None)) == []


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("a", None, ["b 2"]), ("a", "a 3", ["a 3", "b 2"]), ("c", "c 4", ["a 1", "b 2", "c 4"])],
    ids=["taken away", "changed", "added"],
)
def test_one_of_several_is_replaced(name: str, text: str | None, expected: list[str]) -> None:
    assert live.replaced(["a 1", "b 2"], name, text) == expected
