"""One look at a host's libvirt, by somebody who does not stay connected; blocking."""

from pathlib import Path

import libvirt
from drover.errors import Unavailable
from drover.hypervisor import facts
from drover.hypervisor.errors import converted
from drover.hypervisor.loop import silence
from drover.state.host import HostFacts


def inspect(uri: str, directory: Path, boot_id: str) -> HostFacts:
    """Ask libvirt for the facts of the host, trying KVM unless `directory` has the verdict of this boot.

    `Unavailable` when libvirt cannot be reached, `Unsupported` when the host cannot run a guest of ours.
    """
    silence()
    try:
        connection = libvirt.open(uri)
    except libvirt.libvirtError as error:
        raise Unavailable(str(error)) from error
    try:
        with converted():
            return facts.facts(connection, directory, boot_id)
    finally:
        connection.close()
