"""Verbs on guests. Each takes the connection first, blocks, and may raise libvirt's errors: `Connection.call` converts.

The record that counts is the persistent one; the running guest's copy is for the case that somebody undefines it.
"""

import json
import logging

import libvirt_qemu

import libvirt
from drover.api.interface import LinkState
from drover.errors import NotReady, Refused
from drover.hypervisor.errors import found, host_trouble
from drover.hypervisor.states import observed
from drover.planning import names
from drover.state.guest import Blueprint, Guest, Record
from drover.translation import record as records
from drover.translation.domain.boot import firmware, has_variables
from drover.translation.domain.document import document
from drover.translation.domain.interfaces import relinked
from drover.translation.domain.tpm import has_tpm

LOG = logging.getLogger(__name__)
AGENT_SECONDS = 2
"""How long a guest agent may take to answer a shutdown request."""
SAVING_SECONDS = 0.5
"""How soon to look again whether a save that was given up has ended."""
_CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_METADATA = libvirt.VIR_DOMAIN_METADATA_ELEMENT


def guests(connection: libvirt.virConnect) -> tuple[Guest, ...]:
    """List all guests of ours; one that vanishes meanwhile, or whose record cannot be read, is left out."""
    seen = (found(_listed, domain) for domain in connection.listAllDomains())
    return tuple(guest for guest in seen if guest is not None)


def _listed(domain: libvirt.virDomain) -> Guest | None:
    """Read one of many: that it cannot be read must not hide the others."""
    try:
        return _read(domain)
    except Refused as error:
        LOG.warning("guest cannot be listed", extra={"uuid": domain.UUIDString(), "error": str(error)})
        return None


def guest(connection: libvirt.virConnect, uuid: str) -> Guest | None:
    """Look one guest up."""
    domain = _lookup(connection, uuid)
    return None if domain is None else found(_read, domain)


def _lookup(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain | None:
    return found(connection.lookupByUUIDString, uuid)


def ours(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain | None:
    """Look a guest up in order to act on it: one without our record is as good as absent."""
    domain = _lookup(connection, uuid)
    return domain if domain is not None and _record(domain, persistent=bool(domain.isPersistent())) else None


def _read(domain: libvirt.virDomain) -> Guest | None:
    persistent = bool(domain.isPersistent())
    record = _record(domain, persistent=persistent)
    if record is None:
        return None
    state, reason = observed(*domain.state())
    return Guest(
        uuid=domain.UUIDString(),
        name=domain.name(),
        state=state,
        reason=reason,
        persistent=persistent,
        has_managed_save=persistent and bool(domain.hasManagedSaveImage()),
        record=record,
    )


def _record(domain: libvirt.virDomain, *, persistent: bool) -> Record | None:
    """Read our record; None when there is none, which makes the guest a stranger's."""
    text = found(domain.metadata, _METADATA, records.NAMESPACE, _CONFIG if persistent else _LIVE)
    if text is None:
        return None
    record = records.from_text(text)
    if record is None:
        # To take it for a stranger's would let go of its disks while it runs.
        raise Refused(f"the record of guest {domain.name()} cannot be read", reason="RecordUnreadable")
    return record


def define(connection: libvirt.virConnect, blueprint: Blueprint) -> None:
    """Make libvirt know the guest; `NotReady` while another guest, which may be a stranger's, has its name."""
    uuid, name = blueprint.spec.uuid, names.libvirt(blueprint.namespace, blueprint.spec.virtual_machine.name)
    other = found(connection.lookupByName, name)
    if other is not None and other.UUIDString() != uuid:
        raise NotReady(f"another guest of the node is called {name}: {other.UUIDString()}", reason="NameTaken")
    text, known = document(blueprint), ours(connection, uuid)
    if known is not None and known.isPersistent() and not (known.isActive() or known.hasManagedSaveImage()):
        _drop_kept(known, text)
    connection.defineXML(text)


def _drop_kept(domain: libvirt.virDomain, wanted: str) -> None:
    """Leave no variables to another firmware, and no content of a TPM that is taken away.

    Variables made without keys would have secure boot let everything start. A TPM that is not in the definition any
    more is one whose content libvirt never deletes.
    """
    present = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    other = has_variables(present) and firmware(present) != firmware(wanted)
    taken = has_tpm(present) and not has_tpm(wanted)
    if other or taken:
        variables = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if other else libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
        content = libvirt.VIR_DOMAIN_UNDEFINE_TPM if taken else libvirt.VIR_DOMAIN_UNDEFINE_KEEP_TPM
        domain.undefineFlags(variables | content)


def start(connection: libvirt.virConnect, uuid: str, *, paused: bool) -> None:
    """Boot or restore."""
    domain = ours(connection, uuid)
    if domain is None or domain.isActive():
        return
    flags = libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
    if domain.hasManagedSaveImage():
        _restore(domain, flags)
    else:
        _boot(domain, flags)


def launch(connection: libvirt.virConnect, blueprint: Blueprint, *, paused: bool) -> None:
    """Define and start."""
    define(connection, blueprint)
    start(connection, blueprint.spec.uuid, paused=paused)


def _boot(domain: libvirt.virDomain, flags: int) -> None:
    with host_trouble("StartFailed"):
        try:
            domain.createWithFlags(flags)
        except libvirt.libvirtError:
            # Somebody else may have started it between our look and our call.
            if not domain.isActive():
                raise


def _restore(domain: libvirt.virDomain, flags: int) -> None:
    """Restore, and never boot instead: libvirt would silently boot from an image that was cut short."""
    try:
        domain.managedSaveGetXMLDesc(0)
        domain.createWithFlags(flags)
    except libvirt.libvirtError as error:
        if domain.isActive():
            return
        raise Refused(f"the saved memory cannot be restored: {error}", reason="ResumeFailed") from error
    # The running guest carries the record of the day it was saved.
    current = _record(domain, persistent=True)
    if current is not None:
        _write(domain, current, _LIVE)


def shutdown(connection: libvirt.virConnect, uuid: str) -> None:
    """Ask by ACPI."""
    domain = ours(connection, uuid)
    if domain is not None and domain.isActive():
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)


def agent_shutdown(connection: libvirt.virConnect, uuid: str) -> bool:
    """Ask by the guest agent; False when it did not take the request."""
    domain = ours(connection, uuid)
    if domain is None or not domain.isActive():
        return True
    try:
        domain.agentSetResponseTimeout(AGENT_SECONDS)
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    except libvirt.libvirtError as error:
        LOG.debug("guest agent did not take the shutdown request", extra={"uuid": uuid, "error": str(error)})
        return False
    return True


def ping(connection: libvirt.virConnect, uuid: str, timeout_seconds: int) -> bool:
    """Ask the guest agent for a sign of life."""
    domain = ours(connection, uuid)
    if domain is None or not domain.isActive():
        return False
    try:
        libvirt_qemu.qemuAgentCommand(domain, json.dumps({"execute": "guest-ping"}), timeout_seconds, 0)
    except libvirt.libvirtError:
        return False
    return True


def destroy(connection: libvirt.virConnect, uuid: str) -> None:
    """Cut the power."""
    domain = ours(connection, uuid)
    if domain is None or not domain.isActive():
        return
    try:
        domain.destroy()
    except libvirt.libvirtError:
        if domain.isActive():
            raise


def suspend(connection: libvirt.virConnect, uuid: str) -> None:
    """Stop the clock."""
    domain = ours(connection, uuid)
    if domain is not None and domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
        domain.suspend()


def resume(connection: libvirt.virConnect, uuid: str) -> None:
    """Let it run on."""
    domain = ours(connection, uuid)
    if domain is not None and domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()


def set_link(connection: libvirt.virConnect, uuid: str, mac: str, state: LinkState) -> None:
    """Plug the cable of an interface in or out; done if it is so, or there is no such interface in flight."""
    domain = ours(connection, uuid)
    if domain is None or not domain.isActive():
        return
    changed = relinked(domain.XMLDesc(), mac, state)
    if changed is not None:
        with host_trouble("LinkFailed"):
            domain.updateDeviceFlags(changed, _LIVE)


def hibernate(connection: libvirt.virConnect, uuid: str) -> None:
    """Save the memory; whatever the guest was, it is to run when it is restored."""
    domain = ours(connection, uuid)
    if domain is not None and domain.isActive():
        with host_trouble("SaveFailed"):
            domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)


