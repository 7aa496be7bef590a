"""One reconcile of one Domain, as its steps pass it on."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from drover.agent import volume as volumes
from drover.agent.node import Node
from drover.api.domain import VolumeFact
from drover.errors import NotReady
from drover.planning.view import DomainView


@dataclass(slots=True)
class Work:
    """One reconcile of one Domain: what it found and did on its way."""

    node: Node
    order: DomainView
    current: bool
    """Whether the order is the API server's word, and not the last view of it, which may be long outdated."""
    volumes: dict[str, VolumeFact] = field(default_factory=dict)
    """By name of the StorageVolume."""
    released: bool = False
    told: Mapping[str, str] = field(default_factory=dict)
    """Version of each Secret that its seed is made from, by its name."""

    async def look_at_volumes(self) -> None:
        """Find data of which the API does not know: of volumes that were made just before an agent died."""
        told = {fact.name for fact in self.order.status.volumes or () if fact.ready}
        for disk in self.order.spec.disks:
            if disk.volume in told or disk.volume in self.volumes:
                continue
            with suppress(NotReady):  # a pool that nobody has used since the node was booted
                file = await volumes.look(self.node, disk)
                if file is not None:
                    self.volumes[disk.volume] = volumes.fact(disk, file)
