"""What waits for a restart: Secrets that were written to since the guest was told."""

from typing import Any

import pytest
from tests.support.machines import make_domain, make_network

from drover.api.domain import DomainSpec, DomainStatus, Lack, LiveMachine, Obstacle
from drover.planning import live, netconfig, pending
from drover.planning.domain_action import AttachDisk, DetachDisk, DetachInterface, RemoveLease, ResizeDisk
from drover.planning.live import machine as live_machine
from drover.planning.pending import Rotation
from drover.state.devices import drive_bus

NEWER = Rotation({"boot": "9"})
SEED = {"hostname": "web", "userData": {"secret": {"name": "boot", "key": "user"}}, "metaData": {"inline": "a: b"}}


def ordered(**seed: Any) -> DomainSpec:
    """A Domain whose user data stands in a Secret."""
    return make_domain(seed=SEED | seed).spec


def flying(*secrets: str) -> LiveMachine:
    """The machine as it was started, of these versions of its Secrets."""
    return live_machine(ordered()).model_copy(update={"secrets": list(secrets)})


@pytest.mark.parametrize(
    ("told", "now", "expected"),
    [
        pytest.param(["boot 7"], {"boot": "7"}, None, id="the same"),
        pytest.param(["boot 7"], {}, None, id="not looked at yet"),
        pytest.param(["boot 7"], {"boot": "9"}, ("version 7", "version 9"), id="written to"),
        pytest.param(["boot 7"], {"boot": ""}, ("version 7", "which is gone"), id="deleted"),
        pytest.param([], {"boot": "9"}, ("version unknown", "version 9"), id="started while nobody could be asked"),
    ],
)
def test_a_secret_that_was_written_to_is_a_pending_change(
    told: list[str], now: dict[str, str], expected: tuple[str, str] | None
) -> None:
    found = [(each.path, each.live, each.desired) for each in pending.changes(flying(*told), ordered(), Rotation(now))]

    words = [f"Secret boot, {each}" for each in expected or ()]
    assert found == ([("spec.cloudInit.userDataSecretRef", *words)] if words else [])


def test_a_seed_that_is_another_altogether_says_it_once() -> None:
    found = pending.changes(flying("boot 7"), ordered(hostname="db"), NEWER)

    assert [each.path for each in found] == ["spec.cloudInit"]
    assert [each.path for each in pending.changes(flying(), make_domain().spec, NEWER)] == ["spec.cloudInit"]


def test_what_was_said_of_a_secret_stands_until_it_is_looked_at_again() -> None:
    said = pending.changes(flying("boot 7"), ordered(), NEWER)

    assert pending.changes(flying("boot 7"), ordered(), Rotation(told=said)) == said
    assert pending.changes(flying("boot 9"), ordered(), Rotation(told=said)) == []


def test_an_interface_more_is_no_news_of_the_seed() -> None:
    lan, wan = LAN | {"ip": "10.20.0.2"}, WAN | {"ip": "10.20.0.3"}
    networks = {"n": make_network()}
    specs = [make_domain(seed=SEED, interfaces=each).spec for each in ([lan], [lan, wan])]
    before, after = (
        spec.model_copy(update={"seed": netconfig.told(spec.seed, spec.interfaces, networks)}) for spec in specs
    )
    present = live_machine(before).model_copy(update={"secrets": ["boot 7"]})

    assert [(each.path, each.effect) for each in pending.changes(present, after)] == [("spec.interfaces[wan]", "Live")]
    assert [each.path for each in pending.changes(present, after, NEWER)][1:] == ["spec.cloudInit.userDataSecretRef"]


# --- hardware ---------------------------------------------------------------------------------------------------------

MACHINE = {"cores": 2, "memoryBytes": 1 << 30}


def hardware(**changes: Any) -> dict[str, Any]:
    return {"machine": MACHINE | changes}


