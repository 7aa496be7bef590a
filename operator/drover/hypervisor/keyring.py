"""Keys of Ceph clusters: in the memory of this process and of libvirtd, and nowhere else on the node."""

from dataclasses import dataclass, field

from drover.hypervisor import rbd
from drover.hypervisor.connection import Connection
from drover.state.host import CephKey


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that pools of this host are used with."""

    libvirt: Connection
    keys: dict[str, CephKey] = field(default_factory=dict, repr=False)
    """By StoragePool."""

    def has(self, pool: str) -> bool:
        """Tell whether the key of a pool is known."""
        return pool in self.keys

    def put(self, pool: str, key: CephKey) -> None:
        """Know the key of a pool."""
        self.keys[pool] = key

    def drop(self, pool: str) -> None:
        """Know the key of a pool no more."""
        self.keys.pop(pool, None)

    async def lend(self, pool: str) -> None:
        """Have libvirt know the key of a pool: it forgets them when it is restarted."""
        await self.libvirt.call(rbd.lend, pool, self.keys[pool])
