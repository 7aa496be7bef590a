"""Which devices of the node guests have: what their definitions name, whoever made them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.blueprints import UUID, make_blueprint, make_record

import libvirt
from drover.api.domain import LiveMachine
from drover.hypervisor.host import Host
from drover.state.guest import Blueprint, Record
from drover.state.hostdevice import Claim
from drover.translation.domain.document import document

GPU, SOUND = "0000:01:00.0", "0000:01:00.1"
GIVEN = (("gpu", (GPU, SOUND)),)
DEVICES = ((GPU, "gpu"), (SOUND, "gpu"))


def blueprint(record: Record | None = None) -> Blueprint:
    """A guest with a card and its companion."""
    return replace(make_blueprint(), devices=GIVEN, record=record or make_record())


@pytest.fixture
def foreign(behind: libvirt.virConnect) -> Iterator[libvirt.virDomain]:
    """A stranger's guest with the same devices: it has no record."""
    text = document(blueprint()).replace("https://drover.dev/xmlns/record/1", "https://elsewhere/")
    text = text.replace("shop.web", "foreign").replace(UUID, UUID[:-1] + "7")
    domain = behind.defineXML(text)
    yield domain
    domain.undefine()


async def test_a_guest_that_is_off_only_had_its_devices(host: Host) -> None:
    await host.define(blueprint())

    assert await host.device_claims() == (Claim(UUID, "shop/web", ours=True, holds=False, devices=DEVICES),)


async def test_a_guest_whose_start_was_begun_has_them(host: Host) -> None:
    await host.define(blueprint(make_record(live=LiveMachine(cores=1, memory_bytes=1))))

    assert [each.holds for each in await host.device_claims()] == [True]


async def test_a_strangers_guest_counts_and_one_without_devices_does_not(
    host: Host, foreign: libvirt.virDomain, uuid: str
) -> None:
    found = await host.device_claims()

    assert found == (Claim(foreign.UUIDString(), "foreign", ours=False, holds=False, devices=DEVICES),)
    assert uuid not in {each.uuid for each in found}


async def test_a_guest_whose_record_cannot_be_read_counts_as_a_strangers(
    host: Host, behind: libvirt.virConnect
) -> None:
    await host.define(blueprint())
    domain = behind.lookupByUUIDString(UUID)
    element = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    domain.setMetadata(element, "<record>?</record>", "drover", "https://drover.dev/xmlns/record/1", 2)

    assert [each.ours for each in await host.device_claims()] == [False]