ROOT = {"name": "root", "volume": "web.root", "volumeUid": "u1", "pool": "p", "sizeBytes": 1 << 30}
DATA = {"name": "data", "volume": "web.data", "volumeUid": "u2", "pool": "p", "sizeBytes": 1 << 30}
SCSI = DATA | {"hardware": {"bus": "SCSI"}}
SATA = DATA | {"hardware": {"bus": "SATA"}}
LAN = {"name": "lan", "network": "n", "mac": "02:00:00:00:00:01"}
WAN = {"name": "wan", "network": "n", "mac": "02:00:00:00:00:02"}
CD: dict[str, Any] = {"name": "cd", "bus": "SCSI"}
SLOW = {"hardware": {"limits": {"iops": 1}}}
ROOMY = hardware(maxMemoryBytes=1 << 31)
DISC = {"image": {"image": "shop/disc", "source": {"url": "http://x/disc"}}}
IMAGE = {"image": {"image": "shop/debian", "source": {"url": "http://x/debian"}}}


def found(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Differences of a machine that was started as `before` and is to be as `after`: path, effect and steps."""
    present = live_machine(make_domain(**before).spec)
    return [
        (each.path, each.effect, [type(step).__name__ for step in each.steps])
        for each in pending.differences(present, make_domain(**after).spec)
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(hardware(maxCores=4), hardware(cores=3, maxCores=4), ["Live", "SetCores"], id="more-cores"),
        pytest.param(hardware(maxCores=4), hardware(cores=1, maxCores=4), ["Restart"], id="fewer-cores"),
        pytest.param(hardware(), hardware(cores=4), ["Restart"], id="cores-above-the-ceiling"),
        pytest.param(hardware(maxCores=4), hardware(maxCores=8), ["Restart"], id="another-ceiling"),
        pytest.param(hardware(), hardware(memoryBytes=1 << 29), ["Live", "SetMemory"], id="less-memory"),
        pytest.param(
            hardware(maxMemoryBytes=1 << 31),
            hardware(memoryBytes=1 << 31, maxMemoryBytes=1 << 31),
            ["Live", "SetMemory"],
            id="more-memory",
        ),
        pytest.param(hardware(), hardware(memoryBytes=1 << 31), ["Restart"], id="memory-above-the-ceiling"),
        pytest.param(hardware(), hardware(maxMemoryBytes=1 << 31), ["Restart"], id="a-higher-ceiling"),
        pytest.param(
            hardware(hugepages="2Mi"), hardware(hugepages="2Mi", memoryBytes=1 << 29), ["Restart"], id="huge-pages-stay"
        ),
        pytest.param(hardware(), hardware(firmware="UEFI", tpm="Enabled"), ["Restart"], id="firmware"),
        pytest.param(hardware(graphics="Headless"), hardware(), ["Restart"], id="screen"),
        pytest.param(
            {"disks": [ROOT]},
            {"disks": [ROOT, DATA]},
            ["Live", "EnsurePool", "EnsureVolume"],
            id="a-disk-more",
        ),
        pytest.param(
            {},
            {"disks": [DATA | IMAGE]},
            ["Live", "EnsurePool", "FetchImages", "EnsureVolume"],
            id="a-disk-of-an-image",
        ),
        pytest.param(
            {},
            {"disks": [DATA | {"key": {"name": "vault-key", "key": "passphrase"}}]},
            ["Live", "EnsurePool", "EnsureVolume", "OpenVolume"],
            id="an-encrypted-disk",
        ),
        pytest.param({"disks": [ROOT, DATA]}, {"disks": [ROOT]}, ["Live"], id="a-disk-less"),
        pytest.param({"disks": [ROOT]}, {"disks": [ROOT, SATA]}, ["Restart"], id="a-disk-on-sata"),
        pytest.param({"disks": [ROOT, SATA]}, {"disks": [ROOT]}, ["Restart"], id="a-disk-off-sata"),
        pytest.param({}, {"disks": [SCSI]}, ["Restart"], id="no-scsi-yet"),
        pytest.param(
            {"media": [CD]},
            {"media": [CD], "disks": [SCSI]},
            ["Live", "EnsurePool", "EnsureVolume"],
            id="scsi",
        ),
        pytest.param(
            {"disks": [ROOT]}, {"disks": [ROOT | {"sizeBytes": 2 << 30}]}, ["Live", "ResizeDisk"], id="a-larger-disk"
        ),
        pytest.param(
            {"disks": [ROOT]},
            {"disks": [ROOT | SLOW]},
            ["Live", "LimitDisk"],
            id="limits",
        ),
        pytest.param({"disks": [DATA]}, {"disks": [SCSI]}, ["Restart"], id="another-bus"),
        pytest.param({"disks": [ROOT]}, {"disks": [ROOT | {"volume": "other"}]}, ["Restart"], id="another-volume"),
        pytest.param({"media": [CD]}, {"media": [CD | DISC]}, ["Live", "FetchImages", "SetMedium"], id="insert"),
        pytest.param({"media": [CD | DISC]}, {"media": [CD]}, ["Live", "SetMedium"], id="eject"),
        pytest.param({"media": [CD]}, {}, ["Restart"], id="a-drive-less"),
        pytest.param({}, {"media": [CD]}, ["Restart"], id="a-drive-more"),
        pytest.param({"media": [CD]}, {"media": [CD | {"serial": "x"}]}, ["Restart"], id="another-drive"),
        pytest.param(
            {},
            {"interfaces": [LAN]},
            ["Live", "EnsureNetwork"],
            id="an-interface-more",
        ),
        pytest.param({"interfaces": [LAN, WAN]}, {"interfaces": [WAN]}, ["Live"], id="less"),
        pytest.param({"interfaces": [LAN]}, {"interfaces": [LAN | {"network": "m"}]}, ["Restart"], id="elsewhere"),
        pytest.param({"disks": [ROOT]}, {"disks": [ROOT]}, [], id="nothing"),
    ],
)
def test_each_difference_says_when_it_applies_and_how(
    before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    assert [[effect, *steps] for _, effect, steps in found(before, after)] == ([expected] if expected else [])


def test_a_board_without_a_free_slot_takes_devices_only_at_a_restart() -> None:
    more = [DATA | {"name": f"d{index}", "volume": f"web.d{index}"} for index in range(5)]
    present = live_machine(make_domain().spec).model_copy(update={"ports": 0})
    told = list(pending.differences(present, make_domain(disks=more, interfaces=[LAN]).spec))

    assert {each.effect for each in told} == {"Restart"}
    assert "all 0 slots of its board are taken" in told[0].reason


def test_when_the_steps_are_done_nothing_is_left() -> None:
    before = make_domain(disks=[ROOT, DATA], interfaces=[LAN], media=[CD], machine=MACHINE | {"maxCores": 4}).spec
    wanted: dict[str, Any] = {"disks": [DATA | {"sizeBytes": 2 << 30}], "interfaces": [WAN], "media": [CD | DISC]}
    after = make_domain(machine={"cores": 3, "memoryBytes": 1 << 29, "maxCores": 4}, **wanted).spec
    present, rounds = live_machine(before), 0
    while (step := next(pending.live_changes(present, after), None)) is not None and step.after is not None:
        present, rounds = step.after, rounds + 1

    assert (rounds, list(pending.differences(present, after))) == (10, [])
    assert list(pending.live_changes(None, after)) == []


def test_live_changes_are_told_apart_from_those_that_wait() -> None:
    present = live_machine(make_domain(machine=MACHINE | {"maxCores": 4}).spec)
    lively = pending.changes(present, make_domain(machine=MACHINE | {"cores": 4, "maxCores": 4}).spec)
    both = pending.changes(present, make_domain(machine=MACHINE | {"cores": 4, "maxCores": 4, "firmware": "UEFI"}).spec)

    assert pending.synced(lively).reason == "Changing"
    assert pending.synced(both).reason == "RestartRequired"
    assert "spec.firmware is none, UEFI after a restart" in pending.synced(both).message


def test_what_the_node_lacks_is_said_to_be_impossible() -> None:
    lacks = [Lack(path="spec.cpu.model", message="this node has no processor Z80"), Lack(path="x", message="y")]
    wanted = make_domain(machine=MACHINE | {"cpuModel": "Z80", "graphics": "SPICE"}).spec
    told = pending.changes(live_machine(make_domain(machine=MACHINE).spec), wanted, told=DomainStatus(lacking=lacks))

    assert [(each.path, each.effect) for each in told] == [
        ("spec.cpu.model", "Impossible"),
        ("spec.graphics", "Restart"),
    ]
    assert pending.synced(told).reason == "Impossible"
    assert "Z80 not on this node (this node has no processor Z80)" in pending.synced(told).message


def test_what_is_in_the_way_of_a_live_change_is_said_with_it() -> None:
    obstacles = [Obstacle(path=path, message="QEMU says no") for path in ("spec.disks[data]", "spec.firmware", "gone")]
    wanted = make_domain(disks=[ROOT, DATA], machine=MACHINE | {"firmware": "UEFI"}).spec
    told = pending.changes(
        live_machine(make_domain(disks=[ROOT], machine=MACHINE).spec), wanted, told=DomainStatus(obstacles=obstacles)
    )

    assert [(each.path, each.effect, each.reason) for each in told] == [
        ("spec.firmware", "Restart", ""),
        ("spec.disks[data]", "Live", "QEMU says no"),
    ]
    assert "is being changed (QEMU says no)" in pending.synced(told[1:]).message


@pytest.mark.parametrize(
    ("before", "after"),
    [pytest.param("old", "new", id="another"), pytest.param("old", None, id="none"), pytest.param(None, "new", id="a")],
)
def test_what_another_plugin_or_revision_of_it_brings_waits_for_a_restart(
    before: str | None, after: str | None
) -> None:
    plugins = ({"name": "library/nginx", "revision": each} if each else None for each in (before, after))
    present, spec = (
        live_machine(make_domain(plugin=next(plugins)).spec),
        make_domain(disks=[DATA], plugin=next(plugins)).spec,
    )

    assert [each.effect for each in pending.changes(present, spec)] == ["Restart", "Restart"]
    assert list(pending.live_changes(present, spec)) == []


def test_what_is_half_out_is_taken_out_whole_before_it_comes_back() -> None:
    changing = {"spec.disks[data]": live.UNPLUGGING, "spec.interfaces[lan]": live.UNPLUGGING}
    spec = make_domain(disks=[DATA], interfaces=[LAN]).spec
    leaving = live_machine(spec).model_copy(update={"changing": changing})
    found = [each.steps for each in pending.differences(leaving, spec)]

    gone = DetachInterface("lan", "n", str(LAN["mac"]))
    assert found == [(DetachDisk("data"),), (gone, RemoveLease(gone.interface))]


@pytest.mark.parametrize(
    ("disks", "interfaces", "expected"),
    [
        pytest.param([DATA], [LAN], [["EnsurePool", "AttachDisk"], ["EnsureNetwork", "WriteLease"]], id="still-wanted"),
        pytest.param([SCSI], [WAN | {"name": "lan"}], [[], []], id="others-of-the-name"),
        pytest.param([], [], [[], []], id="not-wanted-any-more"),
    ],
)
def test_what_was_begun_is_ended_though_all_else_waits_for_a_restart(
    disks: list[Any], interfaces: list[Any], expected: list[list[str]]
) -> None:
    changing = {"spec.disks[data]": live.PLUGGING, "spec.interfaces[lan]": live.PLUGGING}
    begun = live_machine(make_domain(disks=[DATA], interfaces=[LAN]).spec).model_copy(update={"changing": changing})
    plugin = {"name": "library/nginx", "revision": "new"}
    spec = make_domain(disks=disks, interfaces=interfaces, plugin=plugin, machine=MACHINE | {"maxCores": 9}).spec

    found = [each for each in pending.differences(begun, spec) if each.begun]
    assert [[type(step).__name__ for step in each.steps[:2]] for each in found] == expected
    assert list(pending.live_changes(begun, spec)) == found
    assert [each.effect for each in pending.changes(begun, spec) if each.path in changing] == ["Live", "Live"]


def test_a_disk_that_an_earlier_release_plugged_in_grows_at_once() -> None:
    present = live_machine(make_domain().spec).model_copy(update={"disks": ["root web.root 1073741824"]})
    grown = make_domain(disks=[ROOT | {"sizeBytes": 2 << 30}]).spec

    assert [(each.effect, each.steps) for each in pending.differences(present, grown)] == [
        ("Live", (ResizeDisk(grown.disks[0]),))
    ]
    assert list(pending.differences(present, make_domain(disks=[ROOT]).spec)) == []


@pytest.mark.parametrize(("architecture", "effects"), [("aarch64", ["Live"]), ("x86_64", ["Restart"])])
def test_a_drive_may_have_brought_the_bus_that_a_disk_is_plugged_into(architecture: str, effects: list[str]) -> None:
    plain, empty = {"name": "cd"}, {"name": "dvd", "bus": "SATA"}
    started = live_machine(make_domain(media=[plain, empty]).spec)
    present = live.placed(started, drive_bus(architecture))
    after = make_domain(media=[plain, empty], disks=[SCSI]).spec

    assert [each.effect for each in pending.differences(present, after)] == effects
    assert live.placed(present, "SCSI") == present
    (changed,) = pending.differences(present, make_domain(media=[plain | DISC, empty]).spec)
    assert changed.after is not None
    assert changed.after.media[0].split()[2:] == [f"on={drive_bus(architecture)}", "image=shop/disc"]
    assert changed.present == "empty"


def test_a_disk_that_is_plugged_in_takes_no_name_of_a_drive() -> None:
    scsi = [ROOT, DATA | {"hardware": {"bus": "SCSI"}}]
    present = live_machine(make_domain(disks=scsi, media=[{"name": "cd"}]).spec)
    added = {"name": "more", "volume": "web.more", "volumeUid": "m", "pool": "default", "hardware": {"bus": "SCSI"}}
    after = make_domain(disks=[*scsi, added], media=[{"name": "cd"}]).spec

    assert [each.device for each in live.media(present).values()] == ["sdb"]
    (found,) = pending.differences(present, after)
    assert found.after is not None
    (plugged,) = pending.differences(found.after, after)
    assert plugged.steps[-1] == AttachDisk(after.disks[-1], "sdc")


# --- devices ---------------------------------------------------------------------------------------------------------

GPU = {"name": "gpu", "resource": "nvidia.com/GA102"}
NIC = {"name": "nic", "resource": "intel.com/VF"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([GPU], [GPU], [], id="the same"),
        pytest.param([], [GPU], [("spec.devices[gpu]", "none", GPU["resource"])], id="added"),
        pytest.param([GPU, NIC], [GPU], [("spec.devices[nic]", NIC["resource"], "none")], id="removed"),
        pytest.param(
            [GPU],
            [GPU | NIC | {"name": "gpu"}],
            [("spec.devices[gpu]", GPU["resource"], NIC["resource"])],
            id="another",
        ),
    ],
)
def test_devices_change_by_a_restart(before: list[Any], after: list[Any], expected: list[Any]) -> None:
    plain = {"cores": 1, "memoryBytes": 1 << 29}
    present = live_machine(make_domain(machine=plain | {"devices": before}).spec)
    found = pending.changes(present, make_domain(machine=plain | {"devices": after}).spec)

    assert [(each.path, each.live, each.desired) for each in found] == expected
    assert {each.effect for each in found} <= {"Restart"}


def test_with_devices_memory_changes_by_a_restart() -> None:
    plain = {"cores": 1, "memoryBytes": 1 << 29, "devices": [GPU]}
    present = live_machine(make_domain(machine=plain).spec)
    found = pending.changes(present, make_domain(machine=plain | {"memoryBytes": 1 << 28}).spec)

    assert [(each.path, each.effect) for each in found] == [("spec.memory.size", "Restart")]
