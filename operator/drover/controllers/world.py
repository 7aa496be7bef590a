"""What the reconcilers share: the API, the caches, and memories that may be lost at any instant without harm."""

import asyncio
from dataclasses import dataclass, field

from drover.controllers.events import Events
from drover.controllers.hypervisor import Heartbeats
from drover.controllers.links import Links, Usage
from drover.controllers.orphans import Orphans
from drover.controllers.patience import Patience
from drover.controllers.tally import Tally
from drover.controllers.watches import Caches, Stores
from drover.kube.client import Cluster
from drover.planning.address import Book
from drover.planning.ledger import Ledger
from drover.planning.resolve import Policy
from drover.planning.times import stamp
from drover.runtime.settings import ControllerSettings
from drover.state.resource import Key


@dataclass(frozen=True, slots=True)
class SecretSeen:
    """A Secret when it was looked at last."""

    written: str
    """Its resource version, empty when it was gone."""
    version: str
    """Name of what it held."""


@dataclass(frozen=True, slots=True)
class World:
    """One per process."""

    cluster: Cluster
    settings: ControllerSettings
    caches: Caches
    stores: Stores
    """The same caches, by name."""
    policy: Policy
    heartbeats: Heartbeats
    book: Book = field(default_factory=Book)
    ledger: Ledger = field(default_factory=Ledger)
    links: Links = field(default_factory=Links)
    usage: Usage = field(default_factory=Usage)
    tally: Tally = field(default_factory=Tally)
    members: Tally = field(default_factory=Tally)
    """Interfaces, see `watches.interface`, by the SecurityGroups that they name."""
    orphans: Orphans = field(default_factory=Orphans)
    patience: Patience = field(default_factory=Patience)
    events: Events = field(default_factory=Events)
    judging: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is found out, and said, whether a network is accepted."""
    telling: dict[Key, bytes] = field(default_factory=dict)
    """Statuses of machines that were told last: hearing them again is no news."""
    ordered: set[str] = field(default_factory=set)
    """Uids of machines whose deletion is known to be somebody's order."""
    secrets: dict[Key, SecretSeen] = field(default_factory=dict)
    """Each Secret that a guest in flight was told."""
    phases: dict[Key, str] = field(default_factory=dict)
    """Phase of each machine, for the metrics."""

    def now(self) -> str:
        """Tell the time as conditions have it."""
        return stamp(self.cluster.now())
