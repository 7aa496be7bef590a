"""The domain document: the table of contents of what a guest is made of."""

from collections.abc import Callable, Iterator

from drover.state.guest import Blueprint
from drover.translation.domain.boot import system
from drover.translation.domain.channel import channel
from drover.translation.domain.clock import clock
from drover.translation.domain.console import console
from drover.translation.domain.cpu import model, processors
from drover.translation.domain.disks import disks
from drover.translation.domain.graphics import audio, graphics
from drover.translation.domain.hostdevices import hostdevices
from drover.translation.domain.identity import identity
from drover.translation.domain.interfaces import interfaces
from drover.translation.domain.lifecycle import lifecycle, panic
from drover.translation.domain.memory import backing, balloon, memory
from drover.translation.domain.platform import buses, features, power_management
from drover.translation.domain.quirks import quirks
from drover.translation.domain.rng import rng
from drover.translation.domain.seed import seed
from drover.translation.domain.tpm import tpm
from drover.translation.domain.watchdog import watchdog
from drover.translation.xml import Element, element, render

Section = Callable[[Blueprint], Iterator[Element]]
"""A part of the document: given the guest, the elements that stand for it."""

SECTIONS: tuple[Section, ...] = (
    identity,
    memory,
    backing,
    processors,
    system,
    features,
    model,
    clock,
    lifecycle,
    power_management,
)
"""What the guest is, in libvirt's order."""

DEVICES: tuple[Section, ...] = (
    disks,
    seed,
    buses,
    interfaces,
    console,
    channel,
    tpm,
    graphics,
    audio,
    watchdog,
    hostdevices,
    balloon,
    rng,
    panic,
)
"""What is plugged into it."""

TYPES = {"KVM": "kvm", "TCG": "qemu"}


def document(guest: Blueprint) -> str:
    """The whole document."""
    devices = element("devices", element("emulator", guest.host.emulator), *_parts(DEVICES, guest))
    parts = (*_parts(SECTIONS, guest), devices, *quirks(guest))
    return render(element("domain", *parts, type=TYPES[guest.host.accelerator]))


def _parts(sections: tuple[Section, ...], guest: Blueprint) -> Iterator[Element]:
    return (part for section in sections for part in section(guest))
