"""Verbs on guests: what they do, and that doing them twice is doing them once."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.libvirt.conftest import URI
from tests.support.blueprints import UUID, make_blueprint, make_record

import libvirt
from drover.errors import NotReady, Refused, Unavailable
from drover.hypervisor import domain as guests
from drover.hypervisor import host_guest
from drover.hypervisor.host import Host, HostOptions
from drover.state.guest import GuestEvent
from drover.translation import record as records

DEADLINE = 10.0
MANY = 1000
SECONDS_FOR_MANY = 3.0


async def state(host: Host, uuid: str) -> str:
    guest = await host.guest(uuid)
    return "none" if guest is None else guest.state


async def test_an_unknown_guest_is_none(host: Host) -> None:
    assert await host.guest(UUID) is None


async def test_a_defined_guest_is_off_and_carries_its_record(host: Host, uuid: str) -> None:
    guest = await host.guest(uuid)

    assert guest is not None
    assert (guest.name, guest.state, guest.persistent) == ("shop.web", "Off", True)
    assert guest.record == make_record()


async def test_a_guest_without_our_record_does_not_exist_for_us(host: Host, behind: libvirt.virConnect) -> None:
    foreign = behind.lookupByName("test")
    for verb in (host.destroy, host.undefine, host.suspend, host.shutdown, host.start):
        await verb(foreign.UUIDString())

    assert await host.guest(foreign.UUIDString()) is None
    assert await host.guests() == ()
    assert foreign.state()[0] == libvirt.VIR_DOMAIN_RUNNING


@pytest.mark.parametrize(
    ("verbs", "expected"),
    [
        pytest.param(["start"], "Running", id="start"),
        pytest.param(["start", "start"], "Running", id="start-twice"),
        pytest.param(["start", "suspend"], "Paused", id="suspend"),
        pytest.param(["start", "suspend", "suspend"], "Paused", id="suspend-twice"),
        pytest.param(["suspend"], "Off", id="suspend-what-is-off"),
        pytest.param(["start", "suspend", "resume"], "Running", id="resume"),
        pytest.param(["start", "resume"], "Running", id="resume-what-runs"),
        pytest.param(["start", "destroy"], "Off", id="destroy"),
        pytest.param(["destroy"], "Off", id="destroy-what-is-off"),
        pytest.param(["shutdown"], "Off", id="shutdown-what-is-off"),
        pytest.param(["start", "hibernate"], "Off", id="hibernate"),
        pytest.param(["hibernate"], "Off", id="hibernate-what-is-off"),
        pytest.param(["undefine"], "none", id="undefine"),
        pytest.param(["undefine", "undefine", "start", "destroy"], "none", id="undefine-twice"),
        pytest.param(["start", "hibernate", "undefine"], "none", id="undefine-with-saved-memory"),
    ],
)
async def test_verbs_lead_to_a_state(host: Host, uuid: str, verbs: list[str], expected: str) -> None:
    for verb in verbs:
        await getattr(host, verb)(uuid)

    assert await state(host, uuid) == expected


async def test_saved_memory_is_told_and_can_be_thrown_away(host: Host, uuid: str) -> None:
    await host.start(uuid)
    await host.hibernate(uuid)
    saved = await host.guest(uuid)
    await host.discard_save(uuid)
    discarded = await host.guest(uuid)

    assert saved is not None
    assert discarded is not None
    assert (saved.has_managed_save, discarded.has_managed_save) == (True, False)


@pytest.mark.parametrize("verbs", [[], ["start"]], ids=["off", "running"])
async def test_a_record_is_replaced(host: Host, uuid: str, verbs: list[str]) -> None:
    for verb in verbs:
        await getattr(host, verb)(uuid)
    await host.write_record(uuid, make_record(restarts=7))
    guest = await host.guest(uuid)

    assert guest is not None
    assert guest.record.restarts == 7


async def test_the_record_of_an_unknown_guest_is_not_written(host: Host) -> None:
    await host.write_record(UUID, make_record())

    assert await host.guests() == ()


async def test_a_guest_undefined_behind_our_back_still_tells_its_record(
    host: Host, uuid: str, behind: libvirt.virConnect
) -> None:
    await host.start(uuid)
    await host.write_record(uuid, make_record(restarts=3))
    behind.lookupByUUIDString(uuid).undefine()
    guest = await host.guest(uuid)

    assert guest is not None
    assert (guest.persistent, guest.state, guest.record.restarts) == (False, "Running", 3)


async def test_defining_again_changes_the_record_and_keeps_the_guest_running(host: Host, uuid: str) -> None:
    await host.start(uuid)
    await host.define(replace(make_blueprint(), record=make_record(epoch=2)))
    guest = await host.guest(uuid)

    assert guest is not None
    assert (guest.state, guest.record.epoch) == ("Running", 2)


async def test_events_arrive_in_the_loop(host: Host) -> None:
    arrived: asyncio.Queue[GuestEvent] = asyncio.Queue()
    host.subscribe(arrived.put_nowait)
    await host.launch(make_blueprint())
    await host.destroy(UUID)
    async with asyncio.timeout(DEADLINE):
        kinds = [(await arrived.get()).kind for _ in range(3)]

    assert kinds == ["Defined", "Started", "Stopped"]


async def test_counters_are_told_of_running_guests_that_were_asked_for(host: Host, uuid: str) -> None:
    off = await host.samples([uuid])
    await host.start(uuid)

    assert off == ()
    assert [sample.uuid for sample in await host.samples([uuid])] == [uuid]
    assert await host.samples([]) == ()


async def test_the_serial_log_goes_with_the_guest(host: Host, uuid: str) -> None:
    host.logs.path(uuid).write_bytes(b"hello")
    await host.trim_logs()
    said = host.logs.path(uuid).read_bytes()
    await host.undefine(uuid)

    assert (said, host.logs.path(uuid).exists()) == (b"hello", False)


async def test_a_connection_is_told_when_it_comes_and_goes(tmp_path: Path) -> None:
    told: list[bool] = []
    async with Host(HostOptions(URI, tmp_path, boot_id="b", starts=1)) as host:
        host.watch_connection(told.append)
        await host.wait_connected()

    assert told == [True, False]


async def test_a_guest_agent_that_is_not_there_does_not_answer(host: Host, uuid: str) -> None:
    await host.start(uuid)

    assert await host.ping_guest(uuid) is False


async def test_a_thousand_guests_are_listed_quickly(host: Host) -> None:
    uuids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(MANY)]
    for number, uuid in enumerate(uuids):
        blueprint = make_blueprint(uuid=uuid)
        machine = blueprint.spec.virtual_machine.model_copy(update={"name": f"web-{number}"})
        spec = blueprint.spec.model_copy(update={"virtual_machine": machine})
        await host.define(replace(blueprint, spec=spec))
    async with asyncio.timeout(SECONDS_FOR_MANY):
        found = await host.guests()

    assert sorted(guest.uuid for guest in found) == uuids


async def test_nothing_is_asked_of_a_libvirt_that_is_not_there(tmp_path: Path) -> None:
    async with Host(HostOptions("nowhere:///", tmp_path, boot_id="b", starts=1)) as host:
        with pytest.raises(Unavailable) as caught:
            await host.guests()

        assert not host.connected
        assert caught.value.reason == "LibvirtUnavailable"
        assert await host.ping_guest(UUID) is False


@pytest.fixture
def unreadable(uuid: str, behind: libvirt.virConnect) -> str:
    """A guest whose record another version wrote."""
    config, element = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_METADATA_ELEMENT
    domain = behind.lookupByUUIDString(uuid)
    domain.setMetadata(element, "<record>{}</record>", records.PREFIX, records.NAMESPACE, config)
    return uuid


@pytest.mark.parametrize("verb", ["guest", "start", "destroy", "undefine", "shutdown", "hibernate"])
async def test_a_guest_whose_record_cannot_be_read_is_not_taken_for_a_strangers(
    host: Host, unreadable: str, verb: str
) -> None:
    with pytest.raises(Refused) as caught:
        await getattr(host, verb)(unreadable)

    assert caught.value.reason == "RecordUnreadable"


async def test_a_record_that_cannot_be_read_does_not_hide_the_other_guests(host: Host, unreadable: str) -> None:
    assert unreadable not in {guest.uuid for guest in await host.guests()}


async def test_a_strangers_guest_keeps_its_name(host: Host, behind: libvirt.virConnect) -> None:
    behind.defineXML("<domain type='test'><name>shop.web</name><memory>1024</memory><os><type>hvm</type></os></domain>")
    with pytest.raises(NotReady) as caught:
        await host.launch(make_blueprint())

    assert caught.value.reason == "NameTaken"
    assert await host.guest(UUID) is None


async def test_a_guest_is_asked_by_acpi_when_its_agent_is_not_heard(
    host: Host, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    silence = threading.Event()
    monkeypatch.setattr(host_guest, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(guests, "agent_shutdown", lambda _connection, _uuid: silence.wait(DEADLINE))
    monkeypatch.setattr(guests, "shutdown", lambda _connection, uuid: asked.append(uuid))
    await host.shutdown(uuid)
    silence.set()

    assert asked == [uuid]


def broken(_news: object) -> None:
    """Fail as nobody foresaw."""
    raise RuntimeError


async def test_a_connection_is_tried_again_after_what_nobody_foresaw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, tried = libvirt.open, asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail_once(uri: str) -> libvirt.virConnect:
        monkeypatch.setattr(libvirt, "open", really)
        loop.call_soon_threadsafe(tried.set)
        raise OSError(uri)

    monkeypatch.setattr(libvirt, "open", fail_once)
    async with asyncio.timeout(DEADLINE), Host(HostOptions(URI, tmp_path, boot_id="b", starts=1)) as host:
        await tried.wait()
        await host.wait_connected()


async def test_a_listener_that_fails_stops_neither_the_others_nor_the_connection(tmp_path: Path) -> None:
    told: list[bool] = []
    async with Host(HostOptions(URI, tmp_path, boot_id="b", starts=1)) as host:
        host.watch_connection(broken)
        host.watch_connection(told.append)
        await host.wait_connected()

    assert told == [True, False]


@pytest.mark.parametrize("verb", ["hibernate", "destroy"])
async def test_guests_that_hang_leave_threads_to_the_others(
    host: Host, uuid: str, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(guests, verb, lambda _connection, _uuid: hanging.wait(DEADLINE))
    async with asyncio.timeout(DEADLINE / 2), asyncio.TaskGroup() as group:
        for _ in range(32):
            group.create_task(getattr(host, verb)(uuid))
        guest = await host.guest(uuid)
        hanging.set()

    assert guest is not None
