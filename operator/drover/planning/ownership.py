"""Whose a child is: the machine's uid stands in an annotation too, because an orphaning delete strips owners."""

from drover.api.kinds import VIRTUALMACHINE
from drover.state.resource import Meta

ANNOTATION_MACHINE = "drover.dev/machine-uid"
"""On what is made for a machine: its uid."""


def machine_uid(meta: Meta) -> str:
    """Uid of the machine that an object was made for, empty when it was made for none."""
    return meta.annotation("machine-uid") or meta.owner


def reference(machine: Meta) -> dict[str, object]:
    """Build the ownerReference that makes the machine the controlling owner of a child."""
    return {
        "apiVersion": VIRTUALMACHINE.api_version,
        "kind": VIRTUALMACHINE.name,
        "name": machine.key.name,
        "uid": machine.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