def stop_saving(connection: libvirt.virConnect, uuid: str) -> None:
    """Give up a save that is under way; `NotReady` until the guest runs again, of which libvirt tells."""
    domain = ours(connection, uuid)
    if domain is None or not _is_being_saved(domain):
        return
    try:
        domain.abortJob()
    except libvirt.libvirtError:
        # It may have ended between our look and our call.
        if _is_being_saved(domain):
            raise
    if _is_being_saved(domain):
        raise NotReady("its memory is still being saved", reason="Saving", delay=SAVING_SECONDS)


def _is_being_saved(domain: libvirt.virDomain) -> bool:
    return observed(*domain.state()) == ("Paused", "Saving")


def discard_save(connection: libvirt.virConnect, uuid: str) -> None:
    """Remove the saved memory."""
    domain = ours(connection, uuid)
    if domain is not None and domain.hasManagedSaveImage():
        domain.managedSaveRemove()


def undefine(connection: libvirt.virConnect, uuid: str) -> None:
    """Forget the guest, saved memory, content of its TPM and all."""
    domain = ours(connection, uuid)
    if domain is None or not domain.isPersistent():
        return
    present = domain.XMLDesc()
    variables = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM if has_variables(present) else 0
    # Only where there is one: not every driver of libvirt's knows the word.
    content = libvirt.VIR_DOMAIN_UNDEFINE_TPM if has_tpm(present) else 0
    found(domain.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | variables | content)


def write_record(connection: libvirt.virConnect, uuid: str, record: Record) -> None:
    """Replace the record, first where it counts."""
    domain = ours(connection, uuid)
    if domain is None:
        return
    if domain.isPersistent():
        _write(domain, record, _CONFIG)
    if domain.isActive():
        _write(domain, record, _LIVE)


def _write(domain: libvirt.virDomain, record: Record, flags: int) -> None:
    domain.setMetadata(_METADATA, records.to_text(record), records.PREFIX, records.NAMESPACE, flags)
