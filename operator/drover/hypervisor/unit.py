"""Verbs on the LUNs of a target; blocking, see `domain`. They are neither made nor deleted here."""

import libvirt
from drover.errors import Busy
from drover.hypervisor.errors import found, host_trouble
from drover.hypervisor.pool import active
from drover.state.guest import Unit
from drover.state.host import VolumeFile
from drover.translation import volume as translation

OPEN_SECONDS = 5.0
"""How soon to look again whether a LUN is still open."""


def look(connection: libvirt.virConnect, pool: str, lun: int) -> VolumeFile | None:
    """Look a LUN up; one without any bytes is no disk but the target's controller."""
    known = _known(active(connection, pool), lun)
    if known is None:
        return None
    _, capacity, allocation = known.info()
    return VolumeFile(known.path(), capacity, allocation) if capacity else None


def wipe(connection: libvirt.virConnect, pool: str, place: Unit) -> None:
    """Write zeros over a LUN; `Busy` while a guest of this node has it."""
    known = _known(active(connection, pool), place.lun)
    if known is None:
        return
    source = f"name='{translation.unit_of(place)}'"
    for guest in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        if source in (found(guest.XMLDesc) or ""):
            raise Busy(f"a guest has LUN {place.lun}", reason="VolumeOpen", delay=OPEN_SECONDS)
    known.wipe()


def _known(storage: libvirt.virStoragePool, lun: int) -> libvirt.virStorageVol | None:
    """Find a LUN; the target is asked anew before one is said to be missing."""
    name = translation.unit(lun)
    known = found(storage.storageVolLookupByName, name)
    if known is None:
        with host_trouble("PoolUnreadable"):
            storage.refresh()
        known = found(storage.storageVolLookupByName, name)
    return known
